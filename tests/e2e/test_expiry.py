"""A message that cannot be delivered in time comes back: retries, expiry, a delivery status notification."""

import email
import email.policy
import smtplib
from email.message import EmailMessage
from pathlib import Path

from tests.e2e.letters import plain
from tests.e2e.test_four_scenarios import wait_for_subject
from tests.support.dnsserver import DnsServer
from tests.support.platform import Platform
from tests.support.sink import SmtpSink


def test_what_nobody_takes_is_told_to_its_sender(tmp_path: Path) -> None:
    with DnsServer() as dns, SmtpSink(script={"RCPT": "451 4.7.1 try later"}) as sink:
        dns.mx("busy.test", "mx.busy.test")
        with Platform.start(
            tmp_path / "data",
            dns_server=dns.address,
            relay_port=sink.port,
            settings={
                "MTA_QUEUE_RETRY_FIRST_SECONDS": "0.5",
                "MTA_QUEUE_EXPIRE_SECONDS": "3",
                "MTA_QUEUE_POLL_SECONDS": "0.2",
            },
        ) as platform:
            alice = platform.account("alice")
            letter = plain("never delivered", alice.address, "someone@busy.test")
            with smtplib.SMTP("127.0.0.1", platform.ports.submission) as session:
                session.login(alice.address, alice.password)
                session.sendmail(alice.address, ["someone@busy.test"], letter.content)
            raw = wait_for_subject(platform, alice.address, alice.password, "Undelivered")
            assert sum(line.startswith("RCPT") for session in sink.sessions for line in session) >= 2
            assert sink.taken == []
    notice = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(notice, EmailMessage)
    assert notice["Return-Path"] == "<>"
    assert notice["Auto-Submitted"] == "auto-replied"
    assert notice.get_content_type() == "multipart/report"
    text, report, original = notice.iter_parts()
    assert "too old now" in text.get_content()
    _, recipient = report.iter_parts()
    assert recipient["Final-Recipient"] == "rfc822; someone@busy.test"
    assert recipient["Action"] == "failed"
    assert recipient["Status"] == "5.4.7"
    assert recipient["Diagnostic-Code"] == "smtp; 451 try later"
    assert recipient["Remote-MTA"] == "dns; mx.busy.test"
    assert original.get_content_type() in ("message/rfc822", "text/rfc822-headers")
    assert "never delivered" in original.as_string()
