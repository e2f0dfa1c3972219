"""DMARC: records, the tree walk, alignment, policy (RFC 9989, RFC 7489)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from senderauth import Result
from senderauth.dkim import DkimResult
from senderauth.dmarc import (
    Alignment,
    AuthorFault,
    DmarcRecord,
    DmarcResult,
    Level,
    Policy,
    PublicSuffix,
    ReportUri,
    TreeWalker,
    author_domain,
    evaluate,
    parse_record,
)
from senderauth.dmarc.discovery import walk_names
from senderauth.spf import SpfResult

from tests.support.zone import TIMEOUT, Zone


def zone(**records: str) -> Zone:
    """`a_example_com="v=DMARC1..."` stands for _dmarc.a.example.com; "-" for a name that only exists."""
    names: dict[str, Any] = {}
    for name, record in records.items():
        domain = name.replace("_", ".")
        if record == "-":
            names[domain] = {"A": "192.0.2.1"}
        else:
            names["_dmarc." + domain] = TIMEOUT if record == TIMEOUT else {"TXT": record}
    return Zone(names)


def dkim(domain: str, result: Result = Result.PASS, unsigned: int = 0) -> DkimResult:
    return DkimResult(result, domain=domain, unsigned_body_octets=unsigned)


def spf(domain: str, result: Result = Result.PASS) -> SpfResult:
    return SpfResult(result, domain)


# Records


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v=DMARC1; p=reject", DmarcRecord(Policy.REJECT)),
        ("v=DMARC1;p=reject;", DmarcRecord(Policy.REJECT)),
        ("V = DMARC1 ; P = Reject ;", DmarcRecord(Policy.REJECT)),
        ("v=DMARC1", DmarcRecord(Policy.NONE)),
        (
            "v=DMARC1; sp=none; p=quarantine; np=reject",
            DmarcRecord(Policy.QUARANTINE, Policy.NONE, Policy.REJECT),
        ),
        (
            "v=DMARC1; p=none; adkim=s; aspf=S; psd=y; t=y; pct=20",
            DmarcRecord(
                Policy.NONE,
                dkim_alignment=Alignment.STRICT,
                spf_alignment=Alignment.STRICT,
                public_suffix=PublicSuffix.YES,
                is_test=True,
                percent=20,
            ),
        ),
        (
            "v=DMARC1; p=none; adkim=x; aspf=; psd=maybe; t=no; pct=ten; fo=9; unknown; =x;;",
            DmarcRecord(Policy.NONE),
        ),
        ("v=DMARC1; p=reject; p=none", DmarcRecord(Policy.REJECT)),
        ("v=DMARC1; p=none; pct=999", DmarcRecord(Policy.NONE)),
        (
            "v=DMARC1; p=none; rua=mailto:a@example.com!10m , https://r.example.com/x,nonsense; ruf=mailto:b%2Cc@example.com; fo=1:d",
            DmarcRecord(
                Policy.NONE,
                aggregate_reports=(
                    ReportUri("mailto:a@example.com", 10 * 2**20),
                    ReportUri("https://r.example.com/x"),
                ),
                failure_reports=(ReportUri("mailto:b,c@example.com"),),
                failure_options=frozenset({"1", "d"}),
            ),
        ),
        (
            "v=DMARC1; p=refuse; rua=mailto:a@example.com",
            DmarcRecord(Policy.NONE, aggregate_reports=(ReportUri("mailto:a@example.com"),)),
        ),
        ("v=DMARC1; p=refuse", DmarcRecord(None)),
        ("v=DMARC1; p=reject; sp=refuse", DmarcRecord(None)),
        ("v=DMARC1; p=reject; np=", DmarcRecord(None)),
        ("v=DMARC10; p=reject", None),
        ("v=dmarc1; p=reject", None),
        ("p=reject; v=DMARC1", None),
        ("", None),
    ],
)
def test_records(text: str, expected: DmarcRecord | None) -> None:
    assert parse_record(text) == expected


@given(st.text(max_size=200))
def test_no_record_raises(text: str) -> None:
    parse_record(text)
    parse_record("v=DMARC1;" + text)


def test_uris_are_bounded() -> None:
    record = parse_record("v=DMARC1; p=none; rua=" + "mailto:a@b.example," * 5000)
    assert record is not None
    assert len(record.aggregate_reports) == 10


# The tree walk


def test_walked_names() -> None:
    # RFC 9989 §4.10: a long name is cut to seven labels after the first question.
    assert walk_names("a.b.c.d.e.f.g.h.i.j.mail.example.com") == [
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    ]
    assert walk_names("a.mail.example.com") == [
        "a.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    ]
    for count in range(1, 40):
        names = walk_names(".".join("abcdefghij"[i % 10] for i in range(count)))
        assert len(names) == min(count, 8)
        assert [len(name.split(".")) for name in names[1:]] == list(range(len(names) - 1, 0, -1))


@pytest.mark.parametrize(
    ("records", "domain", "expected"),
    [
        # The examples of §4.10.2 and Appendix B.4
        (
            {"mail_example_com": "v=DMARC1; p=none", "example_com": "v=DMARC1; p=none"},
            "a.mail.example.com",
            "example.com",
        ),
        ({"com": "v=DMARC1; p=none; psd=y"}, "a.mail.example.com", "example.com"),
        (
            {"example_com": "v=DMARC1; p=none", "com": "v=DMARC1; p=none; psd=y"},
            "a.mail.example.com",
            "example.com",
        ),
        (
            {"giant_bank_example": "v=DMARC1; p=reject", "bank_example": "v=DMARC1; p=none; psd=y"},
            "mail.giant.bank.example",
            "giant.bank.example",
        ),
        ({"bank_example": "v=DMARC1; p=none; psd=y"}, "bank.example", "bank.example"),
        (
            {"mail_example_com": "v=DMARC1; p=none; psd=n", "example_com": "v=DMARC1; p=none"},
            "a.mail.example.com",
            "mail.example.com",
        ),
        ({}, "a.example.com", "a.example.com"),
        ({"a_example_com": "v=DMARC1; p=none"}, "a.example.com", "a.example.com"),
    ],
)
async def test_organizational_domains(records: dict[str, str], domain: str, expected: str) -> None:
    walk = await TreeWalker(zone(**records)).walk(domain)
    assert walk.organizational_domain == expected
    assert walk.is_complete


async def test_the_walk_stops_at_psd_and_several_records_are_none() -> None:
    names = zone(example_com="v=DMARC1; p=none; psd=n")
    await TreeWalker(names).walk("a.example.com")
    assert [name for name, _ in names.asked] == ["_dmarc.a.example.com", "_dmarc.example.com"]
    twice = Zone({"_dmarc.example.com": {"TXT": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}})
    assert (await TreeWalker(twice).walk("example.com")).records == ()
    among = Zone({"_dmarc.example.com": {"TXT": ["hello", "v=DMARC1; p=reject"]}})
    assert len((await TreeWalker(among).walk("example.com")).records) == 1


# Verdicts

REJECT = "v=DMARC1; p=reject"


@pytest.mark.parametrize(
    ("spf_result", "dkim_results", "expected"),
    [
        (spf("example.com"), [], Result.PASS),
        (None, [dkim("example.com")], Result.PASS),
        (spf("bounce.example.com"), [], Result.PASS),
        (None, [dkim("EXAMPLE.com.")], Result.PASS),
        (spf("evil.example"), [dkim("evil.example"), dkim("mail.example.com")], Result.PASS),
        (spf("evil.example"), [dkim("evil.example")], Result.FAIL),
        (spf("example.com.evil.example"), [dkim("notexample.com")], Result.FAIL),
        (spf("com"), [dkim("com")], Result.FAIL),
        (spf("example.com", Result.FAIL), [dkim("example.com", Result.FAIL)], Result.FAIL),
        (spf("example.com", Result.SOFTFAIL), [dkim("example.com", Result.NEUTRAL)], Result.FAIL),
        (None, [dkim("example.com", unsigned=1)], Result.FAIL),
        (None, [], Result.FAIL),
        (spf("example.com", Result.TEMPERROR), [], Result.TEMPERROR),
        (spf("x.example.com", Result.TEMPERROR), [dkim("evil.example")], Result.TEMPERROR),
        (spf("example.com", Result.TEMPERROR), [dkim("example.com")], Result.PASS),
        (spf("evil.example", Result.TEMPERROR), [dkim("evil.example", Result.TEMPERROR)], Result.FAIL),
    ],
)
async def test_alignment(
    spf_result: SpfResult | None, dkim_results: list[DkimResult], expected: Result
) -> None:
    found = await evaluate(zone(example_com=REJECT), "Example.COM", spf_result, dkim_results)
    assert found.result is expected, found
    assert found.policy is Policy.REJECT
    assert found.disposition is (Policy.REJECT if expected is Result.FAIL else Policy.NONE)


@pytest.mark.parametrize(
    ("record", "spf_domain", "dkim_domain", "expected"),
    [
        (REJECT + "; adkim=s; aspf=s", "example.com", "x.example", Result.PASS),
        (REJECT + "; adkim=s; aspf=s", "m.example.com", "m.example.com", Result.FAIL),
        (REJECT + "; adkim=s", "m.example.com", "m.example.com", Result.PASS),
        (REJECT + "; aspf=s", "x.example", "m.example.com", Result.PASS),
        (REJECT + "; aspf=s", "m.example.com", "x.example", Result.FAIL),
    ],
)
async def test_strict_alignment(record: str, spf_domain: str, dkim_domain: str, expected: Result) -> None:
    found = await evaluate(zone(example_com=record), "example.com", spf(spf_domain), [dkim(dkim_domain)])
    assert found.result is expected


async def test_siblings_align_and_neighbours_under_a_public_suffix_do_not() -> None:
    names = zone(example_com=REJECT, com="v=DMARC1; p=none; psd=y")
    assert (await evaluate(names, "a.example.com", None, [dkim("b.example.com")])).result is Result.PASS
    suffix = zone(a_co_example=REJECT, co_example="v=DMARC1; p=none; psd=y")
    assert (await evaluate(suffix, "a.co.example", None, [dkim("b.co.example")])).result is Result.FAIL
    own = zone(example_com=REJECT, tenant_example_com="v=DMARC1; p=none; psd=n")
    assert (await evaluate(own, "example.com", None, [dkim("x.tenant.example.com")])).result is Result.FAIL
    assert (await evaluate(own, "tenant.example.com", None, [dkim("example.com")])).result is Result.FAIL


@pytest.mark.parametrize(
    ("record", "author", "policy", "level"),
    [
        ("v=DMARC1; p=reject; sp=quarantine; np=none", "example.com", Policy.REJECT, Level.DOMAIN),
        (
            "v=DMARC1; p=none; sp=quarantine; np=reject",
            "real.example.com",
            Policy.QUARANTINE,
            Level.SUBDOMAIN,
        ),
        ("v=DMARC1; p=none; sp=quarantine; np=reject", "gone.example.com", Policy.REJECT, Level.NONEXISTENT),
        ("v=DMARC1; p=none; sp=quarantine", "gone.example.com", Policy.QUARANTINE, Level.SUBDOMAIN),
        ("v=DMARC1; p=reject", "gone.example.com", Policy.REJECT, Level.SUBDOMAIN),
        ("v=DMARC1; p=none; np=reject", "real.example.com", Policy.NONE, Level.SUBDOMAIN),
        ("v=DMARC1; p=none; np=reject", "gone.example.com", Policy.REJECT, Level.NONEXISTENT),
        ("v=DMARC1; p=none; np=reject", "empty.example.com", Policy.NONE, Level.SUBDOMAIN),
    ],
)
async def test_which_policy(record: str, author: str, policy: Policy, level: Level) -> None:
    names = zone(example_com=record, real_example_com="-", below_empty_example_com="-")
    found = await evaluate(names, author, None, [])
    assert (found.result, found.policy, found.disposition, found.level) == (
        Result.FAIL,
        policy,
        policy,
        level,
    )
    assert (found.policy_domain, found.organizational_domain) == ("example.com", "example.com")


@pytest.mark.parametrize(
    ("tags", "lot", "disposition"),
    [
        ("p=reject; t=y", 0, Policy.QUARANTINE),
        ("p=quarantine; t=y", 0, Policy.NONE),
        ("p=none; t=y", 0, Policy.NONE),
        ("p=reject; pct=0", 0, Policy.QUARANTINE),
        ("p=reject; pct=30", 29, Policy.REJECT),
        ("p=reject; pct=30", 30, Policy.QUARANTINE),
        ("p=quarantine; pct=30", 99, Policy.NONE),
        ("p=reject", 99, Policy.REJECT),
    ],
)
async def test_tests_and_samples_are_one_below(tags: str, lot: int, disposition: Policy) -> None:
    found = await evaluate(zone(example_com="v=DMARC1; " + tags), "example.com", None, [], lot=lot)
    assert found.disposition is disposition


async def test_a_public_suffix_speaks_for_who_says_nothing() -> None:
    names = zone(example="v=DMARC1; p=none; sp=quarantine; np=reject; psd=y", real_example="-")
    found = await evaluate(names, "real.example", None, [])
    assert (found.policy, found.policy_domain) == (Policy.QUARANTINE, "example")
    assert (await evaluate(names, "gone.example", None, [])).policy is Policy.REJECT
    assert (await evaluate(names, "www.gone.example", None, [])).organizational_domain == "gone.example"


@pytest.mark.parametrize(
    ("records", "author", "expected"),
    [
        ({}, "example.com", Result.NONE),
        ({"example_com": TIMEOUT}, "example.com", Result.TEMPERROR),
        ({"a_example_com": TIMEOUT, "example_com": REJECT}, "a.example.com", Result.TEMPERROR),
        ({"example_com": REJECT, "com": TIMEOUT}, "example.com", Result.FAIL),
        ({"example_com": "v=DMARC1; p=refuse"}, "example.com", Result.PERMERROR),
        ({"example_com": REJECT}, "localhost", Result.PERMERROR),
        ({"example_com": REJECT}, "[192.0.2.1]", Result.PERMERROR),
        ({"example_com": REJECT}, "", Result.PERMERROR),
    ],
)
async def test_no_verdict(records: dict[str, str], author: str, expected: Result) -> None:
    found = await evaluate(zone(**records), author, None, [])
    assert found.result is expected
    assert found.disposition is (Policy.REJECT if expected is Result.FAIL else Policy.NONE)


async def test_an_organization_that_could_not_be_seen_is_no_failure() -> None:
    names = zone(news_example_com=REJECT, example_com=TIMEOUT)
    assert (await evaluate(names, "news.example.com", None, [dkim("example.com")])).result is Result.TEMPERROR
    assert (await evaluate(names, "news.example.com", None, [dkim("news.example.com")])).result is Result.PASS
    assert (await evaluate(names, "news.example.com", None, [])).result is Result.FAIL


async def test_strangers_cost_no_questions() -> None:
    names = zone(example_com=REJECT)
    strangers = [dkim(f"{i}.evil.example") for i in range(10)]
    await evaluate(names, "example.com", spf("evil.example"), strangers)
    assert len(names.asked) == 2
    long = ".".join("abcdefghijk")
    kin = [dkim(f"{long}.{i}.example.com") for i in range(10)]
    found: DmarcResult = await evaluate(names, f"{long}.example.com", None, kin)
    assert found.result is Result.PASS
    assert len(names.asked) <= 2 + 8 + 10 * 8


# The author's domain


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("From: a@example.com", "example.com"),
        ("FROM : Joe <a@Example.COM.>", "example.com"),
        ('From: "x@evil.example" <a@example.com>', "example.com"),
        ("From: a@example.com <a@example.com>", "example.com"),
        ("From: a@example.com, b@example.com", "example.com"),
        ("From: =?utf-8?q?x=40evil.example?= <a@example.com>", "example.com"),
        ("From: Team: a@example.com;", "example.com"),
        ("From: a@bücher.example", "xn--bcher-kva.example"),
        ("From: a\r\n @example.com", "example.com"),
        ("Subject: x", AuthorFault.NO_FIELD),
        ("From: a@example.com\r\nFrom: a@example.com", AuthorFault.SEVERAL_FIELDS),
        ("From: a@example.com\r\nfrom : b@evil.example", AuthorFault.SEVERAL_FIELDS),
        ("From: a@example.com, b@evil.example", AuthorFault.SEVERAL_DOMAINS),
        ("From: undisclosed:;", AuthorFault.NO_DOMAIN),
        ("From: joe", AuthorFault.NO_DOMAIN),
        ("From: joe@localhost", AuthorFault.NO_DOMAIN),
        ("From: <>", AuthorFault.NO_DOMAIN),
        ("From: a@[192.0.2.1]", AuthorFault.NO_DOMAIN),
        ("From: b@bank.example <a@example.com>", AuthorFault.AMBIGUOUS),
        ("From: <a@example.com> (b@bank.example)", AuthorFault.AMBIGUOUS),
        ("From: <a@example.com> <b@bank.example>", AuthorFault.AMBIGUOUS),
        ("From: <@bank.example:a@example.com>", AuthorFault.AMBIGUOUS),
        # Quotes that end nowhere, or in a comment: what one reader takes for words is another's address.
        ('From: a@example.com, "x <b@bank.example>', AuthorFault.AMBIGUOUS),
        ('From: "boss <b@bank.example>', AuthorFault.AMBIGUOUS),
        ('From: "b@bank.example', AuthorFault.AMBIGUOUS),
        ('From: a@example.com (x" ) b@bank.example ( "y)', AuthorFault.AMBIGUOUS),
        ("From: b@bank.example..", AuthorFault.AMBIGUOUS),
        ("From: b@bank.example!", AuthorFault.AMBIGUOUS),
        ('From: "b@\\bank.example', AuthorFault.AMBIGUOUS),
        # No names to IDNA, and a bank's to whoever reads them.
        ("From: b@ba\u200dnk.example", AuthorFault.AMBIGUOUS),
        ("From: Bank <b@bank.example\u200e>", AuthorFault.AMBIGUOUS),
        ("From: b@bank\u2024example", AuthorFault.AMBIGUOUS),
        ("From: b@ba\udcffnk.example", AuthorFault.AMBIGUOUS),
        ("From: b@x..bank.example", AuthorFault.AMBIGUOUS),
        ("From: b@" + "x" * 250 + ".bank.example", AuthorFault.AMBIGUOUS),
        ("From: joe@192.0.2.1", AuthorFault.NO_DOMAIN),
        ('From: "b@bank.example" <a@example.com>', "example.com"),
        ("From: " + "a" * 20_000 + "@example.com", AuthorFault.TOO_LONG),
    ],
)
def test_author_domains(header: str, expected: str | AuthorFault) -> None:
    whole = f"To: x@y.example\r\n{header}\r\n\r\n"
    assert author_domain(whole.encode("utf-8", "surrogateescape")) == expected


@given(st.binary(max_size=200))
def test_no_from_field_raises(noise: bytes) -> None:
    author_domain(b"From: " + noise + b"\r\n\r\n")
