"""Recipients of a special kind: postmaster without a domain, domains of one label, aliases larger than a message may be."""

from typing import Any

import pytest
from smtp_gateway.core.roles import Role

from tests.support import fake_gateway
from tests.support.fake_gateway import converse

HELLO = b"EHLO c.test\r\n"
LOGIN = b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"
STRANGER = (HELLO, b"MAIL FROM:<x@peer.test>\r\n")
USER = (HELLO, LOGIN, b"MAIL FROM:<jones@foo.com>\r\n")
WHOLE = (b"DATA\r\n", b"From: jones@foo.com\r\n\r\nx\r\n.\r\n")


@pytest.fixture
def postmasters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fake_gateway.ALIASES, "postmaster@foo.com", ("smith@foo.com",))


@pytest.mark.usefixtures("postmasters")
@pytest.mark.parametrize("form", [b"postmaster", b"Postmaster", b"POSTMASTER"])
@pytest.mark.parametrize(
    ("role", "begin", "values"),
    [
        (Role.MX, STRANGER, {"hostname": "foo.com"}),
        (Role.MX, STRANGER, {"hostname": "mx1.foo.com"}),
        (Role.MX, STRANGER, {"hostname": "mx1.elsewhere.test", "postmaster": "postmaster@foo.com"}),
        (Role.MSA, USER, {"hostname": "mx1.elsewhere.test"}),
    ],
    ids=["our host name", "the domain above it", "whom the operator named", "a user's"],
)
def test_postmaster_needs_no_domain(
    form: bytes, role: Role, begin: tuple[bytes, ...], values: dict[str, Any]
) -> None:
    rcpts = b"RCPT TO:<jones@foo.com>\r\nRCPT TO:<" + form + b">\r\n"
    said, gate, _ = converse(role, [*begin, rcpts, *WHOLE], **values)
    assert said.count(b"250 2.1.5") == 2
    [letter] = gate.letters
    assert [each.account_id for each in letter.recipients] == ["id-jones@foo.com", "id-smith@foo.com"]
    # What files it finds a whole address.
    assert letter.recipients[1].original_address == "postmaster@foo.com"


def test_nobody_is_relayed_for_as_the_postmaster() -> None:
    said, _, _ = converse(Role.MX, [*STRANGER, b"RCPT TO:<postmaster>\r\n"], hostname="mx.elsewhere.test")
    assert said.endswith(b"550 5.7.1 We do not relay for strangers\r\n")


@pytest.mark.parametrize("path", [b"x@sales", b"x@localhost", b"x@xn--bcher-kva"])
def test_a_domain_of_one_label_is_known_to_nobody_else(path: bytes) -> None:
    said, _, _ = converse(Role.MSA, [*USER, b"RCPT TO:<" + path + b">\r\n"])
    assert said.splitlines()[-1].startswith(b"554 5.1.2 ")
    said, _, _ = converse(Role.MX, [*STRANGER, b"RCPT TO:<" + path + b">\r\n"])
    assert said.splitlines()[-1].startswith(b"550 5.7.1 ")


@pytest.mark.parametrize("path", [b"x@squeaky.sales", b"x@[192.0.2.1]", b"x@[IPv6:2001:db8::1]"])
def test_other_domains_are(path: bytes) -> None:
    said, _, _ = converse(Role.MSA, [*USER, b"RCPT TO:<" + path + b">\r\n"])
    assert said.splitlines()[-1].startswith(b"250 2.1.5 ")


def test_an_alias_larger_than_a_message_may_be_is_taken_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    many = tuple(f"far{number}@elsewhere.test" for number in range(150))
    monkeypatch.setitem(fake_gateway.ALIASES, "all@foo.com", many)
    everybody, jones = b"RCPT TO:<all@foo.com>\r\n", b"RCPT TO:<jones@foo.com>\r\n"
    said, gate, _ = converse(Role.MX, [*STRANGER, everybody, jones, *WHOLE], recipients=100)
    assert b"250 2.1.5 Recipient ok\r\n452 4.5.3 " in said
    assert len(gate.letters[0].recipients) == 150
    said, _, _ = converse(Role.MX, [*STRANGER, jones, everybody, *WHOLE], recipients=100)
    assert b"250 2.1.5 Recipient ok\r\n452 4.5.3 " in said
