"""What a message came to, for the report to the domain of its author (RFC 9990, RFC 7489 §7.2): told to who collects it."""

import json

from senderauth import Result
from senderauth.dmarc import DmarcRecord, Policy
from senderauth.names import normal_name

from smtp_gateway.core.verdicts import Findings, is_vouched_for

DISPOSITIONS = {"refused": Policy.REJECT, "quarantined": Policy.QUARANTINE, "taken": Policy.NONE}
SIGNATURES_TOLD = 10


def payload(findings: Findings, action: str, trusted_sealers: frozenset[str]) -> bytes:
    """As JSON, with the names of senderauth.reports.dmarc; b"" where the domain wants no reports."""
    dmarc = findings.dmarc
    if dmarc is None or dmarc.record is None or not dmarc.record.aggregate_reports:
        return b""
    record, aligned = dmarc.record, set(dmarc.aligned)
    disposition = DISPOSITIONS[action]
    override = ""
    if dmarc.result is Result.FAIL and disposition is not dmarc.policy:
        override = "local_policy"
        if is_vouched_for(findings, trusted_sealers):
            override = "trusted_forwarder"
        elif disposition is dmarc.disposition:
            override = "policy_test_mode" if record.is_test else "sampled_out"
    has_dkim = any(each.speaks_for_domain and normal_name(each.domain) in aligned for each in findings.dkim)
    has_spf = findings.spf.result is Result.PASS and normal_name(findings.spf.domain) in aligned
    told = {
        "published": {
            "domain": dmarc.policy_domain,
            "policy": (record.policy or Policy.NONE).value,
            "subdomain_policy": record.subdomain_policy.value if record.subdomain_policy else "",
            "dkim_alignment": record.dkim_alignment.value,
            "spf_alignment": record.spf_alignment.value,
            "percent": record.percent,
            **_newer(record),
        },
        "row": {
            "source_address": str(findings.caller.address),
            "disposition": disposition.value,
            "dkim": "pass" if has_dkim else "fail",
            "spf": "pass" if has_spf else "fail",
            "header_from": dmarc.author_domain,
            "envelope_from": normal_name(findings.caller.reverse_path.rpartition("@")[2]),
            "spf_domain": findings.spf.domain,
            "spf_result": findings.spf.result.value,
            "signatures": [
                [each.domain, each.selector, each.result.value] for each in findings.dkim[:SIGNATURES_TOLD]
            ],
            "override": override,
        },
    }
    return json.dumps(told, ensure_ascii=True).encode("ascii")


def _newer(record: DmarcRecord) -> dict[str, str]:
    """What the version before does not know; said only where there is something to say."""
    found = {"nonexistent_policy": record.nonexistent_policy.value} if record.nonexistent_policy else {}
    return found | ({"testing": "y"} if record.is_test else {})
