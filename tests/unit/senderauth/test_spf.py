"""SPF against tables of zones: RFC 7208 §4 and §5, Appendix A, and the cases that implementations got wrong."""

from typing import Any

import pytest
from senderauth.result import Result

from tests.support.spf_tables import MAIL, V6_REVERSE, assert_line, check, spf, table
from tests.support.zone import TIMEOUT

# RFC 7208 Appendix A: the zone, and what each example record says of its hosts.
APPENDIX_A: dict[str, Any] = {
    "example.com": {"MX": ["mail-a.example.com", "mail-b.example.com"], "A": ["192.0.2.10", "192.0.2.11"]},
    "amy.example.com": {"A": "192.0.2.65"},
    "bob.example.com": {"A": "192.0.2.66"},
    "mail-a.example.com": {"A": "192.0.2.129"},
    "mail-b.example.com": {"A": "192.0.2.130"},
    "www.example.com": {"A": ["192.0.2.10", "192.0.2.11"]},
    "example.org": {"MX": "mail-c.example.org"},
    "mail-c.example.org": {"A": "192.0.2.140"},
    "10.2.0.192.in-addr.arpa": {"PTR": "example.com"},
    "11.2.0.192.in-addr.arpa": {"PTR": "example.com"},
    "65.2.0.192.in-addr.arpa": {"PTR": "amy.example.com"},
    "66.2.0.192.in-addr.arpa": {"PTR": "bob.example.com"},
    "129.2.0.192.in-addr.arpa": {"PTR": "mail-a.example.com"},
    "130.2.0.192.in-addr.arpa": {"PTR": "mail-b.example.com"},
    "140.2.0.192.in-addr.arpa": {"PTR": "mail-c.example.org"},
    "4.0.0.10.in-addr.arpa": {"PTR": "bob.example.com"},
}
HOSTS = [
    "192.0.2.10",
    "192.0.2.11",
    "192.0.2.65",
    "192.0.2.66",
    "192.0.2.129",
    "192.0.2.130",
    "192.0.2.140",
    "10.0.0.4",
]


@pytest.mark.parametrize(
    ("record", "passing"),
    [
        ("v=spf1 +all", HOSTS),
        ("v=spf1 a -all", ["192.0.2.10", "192.0.2.11"]),
        ("v=spf1 a:example.org -all", []),
        ("v=spf1 mx -all", ["192.0.2.129", "192.0.2.130"]),
        ("v=spf1 mx:example.org -all", ["192.0.2.140"]),
        ("v=spf1 mx mx:example.org -all", ["192.0.2.129", "192.0.2.130", "192.0.2.140"]),
        ("v=spf1 mx/30 mx:example.org/30 -all", ["192.0.2.129", "192.0.2.130", "192.0.2.140"]),
        ("v=spf1 ptr -all", HOSTS[:6]),
        ("v=spf1 ip4:192.0.2.128/28 -all", ["192.0.2.129", "192.0.2.130", "192.0.2.140"]),
    ],
)
async def test_appendix_a(record: str, passing: list[str]) -> None:
    zone = {**APPENDIX_A, "example.com": {**APPENDIX_A["example.com"], "TXT": record}}
    found = [host for host in HOSTS if (await check(zone, host, "x@example.com")).result is Result.PASS]
    assert found == passing


APPENDIX_A_2 = {
    **APPENDIX_A,
    "example.com": {"TXT": "v=spf1 exists:%{ir}.%{l1r+-}._spf.%{d} -all"},
    "10.2.0.192.mary._spf.example.com": {"A": "127.0.0.2"},
    "66.2.0.192.bob._spf.example.com": {"A": "127.0.0.2"},
    "multi.example.com": spf("v=spf1 include:example.org include:example.net -all"),
    "example.org": spf("v=spf1 ip4:192.0.2.140 -all", MX="mail-c.example.org"),
    "example.net": spf("v=spf1 ip4:198.51.100.0/24 -all"),
    "all.example.com": spf("v=spf1 mx -all", MX="mail-a.example.com"),
    "la.example.com": spf("v=spf1 redirect=all.example.com"),
    "dnsbl.example.com": spf("v=spf1 mx -exists:%{ir}.bl.example.net ?all", MX="mail-a.example.com"),
    "66.2.0.192.bl.example.net": {"A": "127.0.0.2"},
}


