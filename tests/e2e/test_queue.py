"""The operator at the queue of a whole installation: the command, REST, gRPC, rows, and a peer that is not willing."""

import imaplib
import json
import smtplib
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.conftest import Apart
from tests.e2e.letters import plain
from tests.support.platform import Platform
from tests.support.sink import SmtpSink


class Desk:
    """One installation, its only peer, and the command."""

    def __init__(self, platform: Platform, sink: SmtpSink) -> None:
        self.platform = platform
        self.sink = sink

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.posthouse("queue", *words)

    def posthouse(self, *words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "posthouse", *words, "--data", str(self.platform.folder)]
        return subprocess.run(line, capture_output=True, text=True, timeout=60)

    def json(self, *words: str) -> Any:
        done = self.command(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def send(self, *recipients: str, subject: str = "out", wishes: tuple[str, ...] = ()) -> None:
        alice = self.platform.account("alice")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with smtplib.SMTP("127.0.0.1", self.platform.ports.submission) as client:
            client.starttls(context=context)
            client.login(alice.address, alice.password)
            content = plain(subject, alice.address, recipients[0]).content
            client.sendmail(alice.address, recipients, content, mail_options=wishes)

    def waiting(self, *words: str) -> Any:
        return until(lambda: self.json("list", *words))

    def newest(self) -> bytes:
        """The newest message in alice's INBOX, b"" for none."""
        return self.newest_of("alice")

    def newest_of(self, name: str) -> bytes:
        """The same of anybody's."""
        who = self.platform.account(name)
        with imaplib.IMAP4("127.0.0.1", self.platform.ports.imap) as client:
            client.login(who.address, who.password)
            count = int(client.select()[1][0] or b"0")
            if not count:
                return b""
            newest = client.fetch(str(count), "(BODY.PEEK[])")[1][0]
            assert isinstance(newest, tuple)
            return newest[1]

    def answer(self, text: str) -> None:
        with self.sink.lock:
            self.sink.script["RCPT"] = text


def until(look: Callable[[], Any]) -> Any:
    """What it comes to at last."""
    deadline = time.monotonic() + 30
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


@pytest.fixture
def desk(apart: Apart) -> Desk:
    for domain in ("one.test", "two.test", "three.test", "four.test", "five.test", "six.test"):
        apart.dns.mx(domain, f"mx.{domain}")
    return Desk(apart.platform, apart.sink)


def test_what_waits_is_listed_shown_held_and_sent(desk: Desk) -> None:
    desk.answer("451 4.2.1 come back later")
    desk.send("a@one.test", "b@one.test")
    [item] = desk.waiting("--domain", "one.test")
    assert (item["tenant"], item["status"], item["attempts"]) == ("demo", "waiting", 1)
    assert item["sender"] == "alice@example.test"
    assert [each["address"] for each in item["recipients"]] == ["a@one.test", "b@one.test"]
    queue_id = item["queue_id"]
    for words in (("--reply", "BACK later"), ("--sender", "@example.test"), ("--tenant", "demo")):
        assert queue_id in [each["queue_id"] for each in desk.json("list", *words)]
    assert desk.json("list", "--older-than", "1h") == []
    assert [(each["key"], each["items"]) for each in desk.json("summary", "--by", "tenant")] == [("demo", 1)]
    shown = desk.command("show", queue_id)
    assert shown.returncode == 0
    assert "mx.one.test" in shown.stdout
    assert "451 4.2.1" in " ".join(shown.stdout.split())

    held = desk.json("hold", "--domain", "one.test", "--reason", "a question", "--for", "2h")
    assert (held["status"], held["changed"]) == ("done", 1)
    assert "held until" in desk.command("show", queue_id).stdout
    assert [each["hold_reason"] for each in desk.json("list", "--status", "held")] == ["a question"]
    desk.answer("250 ok")
    assert desk.command("release", queue_id).stdout.strip() == "1 released"
    until(lambda: [taken for taken in desk.sink.taken if "one.test" in taken.recipients[0]])
    until(lambda: desk.json("list", "--domain", "one.test") == [])
    message = desk.json("show", queue_id)
    assert {each["outcome"] for each in message["settled"]} == {"delivered"}
    assert [each["reply"][:3] for each in message["attempts"]] == ["451", "250"]
    assert [each["action"] for each in desk.json("audit")][:2] == ["release", "hold"]


def test_what_is_to_be_released_later_waits_for_everybody_and_is_sent_or_cancelled(desk: Desk) -> None:
    desk.answer("250 ok")
    bob = desk.platform.account("bob").address
    desk.send("a@five.test", bob, subject="for later", wishes=("HOLDFOR=86400", "MT-PRIORITY=3"))
    found = until(lambda: found if len(found := desk.json("list", "--recipient", bob)) else None)
    queue_id = found[0]["queue_id"]
    items = {each["domain"]: each for each in desk.json("show", queue_id)["items"]}
    assert {name: (each["attempts"], each["priority"]) for name, each in items.items()} == {
        "five.test": (0, 3),
        "example.test": (0, 3),
    }
    assert all(each["release_at"] == each["next_attempt_at"] for each in items.values())
    assert "release at" in desk.command("show", queue_id).stdout
    assert desk.json("retry", queue_id)["changed"] == 0

    desk.send("b@five.test", subject="never", wishes=("HOLDFOR=86400",))
    [cancelled] = desk.waiting("--recipient", "b@five.test")
    assert desk.json("delete", cancelled["queue_id"], "--reason", "recalled")["changed"] == 1

    assert desk.json("release", queue_id)["changed"] == 2
    until(lambda: [taken for taken in desk.sink.taken if "a@five.test" in taken.recipients[0]])
    until(lambda: b"Subject: for later" in desk.newest_of("bob"))
    until(lambda: desk.json("show", queue_id)["items"] == [])
    assert not [taken for taken in desk.sink.taken if "b@five.test" in taken.recipients[0]]


def test_bounce_tells_the_sender_and_reroute_goes_elsewhere(desk: Desk) -> None:
    desk.answer("451 4.2.1 come back later")
    desk.send("a@two.test")
    desk.send("a@three.test")
    [two] = desk.waiting("--domain", "two.test")
    [three] = desk.waiting("--domain", "three.test")
    with SmtpSink() as other:
        done = desk.command("reroute", three["queue_id"], "--to", f"127.0.0.1:{other.port}")
        assert done.stdout.strip() == "1 rerouted"
        desk.command("retry", "--domain", "three.test")
        until(lambda: other.taken)
    assert desk.command("bounce", two["queue_id"], "--reason", "we do not").returncode == 0
    returned = until(desk.newest)
    assert b"Returned by the operator: we do not" in returned


def test_what_is_suspended_waits_untried_until_it_is_lifted(desk: Desk) -> None:
    desk.answer("250 ok")
    done = desk.command("suspend", "--domain", "four.test", "--for", "1h", "--reason", "they asked us to")
    assert done.stdout.strip() == "mail to four.test suspended"
    assert [each["reason"] for each in desk.json("suspensions")] == ["they asked us to"]
    desk.send("a@four.test")
    [item] = desk.waiting("--domain", "four.test")
    assert (item["attempts"], item["status"]) == (0, "waiting")
    assert desk.command("resume", "--domain", "four.test").returncode == 0
    until(lambda: [taken for taken in desk.sink.taken if "four.test" in taken.recipients[0]])
    assert desk.json("suspensions") == []


def test_a_schedule_is_set_for_a_tenant_and_warns_the_sender(desk: Desk) -> None:
    desk.answer("451 4.2.1 come back later")
    made = desk.json("schedule", "--tenant", "demo", "--domain", "five.test", "--first", "1m", "--warn", "1s")
    assert (made["tenant"], made["first_seconds"], made["warn_seconds"]) == ("demo", 60.0, 1.0)
    desk.send("a@five.test")
    [item] = desk.waiting("--domain", "five.test")
    assert item["next_attempt_at"] < item["expires_at"]
    returned = until(lambda: newest if b"Delayed mail" in (newest := desk.newest()) else b"")
    assert b"Action: delayed" in returned
    assert b"a@five.test" in returned
    assert desk.command("unschedule", "--tenant", "demo", "--domain", "five.test").returncode == 0
    assert [each["domain"] for each in desk.json("schedules")] == [""]
    assert desk.command("delete", "--domain", "five.test").returncode == 0


def test_what_is_used_wrongly_has_its_exit_code(desk: Desk) -> None:
    assert desk.command("hold").returncode == 1
    assert desk.command("hold", "01NOTHING").returncode == 1
    assert desk.command("show", "01NOTHING").returncode == 1
    assert desk.command("list", "--tenant", "nobody").returncode == 1
    assert desk.command("list", "--older-than", "soon").returncode == 1
    assert desk.command("list", "--status", "happy").returncode == 2
    assert desk.command("hold", "--all", "--domain", "one.test").returncode == 1


def test_a_suppressed_address_gets_nothing_and_the_sender_knows(desk: Desk) -> None:
    desk.answer("250 ok")
    words = ("gone@six.test", "--tenant", "demo")
    done = desk.posthouse("suppression", "add", *words, "--reason", "moved away")
    assert done.stdout.strip() == "gone@six.test suppressed", done.stderr
    desk.send("gone@six.test", "here@six.test", subject="to both")
    until(lambda: [taken for taken in desk.sink.taken if "here@six.test" in taken.recipients[0]])
    returned = until(lambda: message if b"gone@six.test" in (message := desk.newest()) else b"")
    assert b"Status: 5.1.0" in returned
    assert b"moved away" in returned
    assert not [taken for taken in desk.sink.taken if "gone@six.test" in str(taken.recipients)]
    assert "moved away" in desk.posthouse("suppression", "list", "--tenant", "demo").stdout
    assert desk.posthouse("suppression", "remove", *words).returncode == 0


def test_rules_for_a_site_and_webhooks_by_the_command(desk: Desk) -> None:
    words = ("shape", "set", "mx:six.test", "--connections", "2", "--back-off", "5m:^421")
    assert desk.command(*words).stdout.strip() == "mx:six.test: rule set"
    desk.answer("421 4.7.0 Slow down")
    desk.send("a@six.test")
    [stop] = until(lambda: desk.json("suspensions"))
    assert (stop["domain"], stop["actor"]) == ("mx:six.test", "shaping")
    desk.answer("250 ok")
    assert desk.command("resume", "--domain", "mx:six.test").returncode == 0
    assert desk.command("retry", "--domain", "six.test").returncode == 0
    until(lambda: [taken for taken in desk.sink.taken if "a@six.test" in taken.recipients[0]])
    assert desk.command("shape", "delete", "mx:six.test").returncode == 0
    made = desk.posthouse(
        "webhook", "add", "https://hooks.invalid/x", "--tenant", "demo", "--event", "bounced"
    )
    assert made.stdout.startswith("webhook "), made.stderr
    webhook_id = made.stdout.split()[1]
    assert desk.posthouse("webhook", "remove", webhook_id).returncode == 0


def test_a_tenant_has_suppressed_addresses_refused_and_a_reverse_path_for_each_copy(desk: Desk) -> None:
    desk.answer("250 ok")
    assert (
        desk.posthouse("tenant", "policy", "set", "demo", "verp=true", "refuse_suppressed=true").returncode
        == 0
    )
    assert desk.posthouse("suppression", "add", "gone@six.test", "--tenant", "demo").returncode == 0
    try:
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            desk.send("gone@six.test")
        [(code, text)] = refused.value.recipients.values()
        assert code == 550
        assert text.startswith(b"5.7.1 Suppressed: manual")
        desk.send("x@six.test", "y@six.test", "z@five.test", subject="copies")
        taken = until(
            lambda: [each for each in desk.sink.taken if b"copies" in each.content][2:] and desk.sink.taken
        )
        copies = [each for each in taken if b"Subject: copies" in each.content]
        assert sorted(len(each.recipients) for each in copies) == [1, 1, 1]
        paths = {each.mail.partition("<")[2].partition(">")[0] for each in copies}
        assert len(paths) == 3
        assert all(path.startswith("alice+v-") and path.endswith("@example.test") for path in paths)
    finally:
        desk.posthouse("tenant", "policy", "set", "demo", "verp=false", "refuse_suppressed=false")
