"""A message that cannot be delivered in time comes back: retries, expiry, a delivery status notification."""

import email
import email.policy
import smtplib
import subprocess
import sys
from email.message import EmailMessage

from tests.e2e.conftest import Apart
from tests.e2e.letters import plain
from tests.e2e.test_four_scenarios import wait_for_subject
from tests.support.platform import Platform


def queue(platform: Platform, *words: str) -> None:
    command = [sys.executable, "-m", "posthouse", "queue", *words, "--data", str(platform.folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def test_what_nobody_takes_is_told_to_its_sender(apart: Apart) -> None:
    platform, sink = apart.platform, apart.sink
    apart.dns.mx("busy.test", "mx.busy.test")
    sink.script["RCPT"] = "451 4.2.1 try later"
    often = ("--first", "1s", "--longest", "1s", "--expire", "6s", "--warn", "0")
    queue(platform, "schedule", "--domain", "busy.test", *often)
    alice = platform.account("alice")
    letter = plain("never delivered", alice.address, "someone@busy.test")
    with smtplib.SMTP("127.0.0.1", platform.ports.submission) as session:
        session.login(alice.address, alice.password)
        session.sendmail(alice.address, ["someone@busy.test"], letter.content)
    raw = wait_for_subject(platform, alice.address, alice.password, "Undelivered")
    queue(platform, "unschedule", "--domain", "busy.test")
    asked = [line for log in sink.sessions for line in log if line.startswith("RCPT") and "busy.test" in line]
    assert len(asked) >= 2
    assert not [taken for taken in sink.taken if "someone@busy.test" in taken.recipients]
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
