"""`posthouse up --with clamav --with rspamd`: what is clean arrives, spam lies in Junk, a virus reaches nobody."""

import asyncio
import imaplib
import json
import smtplib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from posthouse.stack.seaweed import Seaweed
from spool import read_records

from tests.support.daemons import few_domains
from tests.support.packages import needs
from tests.support.platform import Platform
from tests.support.viruses import ENCODED, attachment, clean, message, spam

pytestmark = [needs("clamd", package="clamav-daemon"), needs("rspamd")]
VIRUS = message(
    "virus",
    attachment(b"Content-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\n", ENCODED),
)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    domains = few_domains(tmp_path_factory.mktemp("domains"))
    domains.parent.chmod(0o755)
    settings = {
        "RSPAMD_TOP_LEVEL_DOMAINS_FILE": str(domains),
        "MDA_RETRY_SECONDS": "0.2",
        "SMTP_GATEWAY_XCLIENT_NETWORKS": '["127.0.0.0/8"]',
        "SMTP_GATEWAY_SENDER_CHECKS": "off",
        "SMTP_GATEWAY_OFFENCE_POINTS": '{"virus": 40}',
    }
    folder = tmp_path_factory.mktemp("scanned")
    with Platform.start(folder, settings=settings, scanners=("clamav", "rspamd")) as running:
        yield running


def send(platform: Platform, *contents: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", platform.ports.smtp) as session:
        for content in contents:
            session.sendmail("eve@peer.invalid", [platform.account("bob").address], content)


def in_mailbox(platform: Platform, mailbox: str) -> dict[str, bytes]:
    """Messages by their Message-ID."""
    bob = platform.account("bob")
    with imaplib.IMAP4("127.0.0.1", platform.ports.imap) as session:
        session.login(bob.address, bob.password)
        _, count = session.select(mailbox, readonly=True)
        if count == [b"0"]:
            return {}
        _, data = session.fetch("1:*", "(BODY.PEEK[])")
    found = [each[1] for each in data if isinstance(each, tuple)]
    return {text.split(b"Message-ID: <")[1].split(b"@")[0].decode(): text for text in found}


def wait_for(what: Callable[[], bool], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def counter(platform: Platform, name: str) -> float:
    port = platform.process("mda").status_port
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))


def quarantined(platform: Platform) -> list[bytes]:
    store = Seaweed(platform.layout, platform.ports).store()

    async def read() -> list[bytes]:
        return [await store.get(each.key) async for each in store.list("quarantine/")]

    return asyncio.run(read())


def test_each_goes_where_it_belongs(scanned: Platform) -> None:
    send(scanned, clean("good"), spam("gtube"), VIRUS)
    wait_for(lambda: "good" in in_mailbox(scanned, "INBOX") and "gtube" in in_mailbox(scanned, "Junk"))
    wait_for(lambda: counter(scanned, "mda_messages_quarantined_total") == 1)
    good, junk = in_mailbox(scanned, "INBOX")["good"], in_mailbox(scanned, "Junk")["gtube"]
    for field in (b"clamav; verdict=clean\r\n", b"rspamd; verdict=clean; score="):
        assert b"X-Posthouse-Scan: " + field in good.partition(b"Received:")[0]
    assert good.endswith(clean("good"))
    assert b"X-Spam-Flag: YES\r\n" in junk.partition(b"Received:")[0]
    assert [*in_mailbox(scanned, "INBOX"), *in_mailbox(scanned, "Junk")] == ["good", "gtube"]
    # The tenant can be shown what was kept, and it can be given out as it came.
    [held] = quarantined(scanned)
    known, _, record = held.partition(b"\n")
    assert json.loads(known)["findings"][0][1] == "virus"
    [found] = read_records(record)
    assert record[found.offset : found.offset + found.length] == VIRUS
    assert found.envelope.recipients[0].address == scanned.account("bob").address