@pytest.mark.parametrize(
    ("zone", "columns"),
    table(
        (
            "appendix A.2 to A.4",
            APPENDIX_A_2,
            """
            192.0.2.10 | mary@example.com | pass
            192.0.2.10 | mary+list@example.com | pass
            192.0.2.66 | bob@example.com | pass
            192.0.2.66 | mary@example.com | fail
            192.0.2.140 | x@multi.example.com | pass
            198.51.100.7 | x@multi.example.com | pass
            192.0.2.65 | x@multi.example.com | fail
            192.0.2.129 | x@la.example.com | pass
            192.0.2.130 | x@la.example.com | fail
            192.0.2.66 | x@dnsbl.example.com | fail
            192.0.2.65 | x@dnsbl.example.com | neutral
            """,
        )
    ),
)
async def test_appendix_a_mixed(zone: dict[str, Any], columns: list[str]) -> None:
    await assert_line(zone, columns)


INITIAL = {
    "example.com": TIMEOUT,
    "example.net": spf("v=spf1 -all exp=why.example.net"),
    "why.example.net": {"TXT": "%{l}"},
    "a" * 63 + ".example.com": spf("v=spf1 -all"),
    "utf8.example.com": spf("v=spf1 a:\xef\xbb\xbfx.example.net -all"),
    "high.example.com": spf("v=spf1 \x80a:example.net -all"),
    "end.example.com": spf("v=spf1 a:example.net \x96all"),
    "other.example.com": {"TXT": ["v=spf1 -all", "\x96 not ours"]},
    "control.example.com": spf("v=spf1 a:control.example.com\rptr -all", A="192.0.2.3"),
    "tab.example.com": spf("v=spf1\ta -all", A="192.0.2.3"),
    "tab2.example.com": spf("v=spf1 a\t-all", A="192.0.2.3"),
    "spaces.example.com": spf("v=spf1 a   -all  "),
    "xn--bcher-kva.example": spf("v=spf1 ip4:192.0.2.3 -all"),
}
SELECTION = {
    "joined.example.com": spf("v=spf1mx", MX="mail.example.com"),
    "mail.example.com": {"A": "192.0.2.1"},
    "empty.example.com": spf("v=spf1"),
    "similar.example.com": {"TXT": ["v=spf10 -all", "v=spf1 mx"], "MX": "mail.example.com"},
    "two.example.com": {"TXT": ["v=spf1 -all", "V=sPf1 +all"]},
    "same.example.com": {"TXT": ["v=spf1 -all", "v=spf1 -all"]},
    "upper.example.com": spf("V=SPF1 ~ALL"),
    "late.example.com": {"TXT": TIMEOUT},
    "none.example.com": {"TXT": ["google-site-verification=x", " v=spf1 -all", "v=spf2.0/pra -all"]},
}


