"""IMAP beside Dovecot: what a client waits for, and what a connection weighs.

Every measure checks its answer. Both systems hold the same messages of 4 KiB in `Big`.
"""

import random
import smtplib
import ssl
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from tests.bench.cpu import tree_octets
from tests.bench.imap_client import Client, fetched
from tests.bench.load import message

IDLING = 200
ENVELOPE = b"FETCH 1:* (ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822.SIZE FLAGS UID)"


@dataclass(frozen=True)
class Mailboxes:
    """One of the systems."""

    name: str
    smtp_port: int
    port: int
    tls_port: int
    roots: list[int]
    # (login, password); the first owns `Big`.
    accounts: Sequence[tuple[str, str]]
    messages: int
    pop3_port: int = 0

    def client(self, account: int = 0, mailbox: str = "") -> Client:
        return Client.of(self.port, *self.accounts[account], mailbox)


@dataclass(frozen=True)
class Measure:
    """One figure."""

    name: str
    unit: str
    take: Callable[[Mailboxes], float]


def fill(system: Mailboxes, mailbox: str = "Big", account: int = 0) -> None:
    """Put the messages into a mailbox."""
    client = system.client(account)
    client.ask(b"CREATE " + mailbox.encode(), must=False)
    for number in range(client.count(mailbox), system.messages):
        client.append(mailbox, letter(number))
    client.logout()


def letter(number: int) -> bytes:
    """4 KiB; one in fifty has `bodyneedle` in its text, one in twenty `subjneedle` in its subject."""
    content = message(f"imap-{number}", "u000@bench.test", 4096)
    if number % 20 == 0:
        content = content.replace(b"\r\nSubject: ", b"\r\nSubject: subjneedle ", 1)
    return content + b"bodyneedle\r\n" if number % 50 == 0 else content


def together(jobs: Sequence[Callable[[], None]], at_once: int) -> float:
    """Do them, so many at once; the seconds it took."""
    with ThreadPoolExecutor(at_once) as pool:
        started = time.perf_counter()
        for done in [pool.submit(job) for job in jobs]:
            done.result()
        return time.perf_counter() - started


def logins(cycles: int, at_once: int) -> Callable[[Mailboxes], float]:
    def take(system: Mailboxes) -> float:
        def cycle(number: int) -> None:
            system.client(number % len(system.accounts), "INBOX").logout()

        seconds = together([partial(cycle, number) for number in range(cycles)], at_once)
        return cycles / seconds

    return take


def fetching(command: bytes, times: int) -> Callable[[Mailboxes], float]:
    def take(system: Mailboxes) -> float:
        client = system.client(mailbox="Big")
        client.ask(command)
        started = time.perf_counter()
        for _ in range(times):
            answer = client.ask(command)
        seconds = time.perf_counter() - started
        count, literals = fetched(answer)
        assert count == system.messages, count
        if b"BODY" in command and b"STRUCTURE" not in command:
            assert literals == [letter(number) for number in range(system.messages)]
        client.logout()
        return system.messages * times / seconds

    return take


def one_by_one(system: Mailboxes) -> float:
    client = system.client(mailbox="Big")
    many = min(500, system.messages)
    started = time.perf_counter()
    for number in range(1, many + 1):
        client.ask(b"FETCH %d BODY.PEEK[]" % number)
    seconds = time.perf_counter() - started
    client.logout()
    return many / seconds


