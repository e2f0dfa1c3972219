"""What leaves in our own name: forwards rewritten and sealed, notices and answers signed, nothing of strangers vouched for."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from blobstore import BodyReference
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from directoryclient import Disposition, Resolution, Unavailable
from mailmsg.facts import examine
from mta_queue.adapters.leaving import Leaving
from senderauth import Result, arc, authres, dkim
from senderauth.authres import MethodResult
from senderauth.dkim import SigningKey
from senderauth.srs import Srs
from spool import Envelope, EnvelopeRecipient, OwnCopies, Source, SpooledLetter

from tests.support.zone import Zone

NOW = datetime.now(UTC)
TENANT, OTHER = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
SECRETS = (b"a secret of this test",)
RSA = SigningKey("ours.test", "r", rsa.generate_private_key(65_537, 2048))
ED = SigningKey("ours.test", "e", Ed25519PrivateKey.generate())
STRANGER = SigningKey("list.test", "s", Ed25519PrivateKey.generate())
ZONE = Zone({key.record_name: {"TXT": key.record} for key in (RSA, ED, STRANGER)})
CONTENT = b"From: <a@y.test>\r\nTo: <x@ours.test>\r\nSubject: hello\r\n\r\nHello\r\n"
RECEIVED = b"Received: from y.test by us\r\n"


class Directory:
    """ours.test is the tenant's, other.test another's."""

    async def resolve(self, addresses: Sequence[str]) -> list[Resolution]:
        owners = {"ours.test": TENANT, "other.test": OTHER}
        return [
            Resolution(Disposition.UNKNOWN, (), owners.get(each.rpartition("@")[2], "")) for each in addresses
        ]


class Keys:
    away = False

    async def of(self, tenant_id: str, domain: str) -> tuple[SigningKey, ...]:
        if self.away:
            raise Unavailable("away")
        return {
            (TENANT, "ours.test"): (ED, RSA),
            (OTHER, "other.test"): (replace(ED, domain="other.test"),),
        }.get((tenant_id, domain), ())


KEYS = Keys()


def leaving(*, secrets: tuple[bytes, ...] = SECRETS, keys: Keys = KEYS) -> Leaving:
    return Leaving(Directory(), keys, secrets, lambda: NOW)  # type: ignore[arg-type]


def letter(
    source: Source, prefix: bytes = RECEIVED, content: bytes = CONTENT, reverse_path: str = "a@y.test"
) -> SpooledLetter:
    digest = hashlib.sha256(content).digest()
    envelope = Envelope(
        queue_id="01J00000000000000000000000",
        tenant_id=TENANT,
        reverse_path=reverse_path,
        recipients=(EnvelopeRecipient("b@far.test", "x@Ours.test", None),),
        arrived_at=NOW,
        digest=digest,
        size_octets=len(content),
        trace_prefix=prefix,
        source=source,
        helo="",
        client_address="",
        sender_account_id="",
        smtputf8=False,
        eight_bit=False,
    )
    return SpooledLetter(envelope, BodyReference("k", 0, len(content), digest), examine(content))


def door(*results: MethodResult) -> bytes:
    return authres.field("mx.ours.test", list(results)) + RECEIVED


SEEN = door(MethodResult("spf", "pass"), MethodResult("dmarc", "pass"))


async def leave(
    sent: SpooledLetter, content: bytes = CONTENT, one: Leaving | None = None
) -> tuple[str, bytes]:
    """The reverse-path, and the message as it leaves."""
    one = one or leaving()
    departure = one.departure(sent.envelope, ("b@far.test",))
    message = sent.envelope.trace_prefix + content
    added = await one.prefix(sent, departure, message) if departure.added_octets else b""
    assert len(added) <= departure.added_octets
    return departure.reverse_path, added + message


async def test_a_forward_is_ours_and_sealed() -> None:
    path, message = await leave(letter(Source.MX, SEEN))
    assert path.startswith("SRS0=")
    assert path.endswith("=y.test=a@ours.test")
    assert Srs("ours.test", SECRETS).reverse(path, now=NOW + timedelta(days=5)) == "a@y.test"
    verdict = await arc.verify(ZONE, message, now=NOW)
    assert (verdict.result, verdict.sealers) == (Result.PASS, ("ours.test",))
    seen = verdict.trusted_results({"ours.test"})
    assert seen is not None
    assert {(each.method, each.result) for each in seen.results} == {("spf", "pass"), ("dmarc", "pass")}
    assert b"a=rsa-sha256" in message.partition(b"ARC-Message-Signature")[0]


async def test_a_chain_that_came_goes_on() -> None:
    first = arc.seal(CONTENT, await arc.verify(ZONE, CONTENT, now=NOW), "list.test", [], STRANGER, now=NOW)
    sealed = first + CONTENT
    _, message = await leave(letter(Source.MX, door(MethodResult("arc", "pass")), sealed), sealed)
    verdict = await arc.verify(ZONE, message, now=NOW)
    assert (verdict.result, verdict.sealers) == (Result.PASS, ("list.test", "ours.test"))
    broken = sealed.replace(b"Hello\r\n", b"Bye\r\n")
    _, message = await leave(letter(Source.MX, door(MethodResult("arc", "fail")), broken), broken)
    assert (await arc.verify(ZONE, message, now=NOW)).result is Result.FAIL


async def test_a_chain_that_was_not_there_at_the_door_is_not_said_to_have_passed() -> None:
    """As `addheader` makes it: with keys of his own a user could have us vouch for whatever it says."""
    first = arc.seal(CONTENT, await arc.verify(ZONE, CONTENT, now=NOW), "list.test", [], STRANGER, now=NOW)
    made = first + CONTENT
    sent = letter(Source.SIEVE, b"Delivered-To: x@ours.test\r\n" + door(MethodResult("arc", "none")), made)
    _, message = await leave(sent, made)
    assert b"cv=fail" in message.partition(b"ARC-Message-Signature")[0]
    assert (await arc.verify(ZONE, message, now=NOW)).result is Result.FAIL
    # Nor one that was, and was taken out.
    sent = letter(Source.SIEVE, b"Delivered-To: x@ours.test\r\n" + door(MethodResult("arc", "pass")))
    _, message = await leave(sent)
    assert b"cv=fail" in message.partition(b"ARC-Message-Signature")[0]


async def test_a_chain_that_a_script_broke_is_not_said_to_have_passed() -> None:
    first = arc.seal(CONTENT, await arc.verify(ZONE, CONTENT, now=NOW), "list.test", [], STRANGER, now=NOW)
    # As `deleteheader` leaves it: a set that is not whole.
    cut = first[: first.index(b"ARC-Authentication-Results")] + CONTENT
    sent = letter(Source.SIEVE, b"Delivered-To: x@ours.test\r\n" + door(MethodResult("arc", "pass")), cut)
    _, message = await leave(sent, cut)
    assert message.startswith(b"ARC-Seal: i=2")
    assert b"cv=fail" in message.partition(b"ARC-Message-Signature")[0]


async def test_what_nobody_looked_at_is_not_sealed() -> None:
    path, message = await leave(letter(Source.MX))
    assert path.startswith("SRS0=")
    assert message == RECEIVED + CONTENT
    forged = b"Authentication-Results: mx.ours.test; dmarc=pass\r\n" + CONTENT
    _, message = await leave(letter(Source.MX, RECEIVED, forged), forged)
    assert b"ARC-" not in message


@pytest.mark.parametrize("reverse_path", ["", "a@ours.test"])
async def test_what_needs_no_rewriting(reverse_path: str) -> None:
    assert (await leave(letter(Source.MX, reverse_path=reverse_path)))[0] == reverse_path


async def test_a_sender_too_long_to_rewrite_keeps_his_name() -> None:
    long = "x" * 60 + "@y.test"
    assert (await leave(letter(Source.MX, reverse_path=long)))[0] == long
    assert (await leave(letter(Source.MX), one=leaving(secrets=())))[0] == "a@y.test"


async def test_a_redirect_is_a_forward_of_its_owner_and_never_signed() -> None:
    forged = CONTENT.replace(b"a@y.test", b"boss@ours.test")
    sent = letter(Source.SIEVE, b"Delivered-To: x@ours.test\r\n" + SEEN, forged)
    path, message = await leave(sent, forged)
    assert path.endswith("@ours.test")
    assert b"ARC-Seal" in message
    assert b"DKIM-Signature" not in message


OWN = CONTENT.replace(b"a@y.test", b"me@ours.test")


@pytest.mark.parametrize("source", [Source.DSN, Source.SIEVE])
async def test_what_we_write_is_signed(source: Source) -> None:
    path, message = await leave(letter(source, b"", OWN, ""), OWN)
    assert path == ""
    verdicts = await dkim.verify(ZONE, message, now=NOW)
    assert [(each.result, each.domain) for each in verdicts] == [(Result.PASS, "ours.test")] * 2


@pytest.mark.parametrize(
    ("source", "author", "signed"),
    [
        (Source.DSN, b"me@other.test", True),
        (Source.SIEVE, b"me@other.test", False),
        (Source.SIEVE, b"me@far.test", False),
        (Source.SUBMISSION, b"me@ours.test", False),
    ],
)
async def test_who_may_sign_for_whom(source: Source, author: bytes, signed: bool) -> None:
    content = CONTENT.replace(b"a@y.test", author)
    _, message = await leave(letter(source, b"", content, ""), content)
    assert (b"DKIM-Signature" in message) is signed


async def test_what_is_signed_already_is_not_signed_again() -> None:
    _, message = await leave(letter(Source.DSN, b"DKIM-Signature: v=1\r\n", OWN, ""), OWN)
    assert message.count(b"DKIM-Signature") == 1


async def test_without_keys_it_leaves_all_the_same() -> None:
    keys = Keys()
    keys.away = True
    for sent, content in ((letter(Source.MX, SEEN), CONTENT), (letter(Source.DSN, b"", OWN, ""), OWN)):
        _, message = await leave(sent, content, leaving(keys=keys))
        assert message == sent.envelope.trace_prefix + content


ONE_CLICK = (
    b"List-Unsubscribe: <https://ours.test/unsubscribe/<>>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
)


async def test_the_copy_of_a_member_has_its_own_way_back_and_its_fields_are_signed() -> None:
    delivered = b"Delivered-To: news@ours.test\r\n" + SEEN
    sent = letter(Source.SIEVE, delivered, CONTENT, "news+bounces@ours.test")
    envelope = replace(
        sent.envelope,
        recipients=(
            EnvelopeRecipient("b@far.test", "b@far.test", None, token="t0ken"),
            EnvelopeRecipient("c@far.test", "c@far.test", None, token="other"),
        ),
        own_copies=OwnCopies("news+b-<>@ours.test", ONE_CLICK, "ours.test"),
    )
    one = leaving()
    departure = one.departure(envelope, ("b@far.test",))
    assert (departure.reverse_path, departure.seal_domain) == ("news+b-t0ken@ours.test", "ours.test")
    assert departure.fields == ONE_CLICK.replace(b"<>", b"t0ken")
    message = envelope.trace_prefix + departure.fields + CONTENT
    added = await one.prefix(replace(sent, envelope=envelope), departure, message)
    assert len(added) + len(departure.fields) <= departure.added_octets
    verdicts = [
        each for each in await dkim.verify(ZONE, added + message, now=NOW) if each.result is Result.PASS
    ]
    assert {each.domain for each in verdicts} == {"ours.test"}
    signature = added[added.index(b"DKIM-Signature") :].lower()
    assert b"list-unsubscribe:" in signature.replace(b"\r\n\t", b"").replace(b" ", b"")
    assert b"list-unsubscribe-post" in signature.replace(b"\r\n\t", b"").replace(b" ", b"")
    forged = (added + message).replace(b"/t0ken>", b"/other>")
    assert not [each for each in await dkim.verify(ZONE, forged, now=NOW) if each.result is Result.PASS]
    assert (await arc.verify(ZONE, added + message, now=NOW)).result is Result.PASS


async def test_without_the_word_of_who_made_it_no_copy_is_signed() -> None:
    """Somebody's mail that claims to be of the list's domain must not leave with that domain's signature."""
    sent = letter(Source.SIEVE, b"Delivered-To: news@ours.test\r\n", OWN, "news+bounces@ours.test")
    envelope = replace(
        sent.envelope,
        recipients=(EnvelopeRecipient("b@far.test", "b@far.test", None, token="t"),),
        own_copies=OwnCopies("news+b-<>@ours.test", ONE_CLICK),
    )
    _, message = await leave(replace(sent, envelope=envelope), OWN)
    assert b"DKIM-Signature" not in message