@pytest.mark.parametrize(
    ("zone", "columns"),
    table(
        (
            "initial processing §4.3",
            INITIAL,
            """
            192.0.2.3 | x@"""
            + "a" * 64
            + """.example.com | none
            192.0.2.3 | x@"""
            + "A" * 63
            + """.Example.COM | fail
            192.0.2.3 | x@A...example.com | none
            192.0.2.3 | x@.example.com | none
            192.0.2.3 | x@[192.0.2.3] | none
            192.0.2.3 | x@localhost | none
            192.0.2.3 | x@192.0.2.3 | none
            192.0.2.3 | x@example.net. | fail
            192.0.2.3 | | none | A2345678
            192.0.2.3 | | none | [192.0.2.3]
            192.0.2.3 | | fail | example.net | postmaster
            192.0.2.3 | @example.net | fail | | postmaster
            192.0.2.3 | x@example.com | temperror
            192.0.2.3 | x@utf8.example.com | permerror
            192.0.2.3 | x@high.example.com | permerror
            192.0.2.3 | x@end.example.com | permerror
            192.0.2.3 | x@other.example.com | fail | | NONE
            192.0.2.3 | x@control.example.com | permerror
            192.0.2.3 | x@tab.example.com | none
            192.0.2.3 | x@tab2.example.com | permerror
            192.0.2.3 | x@spaces.example.com | fail
            192.0.2.3 | x@bücher.example | pass
            192.0.2.4 | x@BÜCHER.example | fail
            """,
        ),
        (
            "selecting records §4.5",
            SELECTION,
            """
            192.0.2.1 | x@joined.example.com | none
            192.0.2.1 | x@empty.example.com | neutral
            192.0.2.1 | x@similar.example.com | pass
            192.0.2.1 | x@two.example.com | permerror
            192.0.2.1 | x@same.example.com | permerror
            192.0.2.1 | x@upper.example.com | softfail
            192.0.2.1 | x@late.example.com | temperror
            192.0.2.1 | x@none.example.com | none
            192.0.2.1 | x@nowhere.example.com | none
            192.0.2.1 | x@mail.example.com | none
            """,
        ),
    ),
)
async def test_records(zone: dict[str, Any], columns: list[str]) -> None:
    await assert_line(zone, columns)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        # §4.6: a fault anywhere counts, even after what matches.
        ("ip4:192.0.2.1 -all moo", "permerror"),
        ("moo.cow-far_out=man:dog/cat ip4:192.0.2.1 -all", "pass"),
        ("moo.cow/far_out=man:dog/cat ip4:192.0.2.1 -all", "permerror"),
        ("moo.cow:far_out=man:dog/cat ip4:192.0.2.1 -all", "permerror"),
        ("redirect=self.example.com ~all", "softfail"),
        ("ip4:192.0.2.9", "neutral"),
        ("ip4:192.0.2.1 redirect:mail.example.com", "permerror"),
        ("a:foo-bar -all", "permerror"),
        ("a:mail.example...com -all", "fail"),
        ("a:" + "a" * 64 + ".example.com -all", "fail"),
        ("a:%{H}.bar -all", "fail"),
        ("=all", "permerror"),
        ("1up=foo", "permerror"),
        ("-all foo=%abc", "permerror"),
        ("default=pass", "neutral"),
        ("default=+", "neutral"),
        ("empty= -all", "fail"),
        ("++all", "permerror"),
        ("-", "permerror"),
        # all, §5.1
        ("-all.", "permerror"),
        ("-all:foobar", "permerror"),
        ("-all/8", "permerror"),
        ("?all", "neutral"),
        ("all -all", "pass"),
        ("+ALL", "pass"),
        # a, §5.3
        ("a//33 -all", "fail"),
        ("a/33 -all", "permerror"),
        ("a//129 -all", "permerror"),
        ("a:mail.example.com/24/64 -all", "permerror"),
        ("a:mail.example.com/32//128 -all", "pass"),
        ("a:mail.example.com/024 -all", "permerror"),
        ("a:mail.example.com/ -all", "permerror"),
        ("a:mail.example.com// -all", "permerror"),
        ("a:near.example.com/24 -all", "pass"),
        ("a:near.example.com/31 -all", "fail"),
        ("a:near.example.com//0 -all", "fail"),
        ("a:void.example.com/0 -all", "fail"),
        ("a:example.com:8080", "permerror"),
        ("a:111.222.33.44", "permerror"),
        ("a:abc.123", "permerror"),
        ("a:museum", "permerror"),
        ("a:museum.", "permerror"),
        ("a:example.-com", "permerror"),
        ("a:example.com-", "permerror"),
        ("a:", "permerror"),
        ("a:mail.example.com\0", "permerror"),
        ("a:foo.example.xn--zckzah -all", "pass"),
        ("a:foo:bar/baz.example.com -all", "pass"),
        ("a:mail.example.com. -all", "pass"),
        ("a:mail.example.com.. -all", "permerror"),
        # mx, §5.4
        ("mx:host.example.com -all", "pass"),
        ("mx:host.example.com/24 -all", "pass"),
        ("mx:void.example.com/0 -all", "fail"),
        ("mx:mail.example.com -all", "fail"),
        ("mx:null.example.com -all", "fail"),
        ("mx/33 -all", "permerror"),
        ("mx//129 -all", "permerror"),
        ("mx: -all", "permerror"),
        ("mx:abc.123", "permerror"),
        ("mx:latehost.example.com -all", "temperror"),
        # ptr, §5.5
        ("ptr/0 -all", "permerror"),
        ("ptr: -all", "permerror"),
        ("ptr:example.com -all", "pass"),
        ("ptr:EXAMPLE.com -all", "pass"),
        ("ptr:xample.com -all", "fail"),
        ("ptr:example.net -all", "fail"),
        # ip4, ip6, §5.6
        ("ip4:203.0.113.9/0 -all", "pass"),
        ("ip4:192.0.2.1/32 -all", "pass"),
        ("ip4:192.0.2.1/33 -all", "permerror"),
        ("ip4:192.0.2.1/032 -all", "permerror"),
        ("ip4:192.0.2.1/ -all", "permerror"),
        ("ip4", "permerror"),
        ("ip4:", "permerror"),
        ("ip4:192.0.2.1//32", "permerror"),
        ("ip4:192.0.2.1:8080", "permerror"),
        ("ip4:192.0.2", "permerror"),
        ("ip4:192.0.02.1", "permerror"),
        ("ip4:%{i}", "permerror"),
        ("ip4:2001:db8::1", "permerror"),
        ("ip6:192.0.2.1", "permerror"),
        ("ip6", "permerror"),
        ("ip6::CAFE::BABE", "permerror"),
        ("ip6:fe80::1%eth0", "permerror"),
        ("ip6:::1.1.1.1/0", "neutral"),
        ("ip6:::1.1.1.1/129", "permerror"),
        ("ip6:::1.1.1.1//33", "permerror"),
        ("ip6:::ffff:192.0.2.1 -all", "fail"),
        # exists, §5.7
        ("exists:", "permerror"),
        ("exists", "permerror"),
        ("exists:mail.example.com/24", "permerror"),
        ("exists:mail.example.com -all", "pass"),
        ("exists:void.example.com -all", "fail"),
        ("exists:late.example.com -all", "temperror"),
        # include, §5.2, with each result of what is included
        ("include:pass.example.com -all", "pass"),
        ("-include:pass.example.com +all", "fail"),
        ("include:fail.example.com ~all", "softfail"),
        ("include:softfail.example.com all", "pass"),
        ("include:neutral.example.com -all", "fail"),
        ("include:late.example.com -all", "temperror"),
        ("include:broken.example.com -all", "permerror"),
        ("include:void.example.com -all", "permerror"),
        ("include +all", "permerror"),
        ("include: -all", "permerror"),
        ("include:pass.example.com/24 -all", "permerror"),
        ("include:a..example.com -all", "permerror"),
        # redirect and exp, §6
        ("redirect=pass.example.com", "pass"),
        ("redirect=fail.example.com", "fail"),
        ("redirect=void.example.com", "permerror"),
        ("redirect=late.example.com", "temperror"),
        ("redirect=a..example.com", "permerror"),
        ("?all redirect=", "permerror"),
        ("redirect=-all ?all", "permerror"),
        ("redirect=pass.example.com redirect=pass.example.com", "permerror"),
        ("exp= -all", "permerror"),
        ("exp=-all", "permerror"),
        ("exp=x.example.com -all exp=y.example.com", "permerror"),
        ("-all exp=%{r}.example.com", "permerror"),
        ("REDIRECT=pass.example.com", "pass"),
        # macros, §7.1
        ("exists:%(ir).bl.example.com ?all", "permerror"),
        ("exists:foo%(ir).bl.example.com ?all", "permerror"),
        ("exists:foo%.bl.example.com ?all", "permerror"),
        ("exists:%{x}.example.com ?all", "permerror"),
        ("exists:%{t}.example.com ?all", "permerror"),
        ("exists:%{d0}.example.com ?all", "permerror"),
        ("exists:%{d99999999999999999999} -all", "fail"),
        ("exists:%{dr1} -all", "permerror"),
        ("a:macro%%percent%_%_space%-url-space.example.com -all", "pass"),
        ("a:%{h} -all", "pass"),
        ("exists:mail.%{d2} -all", "pass"),
        ("exists:%{l}.%{o2} -all", "pass"),
        ("exists:%{ir}.%{v}.%{d2} -all", "pass"),
    ],
)
async def test_terms(record: str, expected: str) -> None:
    zone = {
        **MAIL,
        "self.example.com": spf("v=spf1 " + record),
        "near.example.com": {"A": ["203.0.113.1", "192.0.2.2"], "AAAA": "2001:db8::1"},
        "host.example.com": {"MX": ["other.example.com", "mail.example.com"]},
        "null.example.com": {"MX": "."},
        "other.example.com": {"A": "203.0.113.1"},
        "latehost.example.com": {"MX": ["late.example.com", "mail.example.com"]},
        "late.example.com": TIMEOUT,
        "foo.example.xn--zckzah": {"A": "192.0.2.1"},
        "foo:bar/baz.example.com": {"A": "192.0.2.1"},
        "macro%percent  space%20url-space.example.com": {"A": "192.0.2.1"},
        "1.2.0.192.in-addr.arpa": {"PTR": ["nowhere.example.net", "Mail.Example.com."]},
        "1.2.0.192.in-addr.example.com": {"A": "127.0.0.2"},
        "pass.example.com": spf("v=spf1 ip4:192.0.2.1 -all"),
        "fail.example.com": spf("v=spf1 -all"),
        "softfail.example.com": spf("v=spf1 ~all"),
        "neutral.example.com": spf("v=spf1 ?all"),
        "broken.example.com": spf("v=spf1 include +all"),
    }
    found = await check(zone, "192.0.2.1", "mail@self.example.com")
    assert found.result is Result(expected), found
    assert found.reason


