"""SPF's macros, explanations and processing limits (RFC 7208 §4.6.4, §6.2, §7)."""

from typing import Any

import pytest
from senderauth.names import client_address
from senderauth.result import Result
from senderauth.spf import check_helo, check_mail_from
from senderauth.spf.check import MAX_EXPLANATION

from tests.support.spf_tables import MAIL, NOW, V6, V6_REVERSE, assert_line, check, spf, table
from tests.support.zone import TIMEOUT, Zone

LONG = ".".join(["somewhat.long.exp.example.com"] * 8) + ".example.com"
EXPLAIN = {
    **MAIL,
    "plain.example.com": spf("v=spf1 -all exp=see.example.com"),
    "see.example.com": {"TXT": "See me."},
    "redirect.example.com": spf("v=spf1 exp=see.example.com redirect=bare.example.com"),
    "bare.example.com": spf("v=spf1 -all"),
    "redirect2.example.com": spf("v=spf1 exp=no.example.com redirect=plain.example.com"),
    "include.example.com": spf("v=spf1 include:plain.example.com -all exp=right.example.com"),
    "right.example.com": {"TXT": "Correct!"},
    "sub.example.com": spf("v=spf1 -include:pass.example.com -all exp=right.example.com"),
    "pass.example.com": spf("v=spf1 +all exp=no.example.com"),
    "no.example.com": {"TXT": "No-see-um"},
    "two.example.com": spf("v=spf1 -all exp=several.example.com"),
    "several.example.com": {"TXT": ["one", "two"]},
    "late.example.com": spf("v=spf1 -all exp=timeout.example.com"),
    "timeout.example.com": TIMEOUT,
    "without.example.com": spf("v=spf1 -all exp=mail.example.com"),
    "syntax.example.com": spf("v=spf1 -all exp=files.example.com"),
    "files.example.com": {"TXT": "The %{x}-files."},
    "bytes.example.com": spf("v=spf1 -all exp=high.example.com"),
    "high.example.com": {"TXT": "\xef\xbb\xbfExplanation"},
    "lines.example.com": spf("v=spf1 -all exp=crlf.example.com"),
    "crlf.example.com": {"TXT": "no\r\n250 OK"},
    "void.example.com": spf("v=spf1 a:one.example.com a:two2.example.com exp=three.example.com -all"),
    "dot.example.com": spf("v=spf1 exp=see.example.com. -all"),
    "ip.example.com": spf("v=spf1 -all exp=%{ir}.why.example.com"),
    "3.2.0.192.why.example.com": {"TXT": "Connections from %{c} not authorized by %{r} at %{t}."},
    "rev.example.com": spf("v=spf1 -all exp=revtext.example.com"),
    "revtext.example.com": {"TXT": "%{c} is queried as %{ir}.%{v}.arpa"},
    "p.example.com": spf("v=spf1 -all exp=ptext.example.com"),
    "ptext.example.com": {"TXT": "connect from %{p}"},
    "3.2.0.192.in-addr.arpa": {"PTR": "elsewhere.example.net"},
    "4.2.0.192.in-addr.arpa": {"PTR": ["x.example.net", "h.p.example.com", "p4.example.com"]},
    "x.example.net": {"A": "192.0.2.4"},
    "h.p.example.com": {"A": "192.0.2.4"},
    "p4.example.com": {"A": "192.0.2.4"},
    "url.example.com": spf("v=spf1 -all exp=urltext.%{D2}"),
    "urltext.example.com": {"TXT": "http://example.com/why.html?l=%{L}&s=%{S}"},
    "somewhat.long.exp.example.com": spf("v=spf1 -all exp=foobar." + "%{o}." * 8 + "example.com"),
    LONG: {"TXT": "Congratulations! That was tricky."},
    "huge.example.com": spf("v=spf1 -all exp=hugetext.example.com"),
    "hugetext.example.com": {"TXT": "%{s}" * 10_000},
    "wordy.example.com": spf("v=spf1 -all exp=words.example.com"),
    "words.example.com": {"TXT": "x" * 1000},
    "softly.example.com": spf("v=spf1 ~all exp=see.example.com"),
}


