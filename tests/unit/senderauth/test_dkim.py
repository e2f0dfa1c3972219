"""DKIM: the RFCs' vectors, our own signatures, and what must not verify."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from senderauth import Result, dkim
from senderauth.dkim.canonical import Mode, canonical_body, canonical_field, hash_body
from senderauth.dkim.keys import KeyRefused, parse_key
from senderauth.dkim.message import MessageView
from senderauth.dkim.sign import SigningKey, names_to_sign, sign_field
from senderauth.dkim.tags import parse_tags
from senderauth.dkim.verify import MAX_SIGNATURES

from tests.support.dkim_vectors import (
    LETTER,
    RFC6376_KEY,
    RFC6376_SIGNED,
    RFC8463_ED25519_SECRET,
    RFC8463_RSA_PEM,
    RFC8463_SIGNED,
    ZONE,
)
from tests.support.zone import TIMEOUT, Zone

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ED25519 = SigningKey(
    "football.example.com",
    "brisbane",
    Ed25519PrivateKey.from_private_bytes(base64.b64decode(RFC8463_ED25519_SECRET)),
)
RSA = dkim.signing_key("football.example.com", "test", RFC8463_RSA_PEM)


async def results(message: bytes, zone: dict[str, Any] | None = None, now: datetime = NOW) -> list[Result]:
    return [each.result for each in await dkim.verify(Zone(zone or ZONE), message, now=now)]


def signed(message: bytes, *extra: str, key: SigningKey = ED25519, c: str = "relaxed/relaxed") -> bytes:
    """Signed with more tags than `sign` would ever set."""
    view = MessageView(message)
    mode = Mode(c.partition("/")[2])
    length = next((int(tag[2:]) for tag in extra if tag.startswith("l=") and tag[2:].isdigit()), None)
    digest = hash_body(message, view.body_offset, {(mode, length)})[mode, length].digest
    tags = ["v=1", f"a={key.algorithm.value}", f"c={c}", f"d={key.domain}", f"s={key.selector}", *extra]
    return sign_field(b"DKIM-Signature", tags, names_to_sign(view), digest, view, key) + message


# The vectors


async def test_rfc_6376_appendix_a() -> None:
    (found,) = await dkim.verify(Zone(ZONE), RFC6376_SIGNED, now=NOW)
    assert found.result is Result.PASS
    assert (found.domain, found.selector, found.identity) == (
        "example.com",
        "brisbane",
        "joe@football.example.com",
    )
    assert (found.algorithm, found.key_bits, found.signature_start) == ("rsa-sha256", 1024, "AuUoFEfD")


async def test_rfc_8463_appendix_a() -> None:
    found = await dkim.verify(Zone(ZONE), RFC8463_SIGNED, now=NOW)
    assert [(each.result, each.algorithm) for each in found] == [
        (Result.PASS, "ed25519-sha256"),
        (Result.PASS, "rsa-sha256"),
    ]


def test_rfc_8463_published_keys_come_from_its_secrets() -> None:
    assert parse_tags(ED25519.record)["p"] == parse_tags(ZONE[ED25519.record_name]["TXT"])["p"]
    assert parse_tags(RSA.record)["p"] == parse_tags(ZONE[RSA.record_name]["TXT"])["p"]


@pytest.mark.parametrize(
    ("mode", "header", "body"),
    [
        # RFC 6376 §3.4.5
        (Mode.RELAXED, b"a:X\r\nb:Y Z\r\n", b" C\r\nD E\r\n"),
        (Mode.SIMPLE, b"A: X\r\nB : Y\t\r\n\tZ  \r\n", b" C \r\nD \t E\r\n"),
    ],
)
def test_rfc_6376_examples_of_canonical_forms(mode: Mode, header: bytes, body: bytes) -> None:
    message = b"A: X\r\nB : Y\t\r\n\tZ  \r\n\r\n C \r\nD \t E\r\n\r\n\r\n"
    view = MessageView(message)
    fields = [
        canonical_field(field.raw[: -len(field.value) - 1], field.value, mode) + b"\r\n"
        for field in view.fields
    ]
    assert b"".join(fields) == header
    assert b"".join(canonical_body(message, view.body_offset, mode)) == body


@pytest.mark.parametrize(
    ("mode", "length", "digest"),
    [
        # RFC 6376 §3.4.3, §3.4.4: an empty body
        (Mode.SIMPLE, 2, "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="),
        (Mode.RELAXED, 0, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
    ],
)
@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n\r\n"])
def test_an_empty_body(mode: Mode, length: int, digest: str, body: bytes) -> None:
    found = hash_body(body, 0, {(mode, None)})[mode, None]
    assert (base64.b64encode(found.digest).decode(), found.body_octets) == (digest, length)


def reference_body(body: bytes, mode: Mode) -> bytes:
    """§3.4.3 and §3.4.4, line by line."""
    lines = body.split(b"\r\n")
    if mode is Mode.RELAXED:
        spaced = [b" ".join(part for part in line.replace(b"\t", b" ").split(b" ") if part) for line in lines]
        lines = [
            (b" " if line[:1] in (b" ", b"\t") and each else b"") + each
            for line, each in zip(lines, spaced, strict=True)
        ]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        return b"\r\n" if mode is Mode.SIMPLE else b""
    return b"\r\n".join(lines) + b"\r\n"


@given(
    st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b" ", b"\t", b"a", b"b" * 9, b"."]), max_size=40).map(
        b"".join
    ),
    st.sampled_from(list(Mode)),
)
def test_canonical_bodies_follow_the_text(body: bytes, mode: Mode) -> None:
    assert b"".join(canonical_body(body, 0, mode)) == reference_body(body, mode)


@pytest.mark.parametrize("size", [262_143, 262_144, 262_145, 600_001])
@pytest.mark.parametrize("unit", [b"x \t y\r\n", b" \r\n", b"\r\n", b"x\t ", b"\r"])
def test_windows_do_not_show(unit: bytes, size: int) -> None:
    body = (unit * (size // len(unit) + 1))[:size]
    for mode in Mode:
        assert b"".join(canonical_body(body, 0, mode)) == reference_body(body, mode)


# Our own signatures


@pytest.mark.parametrize("keys", [[ED25519], [RSA], [RSA, ED25519]])
async def test_what_we_sign_verifies(keys: list[SigningKey]) -> None:
    fields = dkim.sign(LETTER, keys, now=NOW, lifetime_seconds=86_400)
    assert await results(fields + LETTER) == [Result.PASS] * len(keys)
    assert max(len(line) for line in fields.split(b"\r\n")) <= 78
    for field in MessageView(fields).named(b"dkim-signature"):
        tags = parse_tags(field.value.decode())
        assert "l" not in tags
        assert int(tags["x"]) == int(NOW.timestamp()) + 86_400


async def test_no_key_no_field() -> None:
    assert dkim.sign(LETTER, [], now=NOW, lifetime_seconds=1) == b""


@pytest.mark.parametrize(
    "name", ["From", "To", "Cc", "Subject", "Date", "Reply-To", "Content-Type", "Message-ID"]
)
async def test_nobody_adds_a_field_that_readers_see(name: str) -> None:
    message = dkim.sign(LETTER, [ED25519], now=NOW, lifetime_seconds=60) + LETTER
    assert await results(message) == [Result.PASS]
    assert await results(f"{name}: someone@evil.example\r\n".encode() + message) == [Result.FAIL]
    start, end = message.split(b"\r\n\r\n", 1)
    assert await results(start + f"\r\n{name}: x\r\n\r\n".encode() + end) == [Result.FAIL]


async def test_a_list_may_add_its_fields_and_servers_theirs() -> None:
    message = dkim.sign(LETTER, [ED25519], now=NOW, lifetime_seconds=60) + LETTER
    assert await results(b"Received: from x\r\nList-Id: <l.example>\r\nSender: l@example\r\n" + message) == [
        Result.PASS
    ]


async def test_every_change_of_the_body_or_of_a_signed_field_is_noticed() -> None:
    message = dkim.sign(LETTER, [ED25519], now=NOW, lifetime_seconds=60) + LETTER
    for old, new in [
        (b"hungry", b"Hungry"),
        (b"dinner", b"diner"),
        (b"Joe.\r\n", b"Joe.\r\n.\r\n"),
        (b"d=foot", b"d=boot"),
    ]:
        assert await results(message.replace(old, new, 1)) != [Result.PASS]


async def test_a_signature_expires() -> None:
    message = dkim.sign(LETTER, [ED25519], now=NOW, lifetime_seconds=60) + LETTER
    assert await results(message, now=NOW + timedelta(seconds=60)) == [Result.PASS]
    assert await results(message, now=NOW + timedelta(seconds=61)) == [Result.FAIL]


@pytest.mark.parametrize("c", ["relaxed/relaxed", "relaxed/simple"])
async def test_a_body_length_is_counted_and_flagged(c: str) -> None:
    message = signed(LETTER, "l=5", c=c)
    (found,) = await dkim.verify(Zone(ZONE), message + b"Visit evil.example\r\n", now=NOW)
    assert found.result is Result.PASS
    assert found.unsigned_body_octets == len(LETTER.partition(b"\r\n\r\n")[2]) - 5 + 20
    assert not found.speaks_for_domain
    (whole,) = await dkim.verify(Zone(ZONE), signed(LETTER, f"l={found.unsigned_body_octets - 15}"), now=NOW)
    assert whole.speaks_for_domain
    assert await results(signed(LETTER, "l=9999")) == [Result.FAIL]


# What must not verify

GOOD = signed(LETTER)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (b"v=1; ", b"", Result.PERMERROR),
        (b"v=1", b"v=2", Result.PERMERROR),
        (b"a=ed25519-sha256", b"a=rsa-sha1", Result.FAIL),
        (b"a=ed25519-sha256", b"a=rsa-sha256", Result.FAIL),
        (b"a=ed25519-sha256", b"a=ed25519-sha512", Result.PERMERROR),
        (b"a=ed25519-sha256; ", b"", Result.PERMERROR),
        (b"c=relaxed/relaxed", b"c=nowsp", Result.PERMERROR),
        (b"c=relaxed/relaxed", b"c=simple", Result.FAIL),
        (b"d=football.example.com", b"d=com", Result.PERMERROR),
        (b"d=football.example.com", b"d=", Result.PERMERROR),
        (b"d=football.example.com", b"d=example.org", Result.PERMERROR),
        (b"s=brisbane", b"s=sydney", Result.PERMERROR),
        (b"s=brisbane", b"s=a..b", Result.PERMERROR),
        (b"s=brisbane", b"s=brisbane; s=brisbane", Result.PERMERROR),
        (b"h=from:from:", b"h=to:to:", Result.PERMERROR),
        (b"h=from:from:", b"h=from:", Result.FAIL),
        (b"bh=", b"bh=AAAA", Result.PERMERROR),
        (b"bh=2", b"bh=3", Result.FAIL),
        (b"s=brisbane;", b"s=brisbane; i=joe@example.com;", Result.PERMERROR),
        (b"s=brisbane;", b"s=brisbane; i=joe;", Result.PERMERROR),
        (b"s=brisbane;", b"s=brisbane; q=dns/other;", Result.PERMERROR),
        (b"s=brisbane;", b"s=brisbane; t=2000000000; x=1999999999;", Result.PERMERROR),
        (b"s=brisbane;", b"s=brisbane; x=tomorrow;", Result.PERMERROR),
        (b"s=brisbane;", b"s=brisbane; l=-1;", Result.PERMERROR),
        (b"s=brisbane;", b"s=brisbane; l=99999999999999999999;", Result.PERMERROR),
        (b"s=brisbane;", b"s=brisbane; x=1;", Result.FAIL),
        (b"s=brisbane;", b"s=brisbane; nonsense;", Result.PERMERROR),
        (b"s=brisbane;", b"s=brisbane; new=tag;", Result.FAIL),
        (b"s=brisbane;", b"s=brisbane;;", Result.FAIL),
    ],
)
async def test_faults_of_a_signature(old: bytes, new: bytes, expected: Result) -> None:
    assert old in GOOD
    (found,) = await dkim.verify(Zone(ZONE), GOOD.replace(old, new, 1), now=NOW)
    assert found.result is expected, found
    assert found.reason


P = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (f"v=DKIM1; k=ed25519; p={P}", Result.PASS),
        (f"k=ed25519; p={P}", Result.PASS),
        (f"v=DKIM1; k=ed25519; t=s; p={P}", Result.PASS),
        (f"v=DKIM1; k=ed25519; s=email:other; h=sha1:sha256; n=note; p={P[:20]} {P[20:]}", Result.PASS),
        (f"v=DKIM1; k=ed25519; s=*; p={P.rstrip('=')}", Result.PASS),
        (f"v=DKIM2; k=ed25519; p={P}", Result.PERMERROR),
        (f"k=ed25519; v=DKIM1; p={P}", Result.PERMERROR),
        (f"v=DKIM1; k=ed25519; h=sha1; p={P}", Result.PERMERROR),
        (f"v=DKIM1; k=ed25519; s=tlsrpt; p={P}", Result.PERMERROR),
        (f"v=DKIM1; k=dsa; p={P}", Result.PERMERROR),
        (f"v=DKIM1; p={P}", Result.PERMERROR),
        ("v=DKIM1; k=ed25519; p=", Result.PERMERROR),
        ("v=DKIM1; k=ed25519", Result.PERMERROR),
        ("v=DKIM1; k=ed25519; p=AAAA", Result.PERMERROR),
        ("v=DKIM1; k=ed25519; p=*!", Result.PERMERROR),
        (RFC6376_KEY, Result.FAIL),
        ("nonsense", Result.PERMERROR),
        (["nonsense", f"v=DKIM1; k=ed25519; p={P}"], Result.PASS),
        (TIMEOUT, Result.TEMPERROR),
        ([], Result.PERMERROR),
    ],
)
async def test_keys(record: Any, expected: Result) -> None:
    assert await results(GOOD, {ED25519.record_name: {"TXT": record}}) == [expected]


async def test_flags_of_keys() -> None:
    record = {ED25519.record_name: {"TXT": f"v=DKIM1; k=ed25519; t=y:s; p={P}"}}
    (found,) = await dkim.verify(Zone(record), GOOD, now=NOW)
    assert (found.result, found.is_testing) == (Result.PASS, True)
    (broken,) = await dkim.verify(Zone(record), GOOD.replace(b"dinner", b"lunch"), now=NOW)
    assert (broken.result, broken.is_testing) == (Result.NEUTRAL, True)
    below = signed(LETTER, "i=@sub.football.example.com")
    assert await results(below) == [Result.PASS]
    assert await results(below, record) == [Result.PERMERROR]


def rsa_octets(exponent: int, modulus: int) -> bytes:
    key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (rsa_octets(65537, 2**511 + 1), "512 bits"),
        (rsa_octets(65537, 2**1022 + 1), "1023 bits"),
        (rsa_octets(2**100 + 1, 2**1023 + 1), "too large"),
        (rsa_octets(65537, 2**9000 + 1), "too large"),
        (b"\x30\x00", "read"),
    ],
)
def test_rsa_keys_that_are_refused(octets: bytes, reason: str) -> None:
    with pytest.raises(KeyRefused, match=reason):
        parse_key("v=DKIM1; p=" + base64.b64encode(octets).decode())


def test_pkcs1_keys_are_read() -> None:
    octets = RSA.key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    assert parse_key("p=" + base64.b64encode(octets).decode()).bits == 1024


# Limits and hostility


async def test_many_signatures_cost_little() -> None:
    many = b"".join(
        signed(LETTER, f"l={i}").removesuffix(LETTER).replace(b"s=brisbane", b"s=s%d" % i) for i in range(50)
    )
    zone = Zone(ZONE)
    found = await dkim.verify(zone, many + LETTER, now=NOW)
    assert len(found) == len(zone.asked) == MAX_SIGNATURES


async def test_one_key_is_fetched_once_and_foretold() -> None:
    zone = Zone(ZONE)
    message = signed(LETTER, "n=a").removesuffix(LETTER) + GOOD
    candidates = dkim.examine(message, now=NOW)
    assert dkim.key_names(candidates) == [ED25519.record_name]
    assert [each.result for each in await dkim.settle(zone, candidates)] == [Result.PASS, Result.PASS]
    assert zone.asked == [(ED25519.record_name, "TXT")]


async def test_a_wrong_body_asks_no_question() -> None:
    zone = Zone(ZONE)
    await dkim.verify(zone, GOOD + b"more\r\n", now=NOW)
    assert zone.asked == []


async def test_unsigned() -> None:
    assert await results(LETTER) == []
    assert await results(b"") == []


@given(
    st.binary(max_size=300),
    st.sampled_from(
        [b"DKIM-Signature: v=1; ", b"DKIM-Signature: v=1; a=rsa-sha256; d=a.b; s=c; h=from; bh=x; b="]
    ),
)
def test_nothing_raises(noise: bytes, start: bytes) -> None:
    dkim.examine(start + noise + b"\r\n\r\n" + noise, now=NOW)


@given(st.text(max_size=100))
def test_no_key_record_raises_anything_else(text: str) -> None:
    for record in (text, "v=DKIM1; p=" + text, "k=ed25519; p=" + text):
        try:
            parse_key(record)
        except KeyRefused:
            pass


@pytest.mark.parametrize(
    "message",
    [
        b"From: a\r\n\r\n" + b" " * 3_000_000,
        b"From: a\r\n\r\n" + b" \t" * 1_000_000 + b"\r\n",
        b"From: a\r\n\r\n" + b"\r\n" * 1_500_000 + b"x",
        b"From: a\r\n\r\n" + b"\r\n" * 1_500_000,
        b"From:" + b" \r\n" * 500_000 + b" a\r\n\r\n",
        b"From: a\r\n" * 200_000 + b"\r\n",
        b"DKIM-Signature: " + b"b =" * 200_000 + b"\r\n\r\n",
        b"DKIM-Signature: " + b";" * 500_000 + b"\r\n\r\n",
        b"DKIM-Signature: " + b"; \t" * 300_000 + b"\r\n\r\n",
    ],
)
async def test_hostile_messages_are_only_long(message: bytes) -> None:
    own = b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=a.example; s=b; h=" + b"from:" * 2000
    own += b"from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
    assert len(await dkim.verify(Zone({}), own * 9 + message, now=NOW)) >= 9


def test_generated_keys_sign() -> None:
    key = dkim.signing_key("Example.COM", "s1", dkim.generate_pem(dkim.Algorithm.ED25519_SHA256))
    assert key.record_name == "s1._domainkey.example.com"
    assert parse_key(key.record).bits == 256
    with pytest.raises(ValueError, match="no name"):
        dkim.signing_key("com", "s1", RFC8463_RSA_PEM)


def test_a_key_that_we_kept_is_the_same_one() -> None:
    for algorithm in dkim.Algorithm:
        pem = dkim.generate_pem(algorithm)
        kept = dkim.kept_signing_key("Example.COM", "s1", pem)
        assert (kept.domain, kept.record) == (
            "example.com",
            dkim.signing_key("example.com", "s1", pem).record,
        )
    with pytest.raises(ValueError):
        dkim.kept_signing_key("com", "s1", pem)
