"""TLS reports (RFC 8460): where they go, how they are written, what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from senderauth.names import normal_name
from senderauth.reports.envelope import ReportFault

MAX_URIS = 5
MAX_POLICIES = 1_000
MAX_DETAILS = 10_000
MAX_TEXT = 1_000
MAX_OCTETS = 8 * 1024 * 1024
MAX_VALUES = 200_000
"""Of the whole report: thirty megabytes of empty lists are a gigabyte in memory, and come in thirty kilobytes."""

_RECORD = re.compile(r"v[ \t]*=[ \t]*TLSRPTv1[ \t]*;")
_RUA = re.compile(r"(?:\A|;)[ \t]*rua[ \t]*=[ \t]*([^;]+)")
_URI = re.compile(r"(?:mailto:[^\s,;!]+@[^\s,;!]+|https://[^\s,;]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FailureDetail:
    """Sessions that failed alike (§4.3)."""

    result_type: str
    sessions: int
    sending_mta_ip: str = ""
    receiving_mx_hostname: str = ""
    receiving_ip: str = ""
    failure_reason_code: str = ""


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """What became of the sessions that were held to one policy (§4.2). `kind`: tlsa, sts, no-policy-found."""

    kind: str
    domain: str
    text: tuple[str, ...]
    hosts: tuple[str, ...]
    successes: int
    failures: int
    details: tuple[FailureDetail, ...] = ()


@dataclass(frozen=True, slots=True)
class TlsReport:
    """One report (§4.4)."""

    organization: str
    begin_at: datetime
    end_at: datetime
    contact: str
    report_id: str
    policies: tuple[PolicyResult, ...]


def record_name(domain: str) -> str:
    """Where the TXT record is (§3)."""
    return "_smtp._tls." + normal_name(domain)


def report_uris(records: Iterable[str]) -> tuple[str, ...]:
    """mailto: and https: of the domain's record; none unless exactly one is TLSRPT's (§3)."""
    found = [record for record in records if _RECORD.match(record)]
    if len(found) != 1:
        return ()
    rua = _RUA.search(found[0])
    if rua is None:
        return ()
    uris = (each.strip(" \t") for each in rua[1].split(","))
    return tuple(each for each in uris if _URI.fullmatch(each))[:MAX_URIS]


def build(report: TlsReport) -> bytes:
    """As JSON (§4.4)."""
    return json.dumps(
        {
            "organization-name": report.organization,
            "date-range": {
                "start-datetime": _instant(report.begin_at),
                "end-datetime": _instant(report.end_at),
            },
            "contact-info": report.contact,
            "report-id": report.report_id,
            "policies": [_policy(each) for each in report.policies],
        },
        ensure_ascii=True,
    ).encode("ascii")


def parse(data: bytes) -> TlsReport | ReportFault:
    """What a stranger reports. Unknown members are passed over."""
    # Each value but the first has one of these before it.
    if len(data) > MAX_OCTETS or sum(map(data.count, (b",", b"[", b"{"))) > MAX_VALUES:
        return ReportFault("the report is too big")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return ReportFault("it is no JSON")
    try:
        span = _members(found, "date-range")
        policies = found.get("policies")
        if not isinstance(policies, list) or len(policies) > MAX_POLICIES:
            return ReportFault("no policies, or too many")
        return TlsReport(
            _text(found, "organization-name"),
            _moment(_text(span, "start-datetime")),
            _moment(_text(span, "end-datetime")),
            _text(found, "contact-info"),
            _text(found, "report-id"),
            tuple(_policy_result(each) for each in policies),
        )
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        return ReportFault(f"it is no TLS report: {error}"[:200])


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _policy(result: PolicyResult) -> dict[str, Any]:
    policy: dict[str, Any] = {"policy-type": result.kind, "policy-domain": result.domain}
    if result.text:
        policy["policy-string"] = list(result.text)
    if result.hosts:
        policy["mx-host"] = list(result.hosts)
    made: dict[str, Any] = {
        "policy": policy,
        "summary": {
            "total-successful-session-count": result.successes,
            "total-failure-session-count": result.failures,
        },
    }
    if result.details:
        made["failure-details"] = [_detail(each) for each in result.details]
    return made


def _detail(detail: FailureDetail) -> dict[str, Any]:
    values = {
        "result-type": detail.result_type,
        "sending-mta-ip": detail.sending_mta_ip,
        "receiving-mx-hostname": detail.receiving_mx_hostname,
        "receiving-ip": detail.receiving_ip,
        "failure-reason-code": detail.failure_reason_code,
    }
    return {name: value for name, value in values.items() if value} | {
        "failed-session-count": detail.sessions
    }


def _policy_result(found: Any) -> PolicyResult:
    policy, summary = _members(found, "policy"), _members(found, "summary")
    details = found.get("failure-details") or []
    if not isinstance(details, list) or len(details) > MAX_DETAILS:
        raise ValueError("too many details")
    return PolicyResult(
        _text(policy, "policy-type"),
        normal_name(_text(policy, "policy-domain")),
        _texts(policy, "policy-string"),
        _texts(policy, "mx-host"),
        _count(summary, "total-successful-session-count"),
        _count(summary, "total-failure-session-count"),
        tuple(
            FailureDetail(
                _text(each, "result-type"),
                _count(each, "failed-session-count"),
                _text(each, "sending-mta-ip"),
                _text(each, "receiving-mx-hostname"),
                _text(each, "receiving-ip"),
                _text(each, "failure-reason-code"),
            )
            for each in details
        ),
    )


def _members(found: Any, name: str) -> Mapping[str, Any]:
    value = found.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"no {name}")
    return value


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name, "")
    return _kept(value) if isinstance(value, str) else ""


def _texts(found: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = found.get(name) or []
    values = [value] if isinstance(value, str) else value
    return tuple(_kept(each) for each in values if isinstance(each, str))[:100]


def _kept(text: str) -> str:
    """As it can be kept: JSON may hold NUL, and halves of characters."""
    return text[:MAX_TEXT].replace("\0", "").encode("utf-8", "replace").decode()


def _count(found: Mapping[str, Any], name: str) -> int:
    value = found.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError(f"{name} is no count")
    return value


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