def posthouse(platform: Platform, *words: str) -> str:
    """What the command says; it must come to a good end."""
    command = [sys.executable, "-m", "posthouse", "quarantine", *words, "--data", str(platform.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_kept_is_seen_and_let_go_by_the_operator(scanned: Platform) -> None:
    [kept] = json.loads(posthouse(scanned, "list", "demo", "--json"))
    queue_id = kept["queue_id"]
    assert kept["findings"][0]["verdict"] == "virus"
    assert queue_id[:10] in posthouse(scanned, "list", "demo")
    assert "Subject: look" in posthouse(scanned, "show", "demo", queue_id)
    posthouse(scanned, "release", "demo", queue_id)
    released = in_mailbox(scanned, "INBOX")["virus"]
    assert released.endswith(VIRUS)
    assert b"X-Posthouse-Quarantine: released\r\n" in released.partition(b"Received:")[0]
    assert json.loads(posthouse(scanned, "list", "demo", "--json")) == []


def test_mail_waits_for_a_scanner_that_was_killed(scanned: Platform) -> None:
    before = counter(scanned, "mda_messages_awaiting_scan_total")
    with scanned.held_down("clamav"):
        send(scanned, clean("waiting"), VIRUS.replace(b"<virus@", b"<second@"))
        wait_for(lambda: counter(scanned, "mda_messages_awaiting_scan_total") >= before + 2)
        assert "waiting" not in in_mailbox(scanned, "INBOX")
    wait_for(lambda: "waiting" in in_mailbox(scanned, "INBOX"), 60.0)
    wait_for(lambda: counter(scanned, "mda_messages_quarantined_total") == 2)
    assert "second" not in in_mailbox(scanned, "INBOX")
    [kept] = json.loads(posthouse(scanned, "list", "demo", "--json"))
    posthouse(scanned, "delete", "demo", kept["queue_id"])
    assert posthouse(scanned, "list", "demo").strip() == "Nothing is kept."


def test_the_scanner_learns_from_what_a_user_moves_into_junk_and_out(
    scanned: Platform, tmp_path: Path
) -> None:
    def learned(kind: str) -> float:
        return counter(scanned, f'mda_messages_learned_total{{sorted_as="{kind}"}}')

    words = b" ".join(b"word%d" % number for number in range(40)) + b"\r\n"
    send(scanned, clean("sortable") + words)
    wait_for(lambda: "sortable" in in_mailbox(scanned, "INBOX"))
    bob = scanned.account("bob")
    with imaplib.IMAP4("127.0.0.1", scanned.ports.imap) as session:
        session.login(bob.address, bob.password)
        for source, target, kind in (("INBOX", "Junk", "spam"), ("Junk", "INBOX", "ham")):
            before = learned(kind)
            session.select(source)
            _, [numbers] = session.search(None, "HEADER", "Message-ID", "sortable")
            assert session._simple_command("MOVE", numbers.decode(), target)[0] == "OK"
            wait_for(lambda: learned(kind) == before + 1)  # noqa: B023
    letter = tmp_path / "letter"
    letter.write_bytes(clean("told") + words[::-1])
    assert posthouse(scanned, "learn", "spam", str(letter)).strip() == "learned"


def test_who_brings_viruses_is_banned_though_they_were_accepted(scanned: Platform) -> None:
    def bring(client: str, name: bytes) -> int:
        """The answer to the client, or to its message."""
        with smtplib.SMTP("127.0.0.1", scanned.ports.smtp, timeout=20) as session:
            session.ehlo()
            code, _ = session.docmd("XCLIENT", f"ADDR={client} NAME=[UNAVAILABLE]")
            if code != 220:
                return code
            session.ehlo("mx.peer.test")
            session.sendmail(
                "eve@peer.invalid", [scanned.account("bob").address], VIRUS.replace(b"<virus@", name)
            )
            return 250

    before = counter(scanned, "mda_messages_quarantined_total")
    # Two weigh more than is forgiven in an hour.
    assert [bring("192.0.2.66", b"<worm-%d@" % number) for number in range(2)] == [250, 250]
    wait_for(lambda: counter(scanned, "mda_messages_quarantined_total") == before + 2)
    wait_for(lambda: bring("192.0.2.66", b"<again@") == 554)
    assert bring("192.0.2.67", b"<other@") == 250
    wait_for(lambda: len(quarantined(scanned)) >= 3)
    for kept in json.loads(posthouse(scanned, "list", "demo", "--json")):
        posthouse(scanned, "delete", "demo", kept["queue_id"])
    assert quarantined(scanned) == []


def test_who_wants_its_mail_judged_first_refuses_and_need_not_bounce(scanned: Platform) -> None:
    kept = counter(scanned, "mda_messages_quarantined_total")
    scanned.choose("tenants/demo/policy", scan_before_accepting=True)
    try:
        for content in (VIRUS.replace(b"<virus@", b"<third@"), spam("gtube-before")):
            with pytest.raises(smtplib.SMTPDataError) as refused:
                send(scanned, content)
            assert (refused.value.smtp_code, refused.value.smtp_error[:5]) == (550, b"5.7.1")
        scans = counter(scanned, "mda_scans_total")
        send(scanned, clean("judged"))
        wait_for(lambda: "judged" in in_mailbox(scanned, "INBOX"))
        # Once by each of the two, before it was accepted.
        assert counter(scanned, "mda_scans_total") == scans + 2
        assert counter(scanned, "mda_messages_quarantined_total") == kept
        with scanned.held_down("clamav"), pytest.raises(smtplib.SMTPDataError) as postponed:
            send(scanned, clean("unjudged"))
        assert (postponed.value.smtp_code, postponed.value.smtp_error[:5]) == (451, b"4.7.1")
    finally:
        scanned.choose("tenants/demo/policy", scan_before_accepting=False)
    send(scanned, clean("afterwards"))
    wait_for(lambda: "afterwards" in in_mailbox(scanned, "INBOX"), 60.0)


def test_nothing_of_the_scanners_outlives_the_supervisor(scanned: Platform) -> None:
    ports = {scanned.ports.clamd, scanned.ports.rspamd}

    def listened_on() -> set[int]:
        found = psutil.net_connections("tcp")
        return {each.laddr.port for each in found if each.status == psutil.CONN_LISTEN and each.laddr} & ports

    assert listened_on() == ports
    scanned.kill_all()
    wait_for(lambda: not listened_on(), 10.0)