SIX = {
    "a.example.com": spf("v=spf1 a -all", A="192.0.2.1", AAAA="2001:DB8::CB01"),
    "wide.example.com": spf("v=spf1 a/24//64 -all", A="192.0.2.5", AAAA="2001:db8::dead:beef"),
    "narrow.example.com": spf("v=spf1 a//64 -all", A="192.0.2.5", AAAA="2001:db8::dead:beef"),
    "four.example.com": spf("v=spf1 a/0 -all", A="203.0.113.1", AAAA="2001:db8:1::2"),
    "six.example.com": spf("v=spf1 a//0 -all", AAAA="2001:db8:1::2"),
    "void.example.com": spf("v=spf1 a//0 -all", A="203.0.113.1"),
    "mx.example.com": spf("v=spf1 mx//64 -all", MX="six.example.com"),
    "mx4.example.com": spf("v=spf1 mx -all", MX=[f"h{i}.example.com" for i in range(5)]),
    **{f"h{i}.example.com": {"A": f"203.0.113.{i}"} for i in range(5)},
    "exists.example.com": spf("v=spf1 exists:six.example.com -all"),
    "exists4.example.com": spf("v=spf1 exists:void.example.com -all"),
    "ip.example.com": spf("v=spf1 ip6:2001:db8:8000::/33 ip4:192.0.2.1 -all"),
    "ptr.example.com": spf("v=spf1 ptr:example.com -all"),
    V6_REVERSE: {"PTR": "A.Example.Com"},
    "macro.example.com": spf("v=spf1 exists:%{ir}.%{v}._spf.%{d2} -all"),
    V6_REVERSE.removesuffix(".arpa") + "._spf.example.com": {"A": "127.0.0.2"},
}