def appending(many: int, at_once: int) -> Callable[[Mailboxes], float]:
    def take(system: Mailboxes) -> float:
        clients = [system.client(number + 1) for number in range(at_once)]
        for client in clients:
            client.ask(b"DELETE App", must=False)
            client.ask(b"CREATE App")

        def work(client: Client) -> None:
            for number in range(many // at_once):
                client.append("App", letter(number))

        seconds = together([partial(work, client) for client in clients], at_once)
        for client in clients:
            assert client.count("App") == many // at_once
            client.logout()
        return many / seconds

    return take


def store_all(system: Mailboxes) -> float:
    client = system.client(mailbox="Big")
    client.ask(b"STORE 1:* -FLAGS.SILENT (\\Flagged)")
    started = time.perf_counter()
    answer = client.ask(b"STORE 1:* +FLAGS (\\Flagged)")
    seconds = time.perf_counter() - started
    assert fetched(answer)[0] == system.messages
    client.logout()
    return system.messages / seconds


def store_each(system: Mailboxes) -> float:
    client = system.client(mailbox="Big")
    many = min(300, system.messages)
    client.ask(b"STORE 1:* -FLAGS.SILENT (\\Answered)")
    started = time.perf_counter()
    for number in range(1, many + 1):
        client.ask(b"STORE %d +FLAGS (\\Answered)" % number)
    seconds = time.perf_counter() - started
    client.logout()
    return many / seconds


def copying(system: Mailboxes) -> float:
    client = system.client(mailbox="Big")
    many = min(1000, system.messages)
    client.ask(b"DELETE Copies", must=False)
    client.ask(b"CREATE Copies")
    started = time.perf_counter()
    client.ask(b"COPY 1:%d Copies" % many)
    seconds = time.perf_counter() - started
    assert client.count("Copies") == many
    client.logout()
    return many / seconds


def searching(key: bytes, one_in: int) -> Callable[[Mailboxes], float]:
    def take(system: Mailboxes) -> float:
        client = system.client(mailbox="Big")
        started = time.perf_counter()
        answer = client.ask(b"UID SEARCH " + key)
        seconds = time.perf_counter() - started
        hits = len(answer.split(b"\r\n")[0].split()) - 2
        assert hits == len(range(0, system.messages, one_in)), answer[:200]
        client.logout()
        return seconds * 1000

    return take


def idling(system: Mailboxes) -> float:
    """From the end of DATA to EXISTS at a client in IDLE."""
    client = system.client(5, "INBOX")
    login = system.accounts[5][0]
    chance = random.Random(1)
    waits = []
    with smtplib.SMTP("127.0.0.1", system.smtp_port) as session:
        for number in range(15):
            client.idle()
            time.sleep(0.03 + chance.random() * 0.03)
            session.ehlo_or_helo_if_needed()
            replies = [session.mail("x@load.test"), session.rcpt(login), session.docmd("DATA")]
            assert [code for code, _ in replies] == [250, 250, 354], replies
            session.send(message(f"idle-{number}", login, 2048) + b".\r\n")
            sent = time.perf_counter()
            while b"EXISTS" not in client.line():
                pass
            waits.append(time.perf_counter() - sent)
            client.done()
            session.getreply()
    client.ask(b"STORE 1:* +FLAGS.SILENT (\\Deleted)")
    client.ask(b"EXPUNGE")
    client.logout()
    return statistics.median(waits) * 1000


def idle_memory(system: Mailboxes) -> float:
    """KiB of memory (shared pages counted once) for a connection in IDLE over TLS."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    time.sleep(2)
    before = tree_octets(system.roots)
    clients = []
    for number in range(IDLING):
        client = Client(system.tls_port, context)
        client.login(*system.accounts[number % len(system.accounts)])
        client.ask(b"SELECT INBOX")
        client.idle()
        clients.append(client)
    time.sleep(2)
    after = tree_octets(system.roots)
    for client in clients:
        client.close()
    return (after - before) / IDLING / 1024


MEASURES = (
    Measure("login, select, logout", "cycles/s", logins(100, 1)),
    Measure("the same, 20 at once", "cycles/s", logins(300, 20)),
    Measure("FETCH FLAGS UID", "k messages/s", lambda s: fetching(b"FETCH 1:* (FLAGS UID)", 20)(s) / 1000),
    Measure("FETCH ENVELOPE ...", "k messages/s", lambda s: fetching(ENVELOPE, 3)(s) / 1000),
    Measure("FETCH bodies", "MB/s", lambda s: fetching(b"FETCH 1:* BODY.PEEK[]", 1)(s) * 4096 / 1e6),
    Measure("FETCH one body", "commands/s", one_by_one),
    Measure("APPEND", "messages/s", appending(200, 1)),
    Measure("APPEND, 4 connections", "messages/s", appending(400, 4)),
    Measure("STORE 1:*", "k messages/s", lambda s: store_all(s) / 1000),
    Measure("STORE one", "commands/s", store_each),
    Measure("COPY 1,000", "k messages/s", lambda s: copying(s) / 1000),
    Measure("SEARCH TEXT", "ms", searching(b"TEXT bodyneedle", 50)),
    Measure("SEARCH SUBJECT", "ms", searching(b"SUBJECT subjneedle", 20)),
    Measure("DATA to EXISTS in IDLE", "ms", idling),
    Measure("memory, idle TLS connection", "KiB", idle_memory),
)


def compare(
    systems: Sequence[Mailboxes],
    rounds: int,
    only: str,
    measures: Sequence[Measure] = MEASURES,
    fill_one: Callable[[Mailboxes], None] = fill,
) -> dict[str, dict[str, list[float]]]:
    """Fill, warm up, then measure in turns; prints a line for each figure and returns all of them."""
    for system in systems:
        print(f"  filling the mailbox of {system.name} ...", flush=True)
        fill_one(system)
    print(f"\n{systems[0].messages} messages of 4 KiB, median of {rounds} rounds (lowest-highest)")
    print(
        f"  {'':30}{'':14}"
        + "".join(f"{system.name:>26}" for system in systems)
        + f"{'ratio':>8}" * (len(systems) - 1)
    )
    written = {}
    for measure in measures:
        if only not in measure.name:
            continue
        values: dict[str, list[float]] = {system.name: [] for system in systems}
        for _ in range(rounds):
            for system in systems:
                values[system.name].append(measure.take(system))
        line = f"  {measure.name:30}{measure.unit:14}"
        for each in values.values():
            line += f"{_figure(statistics.median(each))} ({_figure(min(each))}-{_figure(max(each))})".rjust(
                26
            )
        ours, *peers = values.values()
        for peer in peers:
            line += f"{statistics.median(a / b for a, b in zip(ours, peer, strict=True)):8.2f}"
        print(line, flush=True)
        written[measure.name] = values
    return written


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
