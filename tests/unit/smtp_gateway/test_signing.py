"""What users submit is signed with the keys of From's domain, which is their tenant's."""

import asyncio
import base64
import re
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from directoryclient import Unavailable
from senderauth import Result, dkim
from senderauth.dkim import Algorithm, DkimResult, SigningKey, generate_pem, signing_key
from smtp_gateway.core.roles import Role
from spool import Letter

from tests.support.dkim_vectors import RFC8463_ED25519_SECRET
from tests.support.fake_gateway import TENANT, FakeGate, converse
from tests.support.zone import Zone

ED25519 = SigningKey(
    "foo.com", "e", Ed25519PrivateKey.from_private_bytes(base64.b64decode(RFC8463_ED25519_SECRET))
)
RSA = signing_key("foo.com", "r", generate_pem(Algorithm.RSA_SHA256))
HEADER = b"From: Jones <jones@FOO.com>\r\nTo: far@elsewhere.test\r\nSubject: hi\r\n"


class FakeKeyRing:
    """foo.com has two keys."""

    def __init__(self, *, away: str = "") -> None:
        self.asked: list[tuple[str, str]] = []
        self._away = away

    async def of(self, tenant_id: str, domain: str) -> tuple[SigningKey, ...]:
        self.asked.append((tenant_id, domain))
        if self._away:
            raise Unavailable(self._away)
        return (RSA, ED25519) if (tenant_id, domain) == (TENANT, "foo.com") else ()


def submit(
    header: bytes, body: bytes = b"text\r\n", keys: FakeKeyRing | None = None
) -> tuple[bytes, FakeGate, FakeKeyRing]:
    """Jones submits this; the answer to the final dot, the gate, the keys."""
    keys = keys or FakeKeyRing()
    content = header + b"\r\n" + body
    chunks = [
        b"EHLO c.test\r\n",
        b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n",
        b"MAIL FROM:<jones@foo.com>\r\nRCPT TO:<far@elsewhere.test>\r\n",
        b"BDAT %d LAST\r\n" % len(content) + content,
    ]
    said, gate, _ = converse(Role.MSA, chunks, signing_keys=keys)
    return said.splitlines()[-1], gate, keys


def travelling(letter: Letter) -> bytes:
    """The message as the next system gets it."""
    return letter.trace_prefix + letter.added_fields + letter.content


def verified(message: bytes) -> tuple[DkimResult, ...]:
    zone = Zone({key.record_name: {"TXT": key.record} for key in (RSA, ED25519)})
    return asyncio.run(dkim.verify(zone, message, now=datetime.now(UTC)))


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (HEADER, b"text\r\n"),
        (HEADER, b""),
        (HEADER, b"no line end"),
        (HEADER + b"Bcc: secret@elsewhere.test\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n", b"text\r\n"),
        (HEADER, b"a line of some length\r\n" * 30_000),
    ],
)
def test_both_keys_sign_what_travels(header: bytes, body: bytes) -> None:
    said, gate, keys = submit(header, body)
    assert said.startswith(b"250")
    assert keys.asked == [(TENANT, "foo.com")]
    [letter] = gate.letters
    assert re.match(rb"Received: [^D]*", letter.trace_prefix)
    found = verified(travelling(letter))
    assert [(each.result, each.domain, each.algorithm) for each in found] == [
        (Result.PASS, "foo.com", "rsa-sha256"),
        (Result.PASS, "foo.com", "ed25519-sha256"),
    ]
    assert all(each.speaks_for_domain for each in found)


def test_what_was_added_is_signed_and_nothing_can_be_added_later() -> None:
    _, gate, _ = submit(HEADER)
    [letter] = gate.letters
    assert b"\r\nMessage-ID: " in letter.added_fields
    message = travelling(letter)
    for altered in (
        b"From: president@foo.com\r\n" + message,
        b"Subject: other\r\n" + message,
        b"Date: Sat, 21 Nov 2020 12:00:00 +0000\r\n" + message,
        message.replace(b"Message-ID: <", b"Message-ID: <x"),
        message + b"more\r\n",
    ):
        assert {each.result for each in verified(altered)} == {Result.FAIL}
    assert not re.search(rb"DKIM-Signature:[^:]*[; \t]l=", message)


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        (b"From: jones.alias@foo.com\r\nSender: jones@foo.com\r\n", ["foo.com"]),
        (b"From: jones@foo.com, jones.alias@foo.com\r\n", ["foo.com"]),
    ],
)
def test_the_domain_of_from_chooses(header: bytes, asked: list[str]) -> None:
    _, gate, keys = submit(header)
    assert [domain for _, domain in keys.asked] == asked
    assert len(verified(travelling(gate.letters[0]))) == 2


def test_nobody_signs_for_an_address_that_is_not_his() -> None:
    said, gate, keys = submit(b"From: trap@other.com\r\n")
    assert said.startswith(b"550")
    assert (gate.letters, keys.asked) == ([], [])


def test_while_the_keys_cannot_be_had_nothing_goes_unsigned() -> None:
    said, gate, _ = submit(HEADER, keys=FakeKeyRing(away="the directory does not answer"))
    assert said.startswith(b"451")
    assert gate.letters == []


def test_a_domain_without_keys_is_not_signed_and_strangers_never_are() -> None:
    class NoKeys(FakeKeyRing):
        async def of(self, tenant_id: str, domain: str) -> tuple[SigningKey, ...]:
            return ()

    said, gate, _ = submit(HEADER, keys=NoKeys())
    assert said.startswith(b"250")
    assert b"DKIM-Signature" not in gate.letters[0].trace_prefix
    keys = FakeKeyRing()
    content = HEADER + b"\r\ntext\r\n"
    chunks = [
        b"EHLO c.test\r\n",
        b"MAIL FROM:<jones@foo.com>\r\nRCPT TO:<jones@foo.com>\r\n",
        b"BDAT %d LAST\r\n" % len(content) + content,
    ]
    _, gate, _ = converse(Role.MX, chunks, signing_keys=keys)
    assert b"DKIM-Signature" not in gate.letters[0].trace_prefix
    assert keys.asked == []