@pytest.mark.parametrize(
    ("zone", "columns"),
    table(
        (
            "explanations §6.2",
            EXPLAIN,
            """
            192.0.2.3 | x@plain.example.com | fail | | See me.
            192.0.2.3 | x@redirect.example.com | fail | | NONE
            192.0.2.3 | x@redirect2.example.com | fail | | See me.
            192.0.2.3 | x@include.example.com | fail | | Correct!
            192.0.2.3 | x@sub.example.com | fail | | Correct!
            192.0.2.3 | x@two.example.com | fail | | NONE
            192.0.2.3 | x@late.example.com | fail | | NONE
            192.0.2.3 | x@without.example.com | fail | | NONE
            192.0.2.3 | x@syntax.example.com | fail | | NONE
            192.0.2.3 | x@bytes.example.com | fail | | NONE
            192.0.2.3 | x@lines.example.com | fail | | NONE
            192.0.2.3 | x@void.example.com | fail | | NONE
            192.0.2.3 | x@dot.example.com | fail | | See me.
            192.0.2.3 | x@softly.example.com | softfail | | NONE
            192.0.2.3 | x@huge.example.com | fail | | NONE
            192.0.2.3 | x@ip.example.com | fail | | Connections from 192.0.2.3 not authorized by mx.example.net at 1767323045.
            192.0.2.3 | x@rev.example.com | fail | | 192.0.2.3 is queried as 3.2.0.192.in-addr.arpa
            192.0.2.3 | x@p.example.com | fail | | connect from unknown
            192.0.2.4 | x@p.example.com | fail | | connect from h.p.example.com
            192.0.2.3 | ~jack&jill=up-a_b3.c@url.example.com | fail | | http://example.com/why.html?l=~jack%26jill%3Dup-a_b3.c&s=~jack%26jill%3Dup-a_b3.c%40url.example.com
            192.0.2.3 | x@somewhat.long.exp.example.com | fail | | Congratulations! That was tricky.
            """,
        ),
        (
            "macros in policies §7",
            {
                **MAIL,
                "helo.example.com": spf("v=spf1 a:%{H} -all"),
                "strict.example.com": spf("v=spf1 -include:_spfh.%{d2} ip4:192.0.2.0/24 -all"),
                "_spfh.example.com": spf("v=spf1 -a:%{h} +all"),
                "dash.example.com": spf("v=spf1 exists:%{i}.%{l2r-}.user.%{d2}"),
                "192.0.2.1.gladstone.philip.user.example.com": {"A": "127.0.0.2"},
                "plus.example.com": spf("v=spf1 exists:%{l2r+-}.user.%{d2}"),
                "bar.foo.user.example.com": {"A": "127.0.0.2"},
                "tree.example.com": spf("v=spf1 redirect=%{d}.d.spf.example.com."),
                "tree.example.com.d.spf.example.com": spf("v=spf1 redirect=a.spf.example.com"),
                "a.spf.example.com": spf("v=spf1 include:o.spf.example.com. ~all"),
                "o.spf.example.com": spf("v=spf1 ip4:192.0.2.1"),
                "implicit.example.com": spf("v=spf1 redirect=other.example.com", A="192.0.2.9"),
                "other.example.com": spf("v=spf1 a -all", A="192.0.2.1"),
                "utf8.example.com": spf("v=spf1 exists:%{l}.user.%{d2} -all"),
            },
            """
            192.0.2.1 | x@helo.example.com | pass
            192.0.2.1 | x@helo.example.com | fail | JUMPIN' JUPITER
            192.0.2.1 | x@helo.example.com | fail | [192.0.2.1]
            192.0.2.1 | x@helo.example.com | fail | a..b
            192.0.2.1 | x@strict.example.com | fail | OEMCOMPUTER
            192.0.2.1 | x@strict.example.com | pass | mail.example.com
            192.0.2.1 | philip-gladstone-test@dash.example.com | pass
            192.0.2.1 | foo-bar+zip+quux@plus.example.com | pass
            192.0.2.1 | x@tree.example.com | pass
            192.0.2.1 | x@implicit.example.com | pass
            192.0.2.9 | x@implicit.example.com | fail
            192.0.2.1 | jürgen@utf8.example.com | fail
            """,
        ),
    ),
)
async def test_macros_and_explanations(zone: dict[str, Any], columns: list[str]) -> None:
    await assert_line(zone, columns)


@pytest.mark.parametrize(
    ("macro", "expanded"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
    ],
)
async def test_macro_examples_of_section_7_4(macro: str, expanded: str) -> None:
    zone = {"email.example.com": spf("v=spf1 -all exp=why.example.com"), "why.example.com": {"TXT": macro}}
    assert (await check(zone, "192.0.2.3", "strong-bad@email.example.com")).explanation == expanded


@pytest.mark.parametrize(
    ("spec", "client", "expanded"),
    [
        ("%{ir}.%{v}._spf.%{d2}", "192.0.2.3", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "192.0.2.3", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "192.0.2.3", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "192.0.2.3", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "192.0.2.3", "example.com.trusted-domains.example.net"),
        ("%{ir}.%{v}._spf.%{d2}", V6, V6_REVERSE.removesuffix(".arpa") + "._spf.example.com"),
    ],
)
async def test_more_macro_examples_of_section_7_4(spec: str, client: str, expanded: str) -> None:
    zone = Zone({"email.example.com": spf(f"v=spf1 exists:{spec} -all")})
    await check_mail_from(
        zone, client_address(client), "strong-bad@email.example.com", "h.example.com", receiver="", now=NOW
    )
    assert zone.asked[1:] == [(expanded, "A")]


