"""Reports of TLS and of DMARC: written, read back, and what strangers send instead."""

import gzip
import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from senderauth.reports import ReportFault, dmarc, tls, unpacked
from senderauth.reports.envelope import MAX_OCTETS

BEGIN = datetime(2026, 11, 20, tzinfo=UTC)
END = datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)
TLS = tls.TlsReport(
    "Ours",
    BEGIN,
    END,
    "mailto:tls@ours.test",
    "2026-11-20_y.test",
    (
        tls.PolicyResult(
            "sts",
            "y.test",
            ("version: STSv1", "mode: enforce"),
            ("*.y.test",),
            5326,
            3,
            (tls.FailureDetail("certificate-expired", 3, "192.0.2.1", "mx.y.test", "192.0.2.2", "old"),),
        ),
        tls.PolicyResult("no-policy-found", "y.test", (), (), 1, 0),
    ),
)
DMARC = dmarc.DmarcReport(
    "Ours & Co <x>",
    "dmarc@ours.test",
    "1",
    BEGIN,
    END,
    dmarc.Published("y.test", "reject", "none", "s", "r", 50),
    (
        (
            dmarc.Row(
                "2001:db8::1",
                "none",
                "pass",
                "fail",
                "news.y.test",
                "b@z.test",
                "z.test",
                "softfail",
                (dmarc.DkimAuth("y.test", "s1", "pass"), dmarc.DkimAuth("z.test", "s2", "fail")),
                "local_policy",
            ),
            7,
        ),
        (dmarc.Row("192.0.2.9", "reject", "fail", "fail", "y.test"), 1),
    ),
)


def test_a_tls_report_comes_back_as_it_was() -> None:
    data = tls.build(TLS)
    assert tls.parse(data) == TLS
    found = json.loads(data)
    assert found["policies"][0]["summary"] == {
        "total-successful-session-count": 5326,
        "total-failure-session-count": 3,
    }
    assert found["date-range"]["start-datetime"] == "2026-11-20T00:00:00Z"
    assert found["policies"][0]["failure-details"][0]["result-type"] == "certificate-expired"


def test_a_dmarc_report_comes_back_as_it_was() -> None:
    assert dmarc.parse(dmarc.build(DMARC)) == DMARC


def test_a_namespace_and_what_is_not_known_are_passed_over() -> None:
    text = dmarc.build(DMARC).decode()
    root = '<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">'
    for other in (
        f"{root}<extra><x>1</x></extra>",
        "<feedback>",
        '<d:feedback xmlns:d="urn:ietf:params:xml:ns:dmarc-2.0">',
    ):
        end = "</d:feedback>" if "d:" in other else "</feedback>"
        changed = text.replace(root, other).replace("</feedback>", end)
        assert changed != text
        assert dmarc.parse(changed.encode()) == DMARC


def test_what_is_written_is_of_today() -> None:
    """RFC 9990: the elements that it has, none that it has no more, and a disposition of its own for what passed."""
    published = dmarc.Published("y.test", "reject", "quarantine", nonexistent_policy="reject", testing="y")
    passed = dmarc.Row("192.0.2.1", "none", "fail", "pass", "y.test", "y.test", "y.test", "pass")
    failed = dmarc.Row("192.0.2.9", "quarantine", "fail", "fail", "y.test", override="policy_test_mode")
    report = replace(DMARC, published=published, rows=((passed, 2), (failed, 1)))
    data = dmarc.build(report)
    assert dmarc.parse(data) == report
    text = data.decode().replace("\n", "")
    assert '<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">' in text
    assert "</date_range><generator>Posthouse</generator></report_metadata>" in text
    assert (
        "<discovery_method>treewalk</discovery_method><p>reject</p><sp>quarantine</sp><np>reject</np>"
        "<adkim>r</adkim><aspf>r</aspf><testing>y</testing></policy_published>"
    ) in text
    assert "<pct>" not in text
    assert "<disposition>pass</disposition><dkim>fail</dkim><spf>pass</spf>" in text
    assert "<disposition>quarantine</disposition>" in text
    assert "<reason><type>policy_test_mode</type></reason>" in text
    # A domain whose record still says pct is told so.
    assert b"<pct>50</pct>" in dmarc.build(DMARC)


def test_a_report_of_yesterday_is_read() -> None:
    text = (
        "<?xml version='1.0'?><feedback><report_metadata><org_name>o</org_name><email>e@o.test</email>"
        "<report_id>7</report_id><date_range><begin>1700000000</begin><end>1700086399</end></date_range>"
        "</report_metadata><policy_published><domain>y.test</domain><p>reject</p><sp>none</sp><pct>25</pct>"
        "</policy_published><record><row><source_ip>192.0.2.1</source_ip><count>3</count><policy_evaluated>"
        "<disposition>none</disposition><dkim>fail</dkim><spf>fail</spf><reason><type>sampled_out</type></reason>"
        "</policy_evaluated></row><identifiers><header_from>y.test</header_from></identifiers></record></feedback>"
    )
    report = dmarc.parse(text.encode())
    assert isinstance(report, dmarc.DmarcReport)
    assert (report.published.percent, report.published.nonexistent_policy, report.published.testing) == (
        25,
        "",
        "n",
    )
    [(row, count)] = report.rows
    assert (row.override, row.disposition, count) == ("sampled_out", "none", 3)


