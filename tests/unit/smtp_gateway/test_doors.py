"""Every command in every state at every door: the code of the answer (RFC 5321 §4.3.2)."""

import pytest
from smtp_gateway.core.roles import Role

from tests.support.fake_gateway import converse

LOGIN = b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"
MAIL, RCPT = b"MAIL FROM:<jones@foo.com>\r\n", b"RCPT TO:<brown@foo.com>\r\n"
CHUNK = b"BDAT 23\r\nFrom: jones@foo.com\r\n\r\n"
ARGUMENTS = {
    "EHLO": " c.test",
    "HELO": " c.test",
    "LHLO": " c.test",
    "MAIL": " FROM:<jones@foo.com>",
    "RCPT": " TO:<brown@foo.com>",
    "BDAT": f" {len(CHUNK) - 9} LAST\r\n" + CHUNK[9:].decode().removesuffix("\r\n"),
    "VRFY": " brown",
    "EXPN": " sales",
    "AUTH": " PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=",
    "XCLIENT": " ADDR=192.0.2.1",
    "BREW": " coffee",
}
STATES = ("START", "GREETED", "MAIL", "RCPT", "CHUNKS")
# In those states, of a stranger at the mx.
MX = """
    EHLO      250  250  250  250  250
    HELO      250  250  250  250  250
    LHLO      500  500  500  500  500
    MAIL      503  250  503  503  503
    RCPT      503  503  250  250  503
    DATA      503  503  554  354  503
    BDAT      503  503  554  250  250
    RSET      250  250  250  250  250
    NOOP      250  250  250  250  250
    VRFY      252  252  252  252  252
    EXPN      252  252  252  252  252
    HELP      214  214  214  214  214
    STARTTLS  503  220  503  503  503
    AUTH      502  502  502  502  502
    XCLIENT   500  500  500  500  500
    QUIT      221  221  221  221  221
    BREW      500  500  500  500  500
"""
# What is another answer elsewhere. Who has not logged in at a door for users has no transaction: there are two states.
IN_TLS = """
    STARTTLS  502  502  502  502  502
"""
NOBODY = """
    MAIL      503  530
    AUTH      503  235
"""
FROM_AFAR = """
    MAIL      503  530
    AUTH      538  538
"""
USER = """
    VRFY      252  250  250  250  250
    EXPN      252  250  250  250  250
    AUTH      503  503  503  503  503
"""
LMTP = """
    EHLO      500  500  500  500  500
    HELO      500  500  500  500  500
    LHLO      250  250  250  250  250
"""
DOORS: dict[str, tuple[Role, dict[str, object], str]] = {
    "mx": (Role.MX, {}, ""),
    "mx, in TLS": (Role.MX, {"in_tls": True}, IN_TLS),
    "587, from afar": (Role.MSA, {"client": "192.0.2.1"}, FROM_AFAR),
    "587, nobody": (Role.MSA, {}, NOBODY),
    "587, a user": (Role.MSA, {}, USER),
    "465, nobody": (Role.MSA, {"in_tls": True, "client": "192.0.2.1"}, NOBODY + IN_TLS),
    "465, a user": (Role.MSA, {"in_tls": True, "client": "192.0.2.1"}, USER + IN_TLS),
    "lmtp": (Role.LMTP, {}, LMTP),
}


def read(table: str) -> dict[str, list[int]]:
    """By command; a later line counts in the place of an earlier one."""
    lines = [line.split() for line in table.splitlines() if line.strip()]
    return {verb: [int(code) for code in codes] for verb, *codes in lines}


@pytest.mark.parametrize("door", DOORS)
def test_every_command_in_every_state(door: str) -> None:
    role, values, differences = DOORS[door]
    expected = read(MX + differences)
    begin = [b"LHLO c.test\r\n" if role is Role.LMTP else b"EHLO c.test\r\n"]
    begin += [LOGIN] if "user" in door else []
    roads: tuple[list[bytes], ...] = (
        [],
        begin,
        [*begin, MAIL],
        [*begin, MAIL, RCPT],
        [*begin, MAIL, RCPT, CHUNK],
    )
    has_transactions = role is not Role.MSA or "user" in door
    for verb, codes in expected.items():
        for state, road, code in zip(STATES, roads, codes, strict=False):
            if state not in STATES[:2] and not has_transactions:
                continue
            command = f"{verb}{ARGUMENTS.get(verb, '')}\r\n".encode()
            said, _, _ = converse(role, [*road, command], **values)  # type: ignore[arg-type]
            assert int(said.split(b"\r\n")[-2][:3]) == code, (state, verb, said)
