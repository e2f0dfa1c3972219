"""Authentication-Results: what we write is read back, and nobody writes it in our name (RFC 8601)."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailmsg.header import fields
from senderauth import Result, authres
from senderauth.authres import AuthResults, MethodResult
from senderauth.authres.read import without_comments
from senderauth.authres.write import MAX_RESULTS
from senderauth.dkim import DkimResult
from senderauth.dmarc import DmarcResult, Policy
from senderauth.iprev import IprevResult, check_iprev
from senderauth.spf import SpfResult

from tests.support.zone import TIMEOUT, Records, Zone

OURS = "mx.example.com"
CLIENT = ip_address("192.0.2.1")


# Writing


def test_all_our_verdicts() -> None:
    written = authres.field(
        OURS,
        [
            authres.of_iprev(IprevResult(Result.PASS, CLIENT, "mail.example.net")),
            authres.of_helo(SpfResult(Result.NONE, "mail.example.net", "no SPF record")),
            authres.of_mail_from(SpfResult(Result.FAIL, "example.net", "-all matches"), "joe=x@example.net"),
            *authres.of_dkim(
                [
                    DkimResult(
                        Result.PASS, "", "example.net", "s1", "@example.net", "rsa-sha256", "AbC+/d=="
                    ),
                    DkimResult(Result.PASS, "", "a.net", "s", "x@b.a.net", "rsa-sha256", "x", 1024, 7),
                ]
            ),
            authres.of_dmarc(
                DmarcResult(
                    Result.FAIL, "example.net", "no aligned domain passed", Policy.REJECT, Policy.REJECT
                )
            ),
            authres.of_arc(Result.PASS, 0, CLIENT),
            authres.of_login("joe@example.com"),
        ],
    )
    assert written == (
        b"Authentication-Results: mx.example.com;\r\n"
        b"\tiprev=pass policy.iprev=192.0.2.1;\r\n"
        b"\tspf=none smtp.helo=mail.example.net;\r\n"
        b'\tspf=fail reason="-all matches" smtp.mailfrom=joe=x@example.net;\r\n'
        b"\tdkim=pass header.d=example.net header.s=s1 header.a=rsa-sha256\r\n"
        b'\t header.b="AbC+/d==";\r\n'
        b'\tdkim=pass reason="7 octets of the body are not signed" header.d=a.net\r\n'
        b"\t header.i=x@b.a.net header.s=s header.a=rsa-sha256 header.b=x;\r\n"
        b'\tdmarc=fail reason="no aligned domain passed" header.from=example.net\r\n'
        b"\t policy.dmarc=reject;\r\n"
        b"\tarc=pass header.oldest-pass=0 smtp.remote-ip=192.0.2.1;\r\n"
        b"\tauth=pass smtp.auth=joe@example.com\r\n"
    )


def test_nothing_checked() -> None:
    assert authres.field(OURS, []) == b"Authentication-Results: mx.example.com; none\r\n"
    assert authres.of_dkim([]) == [MethodResult("dkim", "none")]
    null = authres.of_mail_from(SpfResult(Result.PASS, "h.example"), "")
    assert null.property("smtp.mailfrom") == "postmaster@h.example"


TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=4))
def test_strangers_values_come_back_and_break_nothing(values: list[tuple[str, str]]) -> None:
    results = [
        MethodResult("spf", "fail", (("smtp.mailfrom", value), ("header.from", value)), reason)
        for reason, value in values
    ]
    written = authres.field(OURS, results)
    assert written.endswith(b"\r\n")
    assert [each.raw for each in fields(written)] == [written]
    assert b"\r" not in written.replace(b"\r\n", b"")
    assert b"\n" not in written.replace(b"\r\n", b"")
    found = authres.parse(written.partition(b":")[2])
    assert found is not None
    assert found.authserv_id == OURS
    read = [] if not results else list(found.results)
    printable = [
        (
            "".join(c if c.isprintable() else "?" for c in reason),
            "".join(c if c.isprintable() else "?" for c in value),
        )
        for reason, value in values
    ]
    assert [(each.reason, each.property("smtp.mailfrom"), each.property("header.from")) for each in read] == [
        (reason, value, value) for reason, value in printable
    ]


def test_a_field_has_bounds() -> None:
    written = authres.field(
        OURS, [MethodResult("dkim", "pass", (("header.d", "x" * 9999),), "y" * 9999)] * 100
    )
    assert len(written) < MAX_RESULTS * 1000
    assert max(len(line) for line in written.split(b"\r\n")) < 998
    assert authres.field("a b", [MethodResult("x y", "p;a", (("a b", "c"), ("a.b", "")))]) == (
        b'Authentication-Results: "a b";\r\n\tunknown=unknown a.b=""\r\n'
    )


# Reading


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # RFC 8601 Appendix B.2 to B.6
        (" example.org 1; none", AuthResults("example.org")),
        (
            " example.com;\r\n          spf=pass smtp.mailfrom=example.net",
            AuthResults("example.com", (MethodResult("spf", "pass", (("smtp.mailfrom", "example.net"),)),)),
        ),
        (
            " example.com;\r\n auth=pass (cleartext) smtp.auth=sender@example.com;\r\n spf=pass smtp.mailfrom=example.com",
            AuthResults(
                "example.com",
                (
                    MethodResult("auth", "pass", (("smtp.auth", "sender@example.com"),)),
                    MethodResult("spf", "pass", (("smtp.mailfrom", "example.com"),)),
                ),
            ),
        ),
        (
            " foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n"
            " policy (A dot can go here) . (like that) expired\r\n (this surprised me) = (as I wasn't expecting it) 1362471462",
            AuthResults(
                "foo.example.net", (MethodResult("dkim", "fail", (("policy.expired", "1362471462"),)),)
            ),
        ),
        (
            ' "quoted id"; dkim=fail reason="bad \\"sig\\"; yes" header.i="a b"@x.example',
            AuthResults(
                "quoted id",
                (MethodResult("dkim", "fail", (("header.i", "a b@x.example"),), 'bad "sig"; yes'),),
            ),
        ),
        (
            " x; spf=pass smtp.mailfrom=a=b@c.example; DKIM=Pass",
            AuthResults(
                "x",
                (
                    MethodResult("spf", "pass", (("smtp.mailfrom", "a=b@c.example"),)),
                    MethodResult("dkim", "pass"),
                ),
            ),
        ),
        ("", None),
        (" ; spf=pass", None),
        (" (only a comment", None),
        (" spf=pass", None),
    ],
)
def test_reading(value: str, expected: AuthResults | None) -> None:
    assert authres.parse(value.encode()) == expected


@given(st.binary(max_size=200))
def test_no_value_raises(value: bytes) -> None:
    authres.parse(value)
    authres.parse(b" x; " + value)


@pytest.mark.parametrize("noise", [b"(", b")", b'"', b"\\", b";", b"=", b"a=", b"a b ", b"( \\) ", b" "])
def test_hostile_values_are_only_long(noise: bytes) -> None:
    value = b" x; " + noise * (1_000_000 // len(noise))
    authres.parse(value)
    without_comments(value.decode())
    list(authres.forged_ranges(b"Authentication-Results:" + value + b"\r\n\r\n", [OURS]))


# Stripping

FORGED = [
    "Authentication-Results: mx.example.com; dmarc=pass",
    "authentication-results:mx.example.com;dmarc=pass",
    "AUTHENTICATION-RESULTS  : MX.Example.COM; dmarc=pass",
    "Authentication-Results: mx.example.com. 1; dmarc=pass",
    "Authentication-Results:\r\n mx.example.com;\r\n dmarc=pass",
    "Authentication-Results:\r\n\t\r\n mx.example.com 1;\r\n dmarc=pass",
    "Authentication-Results: (c) mx.example.com (d); dmarc=pass",
    "Authentication-Results: (a;b) mx.example.com; dmarc=pass",
    "Authentication-Results: (a(b)\\)) mx.example.com; dmarc=pass",
    'Authentication-Results: "mx.example.com"; dmarc=pass',
    'Authentication-Results: "mx\\.example.com"; dmarc=pass',
    "Authentication-Results: mx.example.com",
    "Authentication-Results: (mx.example.com; dmarc=pass",
    "Authentication-Results: mx.example.com/1; dmarc=pass",
    "Authentication-Results: mx.example.com, dmarc=pass",
    "Authentication-Results: mail.bücher.example; dmarc=pass",
    "Authentication-Results: mail.xn--bcher-kva.example; dmarc=pass",
    "X: y\rAuthentication-Results: mx.example.com; dmarc=pass",
]
HARMLESS = [
    "Authentication-Results: mx.example.net; spf=pass smtp.helo=mx.example.com",
    "Authentication-Results: other.example; none",
    "Authentication-Results: mx.example.com.evil.example; dmarc=pass",
    "X-Authentication-Results: mx.example.com; dmarc=pass",
    "ARC-Authentication-Results: i=1; mx.example.com; dmarc=pass",
    "Subject: Authentication-Results: mx.example.com; dmarc=pass",
    "Received: from mx.example.com by mx.example.com",
    "no field at all mx.example.com",
]
NAMES = [OURS, "mail.bücher.example"]


@pytest.mark.parametrize("forged", FORGED)
def test_forged_fields_go(forged: str) -> None:
    before, after = b"From: a@b.c\r\n", b"To: d@e.f\r\n\r\n"
    assert authres.strip_forged(before + forged.encode() + b"\r\n" + after, NAMES) == before + after
    assert authres.strip_forged(before + forged.encode(), NAMES) == before


@pytest.mark.parametrize("harmless", HARMLESS)
def test_others_stay(harmless: str) -> None:
    header = b"From: a@b.c\r\n" + harmless.encode() + b"\r\nTo: d@e.f\r\n\r\n"
    assert authres.strip_forged(header, NAMES) == header


PIECES = st.sampled_from(
    [
        OURS,
        "MX.EXAMPLE.COM",
        "x.example",
        " ",
        "\t",
        "\r\n ",
        "\r\n\t",
        "(",
        ")",
        '"',
        "\\",
        ";",
        "=",
        "1",
        ".",
        "dmarc=pass",
        "\0",
        "é",
    ]
)
NAME = st.sampled_from(["Authentication-Results", "authentication-results", "AUTHENTICATION-RESULTS \t"])


@given(
    st.lists(
        st.one_of(
            st.sampled_from(FORGED),
            st.sampled_from(HARMLESS),
            st.tuples(NAME, st.lists(PIECES, max_size=12)).map(lambda made: made[0] + ":" + "".join(made[1])),
        ),
        max_size=8,
    )
)
def test_nothing_in_our_name_is_left(made: list[str]) -> None:
    header = "".join(each + "\r\n" for each in made).encode() + b"\r\n"
    stripped = authres.strip_forged(header, NAMES)
    assert authres.strip_forged(stripped, NAMES) == stripped
    for field in fields(stripped):
        if field.name.lower() != b"authentication-results":
            continue
        found = authres.parse(field.value)
        assert found is None or found.authserv_id.lower().rstrip(".") != OURS
        # A reader that knows no comments and no quotes.
        first = field.value.partition(b";")[0].split()
        assert not first or first[0].decode("utf-8", "replace").strip('"').lower() != OURS
    kept = [each for each in made if each in HARMLESS]
    remaining = stripped.decode()
    for each in kept:
        assert each in remaining


@given(st.binary(max_size=200))
def test_a_header_without_such_fields_is_untouched(header: bytes) -> None:
    if b"authentication-results" not in header.lower():
        assert authres.strip_forged(header, NAMES) == header


# iprev


@pytest.mark.parametrize(
    ("names", "expected", "name"),
    [
        (
            {"1.2.0.192.in-addr.arpa": {"PTR": "Mail.Example.com."}, "mail.example.com": {"A": "192.0.2.1"}},
            Result.PASS,
            "mail.example.com",
        ),
        (
            {
                "1.2.0.192.in-addr.arpa": {"PTR": ["x.example", "mail.example.com"]},
                "mail.example.com": {"A": ["192.0.2.9", "192.0.2.1"]},
            },
            Result.PASS,
            "mail.example.com",
        ),
        (
            {"1.2.0.192.in-addr.arpa": {"PTR": "mail.example.com"}, "mail.example.com": {"A": "192.0.2.9"}},
            Result.FAIL,
            "",
        ),
        ({"1.2.0.192.in-addr.arpa": {"PTR": "mail.example.com"}}, Result.FAIL, ""),
        (
            {"1.2.0.192.in-addr.arpa": {"PTR": "mail.example.com"}, "mail.example.com": TIMEOUT},
            Result.TEMPERROR,
            "",
        ),
        ({"1.2.0.192.in-addr.arpa": TIMEOUT}, Result.TEMPERROR, ""),
        ({}, Result.PERMERROR, ""),
        ({"1.2.0.192.in-addr.arpa": {"PTR": "a..b"}}, Result.PERMERROR, ""),
    ],
)
async def test_iprev(names: dict[str, Records | str], expected: Result, name: str) -> None:
    found = await check_iprev(Zone(names), CLIENT)
    assert (found.result, found.name) == (expected, name)


async def test_iprev_is_bounded() -> None:
    zone = Zone({"1.2.0.192.in-addr.arpa": {"PTR": [f"h{i}.example" for i in range(100)]}})
    await check_iprev(zone, CLIENT)
    assert len(zone.asked) == 11
