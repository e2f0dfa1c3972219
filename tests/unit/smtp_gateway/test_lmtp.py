"""LMTP (RFC 2033): a reply for each recipient, nobody's mail but our own, nothing checked that the site's MTA has checked."""

from smtp_gateway.core.roles import Role
from spool import Source

from tests.support.fake_gateway import converse

LHLO = b"LHLO mta.foo.com\r\n"
MAIL = b"MAIL FROM:<eve@peer.invalid>\r\n"
TWO = b"RCPT TO:<jones@foo.com>\r\nRCPT TO:<brown@foo.com>\r\n"


def said_at_the_end(*parts: bytes) -> list[bytes]:
    said, _, _ = converse(Role.LMTP, list(parts))
    return said.split(b"\r\n")[:-1]


def test_a_message_by_chunks_is_answered_for_each_too() -> None:
    lines = said_at_the_end(LHLO, MAIL + TWO, b"BDAT 6\r\nA: b\r\n", b"BDAT 5 LAST\r\n\r\nx\r\n")
    assert [line[:3] for line in lines[-3:]] == [b"250"] * 3
    assert lines[-3].startswith(b"250 2.0.0 6 octets")
    assert lines[-1] == lines[-2]


def test_what_is_refused_is_refused_for_each() -> None:
    hops = b"Received: x\r\n" * 200
    lines = said_at_the_end(LHLO, MAIL + TWO + b"DATA\r\n", hops + b"\r\nx\r\n.\r\n")
    assert [line[:9] for line in lines[-2:]] == [b"554 5.4.6"] * 2


def test_what_is_flawed_is_refused_for_each() -> None:
    lines = said_at_the_end(LHLO, MAIL + TWO + b"DATA\r\n", b"A: b\r\n\r\nbare\nline\r\n.\r\n")
    assert lines[-1] == lines[-2]
    assert lines[-1].startswith(b"5")


def test_it_is_mail_from_the_world_that_was_checked_by_somebody_else() -> None:
    _, gate, _ = converse(Role.LMTP, [LHLO, MAIL + TWO + b"DATA\r\n", b"A: b\r\n\r\nx\r\n.\r\n"])
    [letter] = gate.letters
    assert (letter.source, letter.speaker) == (Source.MX, None)
    assert b" with LMTP id " in letter.trace_prefix.replace(b"\r\n\t", b" ")


def test_who_is_no_mta_of_the_site_is_none_behind_a_proxy_either() -> None:
    preface = b"PROXY TCP4 %b 127.0.0.1 5000 24\r\n"
    for client, told in ((b"192.0.2.9", b"421 4.7.1"), (b"127.0.0.7", b"220 gate.test LMTP")):
        said, _, _ = converse(Role.LMTP, [preface % client, LHLO], proxy_networks=("127.0.0.0/8",))
        assert said.startswith(told)
    said, _, _ = converse(
        Role.LMTP, [LHLO, b"XCLIENT ADDR=192.0.2.9\r\n", LHLO], xclient_networks=("127.0.0.0/8",)
    )
    assert said.endswith(b"421 4.7.1 LMTP is for the mail systems of this site\r\n")


def test_lhlo_is_no_command_of_smtp() -> None:
    said, _, _ = converse(Role.MX, [b"LHLO x.test\r\n"])
    assert said.split(b"\r\n")[1].startswith(b"500 5.5.2")
