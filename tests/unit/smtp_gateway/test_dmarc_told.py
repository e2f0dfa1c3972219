"""What is told for DMARC's aggregate reports: the policy as it was found, what passed, what was done and why."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from senderauth import dkim
from smtp_gateway.core.dmarc_told import payload
from smtp_gateway.core.networks import Networks
from smtp_gateway.edge.checking import Checker

from tests.support.fake_gateway import FakeQuestions
from tests.support.zone import Zone
from tests.unit.smtp_gateway.test_who_is_speaking import BANK, LETTER, LIST, NAMES

REPORTED = {
    **NAMES,
    "_dmarc.bank.example": {"TXT": "v=DMARC1; p=reject; pct=40; aspf=s; rua=mailto:a@bank.example"},
}


async def told(
    content: bytes,
    action: str = "taken",
    *,
    reverse_path: str = "a@bank.example",
    client: str = "192.0.2.1",
    names: dict[str, Any] = REPORTED,
) -> dict[str, Any]:
    checker = Checker(FakeQuestions(Zone(names)), "gate.test", Networks([]), 5.0)
    findings = await checker.check(client, "mail.bank.example", reverse_path, content)
    assert findings is not None
    told = payload(findings, action, frozenset())
    return json.loads(told) if told else {}


async def test_what_passes() -> None:
    signed = dkim.sign(LETTER, [BANK, LIST], now=datetime.now(UTC), lifetime_seconds=86_400) + LETTER
    found = await told(signed)
    assert found["published"] == {
        "domain": "bank.example",
        "policy": "reject",
        "subdomain_policy": "",
        "dkim_alignment": "r",
        "spf_alignment": "s",
        "percent": 40,
    }
    row = found["row"]
    assert (row["source_address"], row["disposition"], row["dkim"], row["spf"]) == (
        "192.0.2.1",
        "none",
        "pass",
        "pass",
    )
    assert [each[0] for each in row["signatures"]] == ["bank.example", "list.example"]
    assert (row["header_from"], row["envelope_from"], row["override"]) == ("bank.example", "bank.example", "")


@pytest.mark.parametrize(
    ("action", "disposition"), [("refused", "reject"), ("quarantined", "quarantine"), ("taken", "none")]
)
async def test_what_fails_and_what_was_done(action: str, disposition: str) -> None:
    row = (await told(LETTER, action, client="192.0.2.66"))["row"]
    assert (row["dkim"], row["spf"], row["disposition"]) == ("fail", "fail", disposition)
    assert (row["override"] == "") == (action == "refused")


async def test_an_owner_who_tries_it_out_hears_that_it_was_not_followed_for_that() -> None:
    text = "v=DMARC1; p=reject; np=quarantine; t=y; rua=mailto:d@bank.example"
    found = await told(LETTER, client="192.0.2.66", names=REPORTED | {"_dmarc.bank.example": {"TXT": text}})
    assert (found["published"]["nonexistent_policy"], found["published"]["testing"]) == ("quarantine", "y")
    found = await told(
        LETTER, "quarantined", client="192.0.2.66", names=REPORTED | {"_dmarc.bank.example": {"TXT": text}}
    )
    assert (found["row"]["disposition"], found["row"]["override"]) == ("quarantine", "policy_test_mode")


async def test_a_domain_that_wants_no_reports_gets_none() -> None:
    assert await told(LETTER, names=NAMES) == {}
    assert await told(b"Subject: nobody\r\n\r\n") == {}