@pytest.mark.parametrize(
    ("zone", "columns"),
    table(
        (
            "IPv6 and mapped addresses §5",
            SIX,
            """
            2001:db8::cb01 | x@a.example.com | pass
            192.0.2.1 | x@a.example.com | pass
            ::ffff:192.0.2.1 | x@a.example.com | pass
            192.0.2.77 | x@wide.example.com | pass
            2001:db8::cb01 | x@wide.example.com | pass
            192.0.2.77 | x@narrow.example.com | fail
            2001:db8::cb01 | x@four.example.com | fail
            192.0.2.1 | x@six.example.com | fail
            ::FFFF:192.0.2.1 | x@six.example.com | fail
            2001:db8::cb01 | x@six.example.com | pass
            2001:db8::cb01 | x@void.example.com | fail
            2001:db8:1::9 | x@mx.example.com | pass
            2001:db8::cb01 | x@mx4.example.com | fail
            2001:db8::cb01 | x@exists.example.com | fail
            2001:db8::cb01 | x@exists4.example.com | pass
            2001:db8:8000::1 | x@ip.example.com | pass
            2001:db8:7fff::1 | x@ip.example.com | fail
            ::ffff:192.0.2.1 | x@ip.example.com | pass
            2001:db8::cb01 | x@ptr.example.com | pass
            2001:db8::cb02 | x@ptr.example.com | fail
            2001:db8::cb01 | x@macro.example.com | pass
            """,
        )
    ),
)
async def test_ipv6(zone: dict[str, Any], columns: list[str]) -> None:
    await assert_line(zone, columns)
