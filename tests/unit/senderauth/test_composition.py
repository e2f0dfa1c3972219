"""The checks together, against forgers who live on parts that understand one message differently ("Composition Kills"),
and against zones of chance."""

import base64
from collections.abc import Collection
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from mailmsg.header import header_end
from senderauth import Result, arc, authres, dkim, dmarc
from senderauth.dkim.canonical import Mode, hash_body
from senderauth.dkim.sign import SigningKey
from senderauth.dmarc import AuthorFault, DmarcResult, Policy
from senderauth.names import is_name, is_qualified_name, normal_name, written_forms
from senderauth.spf import SpfResult, check_mail_from

from tests.support.dkim_vectors import RFC8463_ED25519_SECRET
from tests.support.zone import TIMEOUT, Zone

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CLIENT = "203.0.113.66"
KEY = Ed25519PrivateKey.from_private_bytes(base64.b64decode(RFC8463_ED25519_SECRET))
EVIL = SigningKey("evil.example", "s", KEY)
BANK = SigningKey("bank.example", "s", KEY)
PUBLISHED: dict[str, Any] = {
    "evil.example": {"TXT": "v=spf1 +all"},
    "s._domainkey.evil.example": {"TXT": EVIL.record},
    "_dmarc.evil.example": {"TXT": "v=DMARC1; p=none"},
    "bank.example": {"TXT": "v=spf1 ip4:192.0.2.1 -all"},
    "s._domainkey.bank.example": {"TXT": BANK.record},
    "_dmarc.bank.example": {"TXT": "v=DMARC1; p=reject"},
}


async def judge(message: bytes, reverse_path: str = "x@evil.example") -> DmarcResult | AuthorFault:
    """What a receiving host does with a message."""
    zone = Zone(PUBLISHED)
    author = dmarc.author_domain(message[: header_end(message)])
    if isinstance(author, AuthorFault):
        return author
    spf = await check_mail_from(
        zone, ip_address(CLIENT), reverse_path, "mail.evil.example", receiver="mx.example.com", now=NOW
    )
    return await dmarc.evaluate(zone, author, spf, await dkim.verify(zone, message, now=NOW))


def signed(message: bytes, key: SigningKey = EVIL) -> bytes:
    return dkim.sign(message, [key], now=NOW, lifetime_seconds=60) + message


LETTER = b"From: <a@bank.example>\r\nTo: b@example.com\r\nSubject: hello\r\n\r\nHello\r\n"


@pytest.mark.parametrize(
    "reverse_path", ["x@evil.example", "", "a@bank.example", "@bank.example", "a@bank.example@evil.example"]
)
async def test_a_plain_forgery_is_refused(reverse_path: str) -> None:
    found = await judge(signed(LETTER), reverse_path)
    assert isinstance(found, DmarcResult)
    assert (found.result, found.disposition) == (Result.FAIL, Policy.REJECT)


async def test_the_owner_passes() -> None:
    found = await judge(signed(LETTER, BANK))
    assert isinstance(found, DmarcResult)
    assert found.result is Result.PASS


@pytest.mark.parametrize(
    "fields",
    [
        b"From: <a@evil.example>\r\nFrom: <a@bank.example>",
        b"From: <a@bank.example>\r\nFrom: <a@evil.example>",
        b"From : <a@bank.example>\r\nFrom: <a@evil.example>",
        b"from:\r\n <a@bank.example>\r\nFrom: <a@evil.example>",
        b"From: <a@bank.example>, <x@evil.example>",
        b"From: <x@evil.example>, <a@bank.example>",
        b"From: a@bank.example <x@evil.example>",
        b"From: <x@evil.example> (a@bank.example)",
        b"From: <@bank.example,@evil.example:x@evil.example>",
        b"From: <x@evil.example> a@bank.example",
        b"From: <a@bank.example>\r\n <x@evil.example>",
        b"From: Team:a@bank.example;,x@evil.example",
        b"From: x@evil.example:a@bank.example",
    ],
)
async def test_a_from_field_of_two_minds_has_no_verdict_or_the_owners(fields: bytes) -> None:
    found = await judge(signed(fields + b"\r\nTo: b@example.com\r\n\r\nHello\r\n"))
    assert isinstance(found, AuthorFault) or found.result is Result.FAIL


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"d=evil.example", b"d=bank.example"),
        (b"d=evil.example", b"d=bank.example(.evil.example"),
        (b"d=evil.example", b"d=bank.example\0.evil.example"),
        (b"d=evil.example", b"d=bank.example'.evil.example"),
        (b"d=evil.example", b"d=bank.example; d=evil.example"),
        (b"s=s;", b"s=s._domainkey.evil.example.\0;"),
        (b"s=s;", b"s=s._domainkey.evil.example.;"),
        (b"s=s;", b"s=s; i=a@bank.example;"),
    ],
)
async def test_no_spelling_of_a_signature_speaks_for_the_bank(old: bytes, new: bytes) -> None:
    message = signed(LETTER)
    assert old in message
    found = await judge(message.replace(old, new, 1))
    assert isinstance(found, DmarcResult)
    assert found.result is Result.FAIL


