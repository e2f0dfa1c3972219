"""MTA-STS: records and policies (RFC 8461)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from senderauth.mtasts import (
    MAX_AGE_SECONDS,
    MAX_POLICY_OCTETS,
    StsFault,
    StsMode,
    StsPolicy,
    parse_policy,
    policy_id,
    policy_url,
    record_name,
)

EXAMPLE = b"version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n"


def test_the_example_of_section_3_2() -> None:
    policy = parse_policy(EXAMPLE)
    assert policy == StsPolicy(
        StsMode.ENFORCE, 604_800, ("mail.example.com", "*.example.net", "backupmx.example.com")
    )
    assert parse_policy(EXAMPLE.replace(b"\r\n", b"\n").strip()) == policy


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("mail.example.com", True),
        ("MAIL.Example.com.", True),
        ("mx1.example.net", True),
        ("a.mx1.example.net", False),
        ("example.net", False),
        ("evil.example.com", False),
        ("mail.example.com.evil.example", False),
        ("", False),
        ("*.example.net", True),
    ],
)
def test_hosts(host: str, allowed: bool) -> None:
    policy = parse_policy(EXAMPLE)
    assert isinstance(policy, StsPolicy)
    assert policy.allows(host) is allowed


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (["v=STSv1; id=20160831085700Z;"], "20160831085700Z"),
        (["v=STSv1;id=1"], "1"),
        (["v = STSv1 ; other=x; id = abc ;"], "abc"),
        (["v=spf1 -all", "v=STSv1; id=1"], "1"),
        (["v=STSv1; id=1", "v=STSv1; id=2"], None),
        (["v=STSv1;"], None),
        (["v=STSv1; id="], None),
        (["v=STSv1; id=a-b"], None),
        (["v=STSv1; id=" + "1" * 33], None),
        (["v=STSv10; id=1"], None),
        (["v=stsv1; id=1"], None),
        ([], None),
    ],
)
def test_records(records: list[str], expected: str | None) -> None:
    assert policy_id(records) == expected


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "version"),
        (b"mode: none\nmax_age: 1", "version"),
        (b"version: STSv2\nmode: none\nmax_age: 1", "version"),
        (b"version: STSv1\nmax_age: 1\nmx: a.example", "mode"),
        (b"version: STSv1\nmode: strict\nmax_age: 1\nmx: a.example", "mode"),
        (b"version: STSv1\nmode: enforce\nmx: a.example", "max_age"),
        (b"version: STSv1\nmode: enforce\nmax_age: -1\nmx: a.example", "max_age"),
        (b"version: STSv1\nmode: enforce\nmax_age: 99999999999\nmx: a.example", "max_age"),
        (b"version: STSv1\nmode: enforce\nmax_age: 1", "no mx"),
        (b"version: STSv1\nmode: enforce\nmax_age: 1\nmx: *", "no host"),
        (b"version: STSv1\nmode: enforce\nmax_age: 1\nmx: *.*.example.com", "no host"),
        (b"version: STSv1\nmode: enforce\nmax_age: 1\nmx: mail.*.com", "no host"),
        (b"version: STSv1\nmode: enforce\nmax_age: 1\nmx: ", "no host"),
        (b"<html>not found</html>", "no line"),
        (b"version: STSv1\n" + b" " * MAX_POLICY_OCTETS, "too long"),
        (b"version: STSv1\n" + b"".join(b"mx: h%d.example\n" % i for i in range(1000)), "too many"),
    ],
)
def test_unusable_policies(body: bytes, reason: str) -> None:
    found = parse_policy(body)
    assert isinstance(found, StsFault)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"version: STSv1\nmode: none\nmax_age: 0", StsPolicy(StsMode.NONE, 0)),
        (
            b"version:STSv1\nmode : testing\n\nmode: enforce\nmax_age:\t86400 \nfuture: x:y\nmx:m\xc3\xbcller.example",
            StsPolicy(StsMode.TESTING, 86_400, ("xn--mller-kva.example",)),
        ),
        (
            b"max_age: 9999999999\nmx: a.example\nmx: A.example\nmode: enforce\nversion: STSv1",
            StsPolicy(StsMode.ENFORCE, MAX_AGE_SECONDS, ("a.example",)),
        ),
    ],
)
def test_lenient_where_the_text_is(body: bytes, expected: StsPolicy) -> None:
    assert parse_policy(body) == expected


def test_places() -> None:
    assert record_name("Example.com") == "_mta-sts.example.com"
    assert policy_url("example.com.") == "https://mta-sts.example.com/.well-known/mta-sts.txt"


@given(st.binary(max_size=300))
def test_nothing_raises(body: bytes) -> None:
    parse_policy(body)
    parse_policy(EXAMPLE + body)
    policy_id([body.decode("latin-1")])