@pytest.mark.parametrize(
    ("records", "uris"),
    [
        (["v=TLSRPTv1; rua=mailto:a@y.test"], ("mailto:a@y.test",)),
        (
            ["v=TLSRPTv1;rua=mailto:a@y.test, https://y.test/tls?x=1 ;"],
            ("mailto:a@y.test", "https://y.test/tls?x=1"),
        ),
        (["v=TLSRPTv1; rua=http://y.test/"], ()),
        (["v=TLSRPTv1; rua=mailto:a@y.test", "v=TLSRPTv1; rua=mailto:b@y.test"], ()),
        (["v=spf1 -all", "v=TLSRPTv1; rua=mailto:a@y.test"], ("mailto:a@y.test",)),
        (["v=TLSRPTv2; rua=mailto:a@y.test"], ()),
        (["v=TLSRPTv1; x=y"], ()),
        ([], ()),
    ],
)
def test_where_tls_reports_go(records: list[str], uris: tuple[str, ...]) -> None:
    assert tls.report_uris(records) == uris


def archive(*members: tuple[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members:
            file.writestr(name, data)
    return made.getvalue()


def test_what_is_packed_is_unpacked() -> None:
    assert unpacked(gzip.compress(b"x" * 1000)) == b"x" * 1000
    assert unpacked(archive(("r.xml", b"<x/>"))) == b"<x/>"
    assert unpacked(b"<x/>") == b"<x/>"


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(b"x" * 1000)[:-12],
        b"\x1f\x8bnonsense",
        gzip.compress(bytes(MAX_OCTETS + 1)),
        archive(("r.xml", bytes(MAX_OCTETS + 1))),
        archive(("a", b"1"), ("b", b"2")),
        b"PK\x03\x04nonsense",
    ],
    ids=["cut", "no-gzip", "bomb", "zip-bomb", "two-files", "no-zip"],
)
def test_what_cannot_be_unpacked(data: bytes) -> None:
    assert isinstance(unpacked(data), ReportFault)


def test_a_long_directory_of_an_archive_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = archive(*[(f"{number}.xml", b"<x/>") for number in range(20)])
    monkeypatch.delattr(zipfile, "ZipFile")
    assert isinstance(unpacked(data), ReportFault)


BOMB = b'<?xml version="1.0"?><!DOCTYPE f [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><feedback><version>&b;</version></feedback>'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<feedback>",
        b"<feedback/>",
        BOMB,
        b"<a>" * 50 + b"</a>" * 50,
        dmarc.build(DMARC).replace(b"<count>7", b"<count>-7"),
        dmarc.build(DMARC).replace(b"<begin>", b"<begin>99999999999999"),
        dmarc.build(DMARC).replace(b'encoding="UTF-8"', b'encoding="x-unknown"'),
    ],
)
def test_what_is_no_dmarc_report(data: bytes) -> None:
    assert isinstance(dmarc.parse(data), ReportFault)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"1",
        b"{}",
        b"[" * 100_000,
        tls.build(TLS).replace(b"5326", b"-1"),
        tls.build(TLS).replace(b"2026-11-20T00", b"yesterday"),
        tls.build(TLS).replace(b'"policies"', b'"other"'),
    ],
)
def test_what_is_no_tls_report(data: bytes) -> None:
    assert isinstance(tls.parse(data), ReportFault)


@given(st.binary(max_size=300))
def test_nothing_that_a_stranger_sends_raises(data: bytes) -> None:
    for each in (data, tls.build(TLS)[:50] + data, dmarc.build(DMARC)[:90] + data):
        tls.parse(each)
        dmarc.parse(each)
        unpacked(each)


def test_who_may_take_reports_of_another_domain() -> None:
    assert dmarc.authorization_name("Y.test", "z.test") == "y.test._report._dmarc.z.test"
    assert dmarc.is_authorized(["v=DMARC1"])
    assert not dmarc.is_authorized(["v=spf1 -all"])


def test_half_a_character_is_kept_as_something_that_can_be_written_down() -> None:
    data = tls.build(TLS).replace(b'"organization-name": "', b'"organization-name": "\\ud800\\u0000')
    read = tls.parse(data)
    assert isinstance(read, tls.TlsReport)
    assert read.organization == "?" + TLS.organization
    read.organization.encode()
