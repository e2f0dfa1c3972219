"""ARC: chains that we and others make, and what breaks one (RFC 8617)."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from senderauth import Result, arc, authres, dkim
from senderauth.arc import ArcResult
from senderauth.arc.chain import MAX_SETS, Chain, read_chain, seal_hash
from senderauth.authres import MethodResult
from senderauth.dkim.keys import parse_key
from senderauth.dkim.message import MessageView
from senderauth.dkim.sign import SigningKey
from senderauth.dkim.tags import decode_base64, parse_tags

from tests.support.arc_vectors import FOREIGN_CHAIN
from tests.support.dkim_vectors import LETTER, RFC8463_RSA_PEM, ZONE
from tests.support.zone import TIMEOUT, Records, Zone

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RSA = dkim.signing_key("football.example.com", "test", RFC8463_RSA_PEM)
OTHER = dkim.signing_key("relay.example.net", "s1", dkim.generate_pem(dkim.Algorithm.ED25519_SHA256))
KEYS = {**ZONE, OTHER.record_name: {"TXT": OTHER.record}}
RESULTS = [
    authres.of_arc(Result.NONE, 0, ip_address("192.0.2.1")),
    MethodResult("dmarc", "pass", (("header.from", "football.example.com"),)),
]


async def verdict(message: bytes, zone: Mapping[str, Records | str] | None = None) -> ArcResult:
    return await arc.verify(Zone(KEYS if zone is None else zone), message, now=NOW)


async def sealed(message: bytes, *keys: SigningKey) -> bytes:
    for number, key in enumerate(keys, 1):
        arrived = await verdict(message)
        message = arc.seal(message, arrived, f"mx{number}.example.net", RESULTS, key, now=NOW) + message
    return message


async def test_no_chain() -> None:
    assert (await verdict(LETTER)).result is Result.NONE


async def test_a_chain_that_others_made() -> None:
    found = await verdict(FOREIGN_CHAIN)
    assert (found.result, found.reason) == (Result.PASS, "")
    assert found.oldest_pass == 2  # The list changed the subject.
    assert found.sealers == ("football.example.com", "football.example.com")
    ours = arc.seal(FOREIGN_CHAIN, found, "mx.example.com", RESULTS, OTHER, now=NOW) + FOREIGN_CHAIN
    assert (await verdict(ours)).sealers[-1] == "relay.example.net"


async def test_chains_that_we_make() -> None:
    message = await sealed(LETTER, OTHER, RSA, OTHER)
    found = await verdict(message)
    assert (found.result, found.oldest_pass) == (Result.PASS, 0)
    assert found.sealers == ("relay.example.net", "football.example.com", "relay.example.net")
    assert [each.seal.status for each in found.chain.sets] == ["none", "pass", "pass"]
    first = found.chain.sets[0].results
    assert first is not None
    assert (first.authserv_id, first.results) == ("mx1.example.net", tuple(RESULTS))
    assert max(len(line) for line in message.split(b"\r\n")) <= 78


async def test_only_an_unbroken_line_of_trusted_sealers_is_heard() -> None:
    found = await verdict(await sealed(LETTER, OTHER, RSA, OTHER))

    def heard(*trusted: str) -> str:
        results = found.trusted_results(trusted)
        return results.authserv_id if results else ""

    assert heard("relay.example.net", "football.example.com") == "mx1.example.net"
    assert heard("relay.example.net") == "mx3.example.net"
    assert heard("football.example.com") == ""
    broken = await verdict((await sealed(LETTER, OTHER)) + b"x\r\n")
    assert broken.trusted_results(["relay.example.net"]) is None


async def test_what_is_signed_after_sealing_is_covered() -> None:
    signed = dkim.sign(LETTER, [RSA], now=NOW, lifetime_seconds=60) + LETTER
    message = await sealed(signed, OTHER)
    assert (await verdict(message)).result is Result.PASS
    assert (
        await verdict(message.replace(b"DKIM-Signature: v=1", b"DKIM-Signature: v=2"))
    ).result is Result.FAIL


async def test_a_message_changed_after_the_last_seal_fails() -> None:
    message = await sealed(LETTER, OTHER, RSA)
    for old, new in [
        (b"hungry", b"angry"),
        (b"Suzie Q", b"Suzie R"),
        (b"mx1.example.net", b"mx2.example.net"),
    ]:
        assert old in message
        assert (await verdict(message.replace(old, new, 1))).result is Result.FAIL
    assert (await verdict(b"Received: by x\r\n" + message)).result is Result.PASS


async def test_oldest_pass_after_a_change_on_the_way() -> None:
    message = (await sealed(LETTER, OTHER)).replace(b"Subject: Is", b"Subject: [list] Is")
    assert (await verdict(message)).result is Result.FAIL
    first = (await sealed(LETTER, OTHER)).removesuffix(LETTER)
    changed = first + LETTER.replace(b"Subject: Is", b"Subject: [list] Is")
    arrived = await verdict(first + LETTER)
    message = arc.seal(changed, arrived, "mx2.example.net", RESULTS, RSA, now=NOW) + changed
    found = await verdict(message)
    assert (found.result, found.oldest_pass) == (Result.PASS, 2)


def drop(name: bytes, instance: int, message: bytes) -> bytes:
    view = MessageView(message)
    field = next(
        each for each in view.named(name.lower()) if b"i=%d;" % instance in each.value.replace(b" ", b"")
    )
    return message.replace(field.raw, b"", 1)


def twice(name: bytes, message: bytes) -> bytes:
    return MessageView(message).named(name.lower())[0].raw + message


@pytest.mark.parametrize("name", [b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"])
async def test_a_set_must_be_whole(name: bytes) -> None:
    message = await sealed(LETTER, OTHER, RSA)
    for broken in (drop(name, 1, message), drop(name, 2, message), twice(name, message)):
        found = await verdict(broken)
        assert found.result is Result.FAIL
        assert found.sealers == ()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"cv=pass", b"cv=none"),
        (b"cv=none", b"cv=pass"),
        (b"cv=pass", b"cv=maybe"),
        (b"cv=none;", b""),
        (b"ARC-Seal: i=1;", b"ARC-Seal: i=3;"),
        (b"ARC-Seal: i=1;", b"ARC-Seal: i=0;"),
        (b"ARC-Seal: i=1;", b"ARC-Seal: i=51;"),
        (b"ARC-Seal: i=1;", b"ARC-Seal: i=x;"),
        (b"ARC-Seal: i=1;", b"ARC-Seal:"),
        (b"ARC-Authentication-Results: i=1;", b"ARC-Authentication-Results:"),
        (b"ARC-Authentication-Results: i=1;", b"ARC-Authentication-Results: i=9;"),
        (b"ARC-Message-Signature: i=1;", b"ARC-Message-Signature: i=1; l=5;"),
        (b"ARC-Message-Signature: i=1;", b"ARC-Message-Signature: i=1; i=1;"),
        (b"h=from:", b"h=arc-seal:from:"),
        (b"cv=none;", b"cv=none; h=from;"),
        (b"a=ed25519-sha256; cv", b"a=rsa-sha1; cv"),
        (b"a=ed25519-sha256; cv", b"a=none; cv"),
        (b"s=s1", b"s=s2"),
        (b"d=relay.example.net", b"d=net"),
    ],
)
async def test_what_breaks_a_chain(old: bytes, new: bytes) -> None:
    message = await sealed(LETTER, OTHER, RSA)
    assert old in message
    found = await verdict(message.replace(old, new))
    assert found.result is Result.FAIL, new
    assert found.reason


async def test_a_first_seal_that_vouches_for_a_chain_before_it_breaks_the_chain() -> None:
    pretended = ArcResult(Result.PASS, Chain())
    message = arc.seal(LETTER, pretended, "mx1.example.net", RESULTS, OTHER, now=NOW) + LETTER
    assert b"cv=pass" in message
    found = await verdict(message)
    assert (found.result, found.reason) == (Result.FAIL, "set 1: cv='pass'")


async def test_silence_of_dns_is_final() -> None:
    message = await sealed(LETTER, OTHER)
    assert (await verdict(message, {OTHER.record_name: TIMEOUT})).result is Result.FAIL
    assert (await verdict(message, {})).result is Result.FAIL


async def test_a_broken_chain_is_sealed_as_broken_once() -> None:
    message = (await sealed(LETTER, OTHER)).replace(b"hungry", b"angry")
    arrived = await verdict(message)
    assert arrived.result is Result.FAIL
    own = arc.seal(message, arrived, "mx.example.com", RESULTS, RSA, now=NOW)
    assert b"cv=fail" in own
    assert b"i=2;" in own
    found = await verdict(own + message)
    assert (found.result, found.chain.is_given_up) == (Result.FAIL, True)
    assert arc.seal(own + message, found, "mx.example.com", RESULTS, RSA, now=NOW) == b""
    # Its seal covers its own set only (§5.1.2).
    own_seal, own_signature, own_results = MessageView(own).fields
    digest = seal_hash(hashlib.sha256(), own_results, own_signature, own_seal).digest()
    signature = decode_base64(parse_tags(own_seal.value.decode())["b"])
    key = parse_key(ZONE[RSA.record_name]["TXT"])
    assert key.verifies(dkim.Algorithm.RSA_SHA256, signature, digest)


async def test_a_chain_has_an_end() -> None:
    field = b"ARC-Seal: i=1; cv=none; a=rsa-sha256; d=a.example; s=b; b=AAAA\r\n"
    found = await verdict(field * (MAX_SETS + 1) + LETTER)
    assert (found.result, found.reason) == (Result.FAIL, "too many sets")
    assert arc.seal(field * 51 + LETTER, found, "mx.example.com", RESULTS, RSA, now=NOW) == b""


async def test_a_long_chain_costs_one_walk_and_one_question() -> None:
    message = LETTER
    for _ in range(8):
        message = await sealed(message, OTHER)
    zone = Zone(KEYS)
    found = await arc.verify(zone, message, now=NOW)
    assert (found.result, len(found.sealers)) == (Result.PASS, 8)
    assert len(zone.asked) == 1


@given(
    st.binary(max_size=120),
    st.sampled_from(["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"]),
)
def test_nothing_raises(noise: bytes, name: str) -> None:
    read_chain(MessageView(name.encode() + b": i=1; " + noise + b"\r\n" + FOREIGN_CHAIN))
    arc.examine(name.encode() + b": " + noise + b"\r\n\r\n", now=NOW)


async def test_a_message_signature_over_seals_breaks_a_chain_for_that() -> None:
    message = (await sealed(LETTER, OTHER)).replace(b"h=from:", b"h=ARC-Seal:from:")
    assert (await verdict(message)).reason == "set 1: the message signature covers seals"