async def test_a_replayed_letter_cannot_be_given_another_face() -> None:
    original = signed(b"From: <a@bank.example>\r\nSubject: invoice\r\n\r\nPay\r\n", BANK)
    for more in (
        b"From: <ceo@bank.example>\r\n",
        b"Subject: urgent\r\n",
        b"To: you\r\n",
        b"Content-Type: text/html\r\n",
    ):
        found = await judge(more + original)
        assert isinstance(found, AuthorFault) or found.result is Result.FAIL


def test_what_strangers_say_cannot_pose_as_our_verdict() -> None:
    forged = 'bank.example; dmarc=pass header.from=bank.example ("\r\nX: y'
    field = authres.field(
        "mx.example.com",
        [
            authres.of_mail_from(SpfResult(Result.FAIL, forged, forged), f"x@{forged}"),
            *authres.of_dkim([dkim.DkimResult(Result.FAIL, forged, forged, forged, forged, forged, forged)]),
            authres.of_dmarc(DmarcResult(Result.FAIL, forged, forged)),
        ],
    )
    found = authres.parse(field.partition(b":")[2])
    assert found is not None
    assert [(each.method, each.result) for each in found.results] == [
        ("spf", "fail"),
        ("dkim", "fail"),
        ("dmarc", "fail"),
    ]


# Zones of chance

DOMAINS = ["example.com", "a.example.com", "b.example.com", "c.example.com"]
TARGETS = st.sampled_from(
    [*DOMAINS, "%{d}", "%{p}.m.example.com", "%{l}.%{o}", "nowhere.example", "a..b.c", "%{h}"]
)
TERMS = st.one_of(
    st.sampled_from(["a", "mx", "ptr", "-all", "?all", "ip4:203.0.113.0/24", "bogus", "a/24//64", "x=y"]),
    st.tuples(
        st.sampled_from(["include:", "-include:", "a:", "mx:", "?exists:", "ptr:", "redirect=", "exp="]),
        TARGETS,
    ).map("".join),
)
RECORDS: st.SearchStrategy[dict[str, str | list[str]] | str] = st.one_of(
    st.just({}),
    st.just(TIMEOUT),
    st.fixed_dictionaries(
        {"TXT": st.lists(TERMS, max_size=12).map(lambda terms: " ".join(["v=spf1", *terms]))},
        optional={
            "A": st.sampled_from([CLIENT, "192.0.2.1", "2001:db8::1"]),
            "MX": st.lists(st.sampled_from([*DOMAINS, "."]), min_size=1, max_size=12),
        },
    ),
)


@given(
    st.fixed_dictionaries(dict.fromkeys(DOMAINS, RECORDS)),
    st.lists(st.sampled_from(DOMAINS), min_size=1, max_size=12),
)
async def test_every_zone_comes_to_an_end(zone: dict[str, Any], names: list[str]) -> None:
    asked = Zone({**zone, ip_address(CLIENT).reverse_pointer: {"PTR": names}})
    found = await check_mail_from(
        asked, ip_address(CLIENT), "joe@example.com", "h.example.com", receiver="r", now=NOW
    )
    assert isinstance(found.result, Result)
    assert found.reason or found.result in (Result.PASS, Result.FAIL)
    assert len(asked.asked) <= 125


# Names


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("Example.COM.", "example.com"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("ｂａｎｋ.example", "bank.example"),
        ("bank。example", "bank.example"),
        ("\u200b.example", "\u200b.example"),
        ("", ""),
    ],
)
def test_normal_names(written: str, normal: str) -> None:
    assert normal_name(written) == normal


@given(st.text(max_size=300))
def test_normal_names_are_normal(text: str) -> None:
    name = normal_name(text)
    if is_qualified_name(name):
        assert is_name(name)
        assert name.isascii()
        assert normal_name(name) == name
        assert name in written_forms(text)


async def test_one_view_serves_dkim_and_arc(monkeypatch: pytest.MonkeyPatch) -> None:
    message = signed(LETTER, BANK)
    none = await arc.settle(Zone(PUBLISHED), arc.examine(message, now=NOW))
    message = arc.seal(message, none, "mx.example.com", [], EVIL, now=NOW) + message
    walks: list[bytes] = []

    def counted(message: bytes, start: int, wanted: Collection[tuple[Mode, int | None]]) -> object:
        walks.append(message)
        return hash_body(message, start, wanted)

    monkeypatch.setattr("senderauth.dkim.message.hash_body", counted)
    view = dkim.MessageView(message)
    signatures = await dkim.settle(Zone(PUBLISHED), dkim.examine(view, now=NOW))
    chain = await arc.settle(Zone(PUBLISHED), arc.examine(view, now=NOW))
    assert [each.result for each in signatures] == [Result.PASS]
    assert chain.result is Result.PASS
    assert len(walks) == 1
