"""SIGKILL each process in turn while messages flow.

The oracle: every message has an id; a client's try ends accepted, refused or
unknown. A refused one is tried again, as clients do; an unknown one is not, so
that every copy beyond one is ours to answer for. In the end accepted messages
are in their mailbox exactly once and byte for byte. If a refused try had been
delivered all the same, the accepted one would make two.
"""

import imaplib
import os
import random
import re
import smtplib
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from enum import Enum

import pytest

from tests.e2e.conftest import Apart
from tests.e2e.letters import plain
from tests.support.platform import Account, Platform

MESSAGES = 2000
SENDERS = 8
PROCESSES = [
    "smtp-gateway",
    "mda",
    "directory",
    "imap",
    "mta-queue",
    "pop3",
    "admin-api",
    "nats",
    "postgres",
    "seaweedfs",
]


class Outcome(Enum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"


def send(platform: Platform, recipient: str, content: bytes) -> Outcome:
    """One try, as a client sees it."""
    try:
        with smtplib.SMTP("127.0.0.1", platform.ports.smtp, timeout=90) as session:
            session.sendmail("x@peer.invalid", [recipient], content)
            return Outcome.ACCEPTED
    except (
        smtplib.SMTPRecipientsRefused,
        smtplib.SMTPSenderRefused,
        smtplib.SMTPDataError,
        smtplib.SMTPHeloError,
    ):
        return Outcome.REFUSED
    except ConnectionRefusedError:
        return Outcome.REFUSED
    except (smtplib.SMTPException, OSError):
        return Outcome.UNKNOWN


def send_until_known(platform: Platform, recipient: str, content: bytes) -> Outcome:
    """Try again while refused, for as long as anything may take to come back."""
    deadline = time.monotonic() + 120
    while (outcome := send(platform, recipient, content)) is Outcome.REFUSED and time.monotonic() < deadline:
        REFUSALS[0] += 1
        time.sleep(0.1)
    return outcome


REFUSALS = [0]


def inbox(platform: Platform, account: Account) -> dict[str, list[bytes]]:
    """Everything in an INBOX by Message-ID."""
    found: dict[str, list[bytes]] = {}
    with imaplib.IMAP4("127.0.0.1", platform.ports.imap) as session:
        session.login(account.address, account.password)
        session.select("INBOX", readonly=True)
        _, data = session.fetch("1:*", "(BODY.PEEK[])")
        for item in data:
            if isinstance(item, tuple):
                name = re.search(rb"Message-ID: <([^@]+)@e2e", item[1])
                assert name is not None
                found.setdefault(name[1].decode(), []).append(item[1])
    return found


def arrived_count(platform: Platform, accounts: list[Account]) -> int:
    total = 0
    for account in accounts:
        with imaplib.IMAP4("127.0.0.1", platform.ports.imap) as session:
            session.login(account.address, account.password)
            _, answer = session.status("INBOX", "(MESSAGES)")
            assert isinstance(answer[0], bytes)
            total += int(answer[0].rsplit(b"MESSAGES", 1)[1].strip(b" )"))
    return total


@pytest.mark.slow
def test_nothing_is_lost_whatever_dies(apart: Apart, seed: int) -> None:
    print(f"seed {seed}")
    platform = apart.platform
    accounts = platform.create_accounts(["killed-0", "killed-1"])
    chance = random.Random(seed)
    outcomes: dict[int, Outcome] = {}
    numbers = iter(range(MESSAGES))
    lock = threading.Lock()
    contents = {
        number: plain(
            f"kill-{number}",
            "x@peer.invalid",
            accounts[number % 2].address,
            b"%d\r\n" % number + b"y" * chance.randrange(3000) + b"\r\n",
        ).content
        for number in range(MESSAGES)
    }

    def sender() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            outcomes[number] = send_until_known(platform, accounts[number % 2].address, contents[number])

    victims = PROCESSES[:]
    chance.shuffle(victims)
    killed = []
    with ThreadPoolExecutor(SENDERS) as pool:
        flows = [pool.submit(sender) for _ in range(SENDERS)]
        for share, victim in enumerate(victims, start=1):
            while len(outcomes) < MESSAGES * share // (len(victims) + 1) and not all(f.done() for f in flows):
                time.sleep(0.01)
            platform.kill(victim)
            killed.append((victim, len(outcomes)))
        for flow in flows:
            flow.result()
    platform.wait_ready()
    print(
        "killed:",
        killed,
        Counter(outcome.value for outcome in outcomes.values()),
        f"{REFUSALS[0]} refused tries",
    )
    accepted = {number for number, outcome in outcomes.items() if outcome is Outcome.ACCEPTED}
    assert len(accepted) > MESSAGES * 9 // 10, "the test did not let enough through to mean anything"
    assert REFUSALS[0], "nothing was refused: the kills came at the wrong time"
    assert all(count < MESSAGES for _, count in killed[:-1]), "the kills came after the messages"

    deadline = time.monotonic() + 120
    stable = (-1, 0.0)
    while time.monotonic() < deadline:
        count = arrived_count(platform, accounts)
        if count != stable[0]:
            stable = (count, time.monotonic())
        elif count >= len(accepted) and time.monotonic() - stable[1] > 3:
            break
        time.sleep(0.5)
    boxes = [inbox(platform, account) for account in accounts]
    lost, duplicate, altered, phantom = [], [], [], []
    for number, outcome in outcomes.items():
        copies = boxes[number % 2].get(f"kill-{number}", [])
        if outcome is Outcome.ACCEPTED and not copies:
            lost.append(number)
        if outcome is Outcome.REFUSED and copies:
            phantom.append(number)
        if len(copies) > 1:
            duplicate.append(number)
        if any(not copy.endswith(contents[number]) for copy in copies):
            altered.append(number)
    assert (lost, duplicate, altered, phantom) == ([], [], [], [])
    strange = {name for box in boxes for name in box} - {f"kill-{number}" for number in outcomes}
    assert not strange


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 30)))
