"""Mail that an alias sends on: in our name and sealed, its bounce comes back and goes on; and reports about us are read."""

import gzip
import json
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from mta_queue.core.report_mail import Kind, Parcel, build
from senderauth.reports import tls

from tests.e2e.letters import plain
from tests.support.dnsserver import DnsServer
from tests.support.platform import Platform
from tests.support.sink import SmtpSink, Taken

T = TypeVar("T")


class Road:
    """One installation of ours.test; everybody else is one sink."""

    def __init__(self, platform: Platform, sink: SmtpSink) -> None:
        self.platform, self.sink = platform, sink

    def bring(self, sender: str, recipient: str, content: bytes) -> None:
        """A stranger brings it."""
        with smtplib.SMTP("127.0.0.1", self.platform.ports.smtp) as session:
            session.ehlo("mx.y.test")
            session.sendmail(sender, [recipient], content)

    def taken(self, count: int) -> Taken:
        """The newest, once there are so many."""
        return eventually(lambda: self.sink.taken[count - 1] if len(self.sink.taken) >= count else None)

    def api(self, method: str, path: str, **values: Any) -> Any:
        with self.platform._api() as api:
            answer = api.request(method, path, **values)
            answer.raise_for_status()
            return answer.json()


def eventually(find: Callable[[], T | None], seconds: float = 30.0) -> T:
    """What is found before the time is over."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := find():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come")


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    with DnsServer() as dns, SmtpSink() as sink:
        for domain in ("y.test", "far.test"):
            dns.mx(domain, f"mx.{domain}")
        dns.ptr("127.0.0.1", "mx.y.test")
        dns.txt("y.test", "v=spf1 mx -all")
        dns.txt("_dmarc.y.test", "v=DMARC1; p=reject; rua=mailto:dmarc@y.test")
        settings = {
            "SMTP_GATEWAY_HOSTNAME": "mx.ours.test",
            "SMTP_GATEWAY_DNS_SERVERS": dns.address,
            "SMTP_GATEWAY_SENDER_CHECKS_EXEMPT": "[]",
            "MTA_QUEUE_HOSTNAME": "mx.ours.test",
            "MTA_QUEUE_REPORT_ADDRESS": "postmaster@ours.test",
        }
        with Platform.start(
            tmp_path_factory.mktemp("road"),
            domain="ours.test",
            dns_server=dns.address,
            relay_port=sink.port,
            settings=settings,
        ) as platform:
            road = Road(platform, sink)
            for key in platform.create_dkim_keys("ours.test"):
                dns.txt(key["record_name"], key["record"])
            for address, target in (
                ("friend@ours.test", "joe@far.test"),
                ("tlsrpt@ours.test", "reports@reports.posthouse.invalid"),
            ):
                road.api("POST", "/v1/aliases", json={"address": address, "targets": [target]})
            yield road


def test_a_forward_and_its_bounce(road: Road) -> None:
    road.bring("ann@y.test", "friend@ours.test", plain("onward", "ann@y.test", "friend@ours.test").content)
    onward = road.taken(1)
    assert onward.recipients[0].startswith("RCPT TO:<joe@far.test>")
    rewritten = onward.mail.partition("<")[2].partition(">")[0]
    assert rewritten.startswith("SRS0=")
    assert rewritten.endswith("=y.test=ann@ours.test")
    header = onward.content.partition(b"\r\n\r\n")[0]
    assert header.startswith(b"ARC-Seal:")
    assert b"d=ours.test" in header
    assert b"spf=pass" in header
    road.bring("", rewritten, plain("no joe here", "mailer-daemon@far.test", rewritten).content)
    back = road.taken(2)
    assert back.mail.startswith("MAIL FROM:<>")
    assert back.recipients[0].startswith("RCPT TO:<ann@y.test>")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        road.bring("spam@y.test", rewritten, b"Subject: spam\r\n\r\n")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        road.bring("", rewritten.replace("=ann@", "=bob@"), b"Subject: forged\r\n\r\n")


def test_a_report_about_us_becomes_figures(road: Road) -> None:
    begin = datetime.now(UTC) - timedelta(days=1)
    policy = tls.PolicyResult("no-policy-found", "ours.test", (), (), 41, 1)
    report = tls.TlsReport("Y", begin, begin + timedelta(days=1), "mailto:a@y.test", "r1", (policy,))
    parcel = Parcel(Kind.TLS, "ours.test", "r1", begin, report.end_at, gzip.compress(tls.build(report)))
    mail = build(parcel, sender="a@y.test", submitter="y.test", recipient="tlsrpt@ours.test", sent_at=begin)
    taken = len(road.sink.taken)
    road.bring("a@y.test", "tlsrpt@ours.test", mail)
    [found] = eventually(lambda: road.api("GET", "/v1/reports/tls", params={"domain": "ours.test"})["items"])
    assert (found["organization"], found["passed"], found["failed"]) == ("Y", 41, 1)
    assert found["tenant"] == "demo"
    assert len(road.sink.taken) == taken, "it went nowhere"


def test_the_operators_command(road: Road) -> None:
    """Routes, sources and reports at the command line: a minimum of TLS holds mail back that the sink gets without it."""

    def say(*words: str) -> Any:
        line = [sys.executable, "-m", "posthouse", *words, "--json", "--data", str(road.platform.folder)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert [each["passed"] for each in say("reports", "tls", "--domain", "ours.test")] == [41]
    assert say("reports", "dmarc") == []
    say("egress", "set", "blue", "--address", "127.0.0.1", "--hello", "blue.ours.test", "--attempts", "5")
    assert [(each["pool"], each["attempts_most"]) for each in say("egress", "list")] == [("blue", 5)]
    made = say("route", "set", "--domain", "far.test", "--tls", "encrypted", "--egress", "blue")
    assert (made["minimum_tls"], made["egress"]) == ("encrypted", "blue")
    # The process that was told knows at once; this installation has one.
    taken = len(road.sink.taken)
    road.bring("ann@y.test", "friend@ours.test", plain("held", "ann@y.test", "friend@ours.test").content)
    [item] = eventually(lambda: say("queue", "list", "--domain", "far.test"))
    assert "TLS" in item["last_reply"]
    assert len(road.sink.taken) == taken
    say("route", "set", "--domain", "far.test", "--egress", "blue")
    say("queue", "retry", "--domain", "far.test")
    road.taken(taken + 1)
    assert any(session[0] == "EHLO blue.ours.test" for session in road.sink.sessions)
    say("route", "delete", "--domain", "far.test")
    say("egress", "delete", "blue", "--address", "127.0.0.1")
    assert say("route", "list") == []
    assert say("egress", "list") == []