TEN = " ".join(["a", "mx"] * 4 + ["a", "ptr"])
LIMITS = {
    **MAIL,
    "loop.example.com": spf("v=spf1 ip4:203.0.113.1 redirect=loop.example.com"),
    "ping.example.com": spf("v=spf1 include:pong.example.com"),
    "pong.example.com": spf("v=spf1 include:ping.example.com"),
    "ten.example.com": spf(f"v=spf1 {TEN} ip4:192.0.2.1 -all", A="203.0.113.1", MX="ten.example.com"),
    "eleven.example.com": spf(f"v=spf1 {TEN} a ip4:192.0.2.1 -all", A="203.0.113.1", MX="ten.example.com"),
    "in.example.com": spf("v=spf1 a include:eight.example.com ip4:192.0.2.1 a -all", A="203.0.113.1"),
    "eight.example.com": spf("v=spf1 " + "a " * 8, A="203.0.113.1"),
    "over.example.com": spf("v=spf1 a include:eight.example.com a ip4:192.0.2.1 -all", A="203.0.113.1"),
    "mx11.example.com": spf("v=spf1 mx -all", MX=["h.example.com"] * 10 + ["mail.example.com"]),
    "mx10.example.com": spf("v=spf1 mx -all", MX=["h.example.com"] * 9 + ["mail.example.com"]),
    "many.example.com": spf("v=spf1 a -all", A=[f"192.0.2.{i}" for i in range(20)]),
    "void2.example.com": spf("v=spf1 a:n1.example.com a:n2.example.com ?all"),
    "void3.example.com": spf("v=spf1 a:n1.example.com a:n2.example.com exists:n3.example.com ?all"),
    "ptr11.example.com": spf("v=spf1 ptr ?all", A="192.0.2.1"),
    "1.2.0.192.in-addr.arpa": {"PTR": [f"p{i}.example.net" for i in range(10)] + ["ptr11.example.com"]},
}


@pytest.mark.parametrize(
    ("zone", "columns"),
    table(
        (
            "processing limits §4.6.4",
            LIMITS,
            """
            192.0.2.1 | x@loop.example.com | permerror
            192.0.2.1 | x@ping.example.com | permerror
            192.0.2.1 | x@ten.example.com | pass
            192.0.2.1 | x@eleven.example.com | permerror
            192.0.2.1 | x@in.example.com | pass
            192.0.2.1 | x@over.example.com | permerror
            192.0.2.1 | x@mx10.example.com | pass
            192.0.2.1 | x@mx11.example.com | permerror
            192.0.2.19 | x@many.example.com | pass
            192.0.2.1 | x@void2.example.com | neutral
            192.0.2.1 | x@void3.example.com | permerror
            192.0.2.1 | x@ptr11.example.com | neutral
            """,
        )
    ),
)
async def test_limits(zone: dict[str, Any], columns: list[str]) -> None:
    await assert_line(zone, columns)


async def test_the_most_hostile_zone_gets_a_bounded_number_of_questions() -> None:
    names = [f"m{i}.example.com" for i in range(10)]
    zone = Zone(
        {
            "example.com": spf("v=spf1 " + "mx:%{p}.m.example.com " * 10 + "-all exp=%{p}.x.example.com"),
            "m.example.com": {"MX": names},
            "p.m.example.com": {"MX": names},
            **{f"{name}.m.example.com": {"MX": names} for name in names},
            **{name: {"A": "192.0.2.1"} for name in names},
            "9.2.0.192.in-addr.arpa": {"PTR": names},
            "unknown.m.example.com": {"MX": names},
        }
    )
    found = await check_mail_from(
        zone, client_address("192.0.2.9"), "x@example.com", "h.example.com", receiver="r", now=NOW
    )
    assert found.result is Result.FAIL
    assert len(zone.asked) <= 125


async def test_helo_identity() -> None:
    zone = Zone({"mail.example.com": spf("v=spf1 a -all", A="192.0.2.1")})
    found = await check_helo(zone, client_address("192.0.2.1"), "MAIL.example.com", receiver="r", now=NOW)
    assert (found.result, found.domain, found.term) == (Result.PASS, "mail.example.com", "a")


async def test_an_explanation_is_cut() -> None:
    found = await check(EXPLAIN, "192.0.2.3", "x@wordy.example.com")
    assert found.explanation == "x" * MAX_EXPLANATION


async def test_a_record_as_long_as_dns_allows() -> None:
    terms = (
        "v=spf1 "
        + " ".join(f"ip4:203.0.113.{i % 256}" for i in range(3000))
        + " a:"
        + "a/" * 5000
        + ".example.com -all"
    )
    found = await check({"example.com": spf(terms)}, "192.0.2.1", "x@example.com")
    assert found.result is Result.FAIL
