"""Two processes of the mta-queue, killed in turns while they relay: nothing is lost, and what comes twice was cut off.

`make chaos` does it with 20,000 messages (KILLED_MESSAGES).
"""

import asyncio
import ctypes
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from eventbus import EventBus
from posthouse.stack.seaweed import BUCKET
from spool import Letter, Recipient, Source, Spool, new_queue_id

from tests.support.dnsserver import DnsServer
from tests.support.engines import Engines
from tests.support.sink import SmtpSink

MESSAGES = int(os.environ.get("KILLED_MESSAGES", "240"))
DOMAINS = 6
# Two hundred messages or so from one to the next.
KILLS = max(6, MESSAGES // 200)
AT_ONCE = 8
# With many messages the processes are busy for minutes: one that stands still for longer than this is thought dead, and what
# it sends then is sent twice without having been killed.
LEASE_SECONDS = 3 if MESSAGES < 1000 else 20
SEED = 20261121
_libc = ctypes.CDLL(None)


def die_with_parent() -> None:
    _libc.prctl(1, signal.SIGKILL)


def start(environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "mta_queue"],
            env={"PATH": os.environ["PATH"]}
            | {f"MTA_QUEUE_{key}": value for key, value in environment.items()},
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent,
        )


async def accept(engines: Engines) -> set[tuple[str, str]]:
    """Messages through the gate, each with a subject of its own, every fourth to two domains: subjects and addresses."""
    bus = await EventBus.connect(engines.nats.url, name="test")
    await bus.ensure_stream()
    spool = Spool(engines.seaweed.store(), bus)
    tenants = [str(uuid4()) for _ in range(3)]
    subjects = [uuid4().hex for _ in range(MESSAGES)]

    def addresses(number: int) -> list[str]:
        domains = [number % DOMAINS, (number + 1) % DOMAINS][: 1 if number % 4 else 2]
        return [f"r{number}@d{domain}.killed.test" for domain in domains]

    async def one(number: int, subject: str) -> None:
        await spool.accept(
            Letter(
                queue_id=new_queue_id(),
                # Nobody is told of anything.
                reverse_path="",
                recipients=tuple(
                    Recipient(address, address, tenants[number % 3], None) for address in addresses(number)
                ),
                content=f"Subject: {subject}\r\nFrom: <s@ours.test>\r\n\r\nhello\r\n".encode(),
                trace_prefix=b"",
                source=Source.SUBMISSION,
                arrived_at=datetime.now(UTC),
            )
        )

    for start in range(0, MESSAGES, 500):
        some = enumerate(subjects[start : start + 500], start)
        await asyncio.gather(*(one(number, subject) for number, subject in some))
    await bus.close()
    return {(subject, address) for number, subject in enumerate(subjects) for address in addresses(number)}


async def left_over(engines: Engines) -> int:
    connection = await asyncpg.connect(engines.dsn("queue", "app"))
    await connection.execute("SELECT set_config('posthouse.scope', 'operator', false)")
    count = await connection.fetchval(
        "SELECT count(*) FROM queue_item WHERE domain LIKE '%.killed.test' AND status = 'waiting'"
    )
    await connection.close()
    return int(count)


def taken(sink: SmtpSink) -> Counter[tuple[str, str]]:
    with sink.lock:
        return Counter(
            (each.content.split(b"\r\n")[0].decode()[9:], line.partition("<")[2].partition(">")[0])
            for each in sink.taken
            for line in each.recipients
        )


def wait(sink: SmtpSink, count: int) -> None:
    """Until so many were taken, or nothing has happened for a while."""
    deadline = time.monotonic() + 10
    while len(sink.taken) < count and time.monotonic() < deadline:
        time.sleep(0.005)


@pytest.mark.slow
async def test_nothing_is_lost_while_processes_are_killed(engines: Engines, tmp_path: Path) -> None:
    chance = random.Random(SEED)
    wanted = await accept(engines)
    # The first third is asked to come back, so that both ways are under way: the bus and the table.
    with (
        DnsServer() as dns,
        SmtpSink(script={"RCPT": ["451 4.2.1 later"] * (MESSAGES // 3) + ["250 ok"]}) as sink,
    ):
        for number in range(DOMAINS):
            dns.mx(f"d{number}.killed.test", "mx.killed.test")
        (tmp_path / "dsn").write_text(engines.dsn("queue", "app"))
        environment = {
            "NATS_URL": engines.nats.url,
            "S3_URL": engines.seaweed.url,
            "S3_BUCKET": BUCKET,
            "S3_ACCESS_KEY_FILE": str(engines.layout.secrets / "s3-access-key"),
            "S3_SECRET_KEY_FILE": str(engines.layout.secrets / "s3-secret-key"),
            "DATABASE_DSN_FILE": str(tmp_path / "dsn"),
            "DNS_SERVERS": dns.address,
            "SMTP_PORT": str(sink.port),
            "ALLOW_PRIVATE_DESTINATIONS": "true",
            "RETRY_FIRST_SECONDS": "0.5",
            "RETRY_LONGEST_SECONDS": "1",
            "POLL_SECONDS": "0.1",
            "LEASE_SECONDS": str(LEASE_SECONDS),
            "ACK_WAIT_SECONDS": str(LEASE_SECONDS),
            "ATTEMPTS_AT_ONCE": str(AT_ONCE),
        }
        processes = [start(environment, tmp_path / f"{number}.log") for number in range(2)]
        try:
            for kill in range(KILLS):
                # Killed in the middle of work, wherever that is by then.
                done = len(sink.taken) + chance.randrange(5, 25) * max(1, MESSAGES // 2000)
                await asyncio.to_thread(wait, sink, done)
                victim = processes[kill % 2]
                victim.kill()
                victim.wait()
                processes[kill % 2] = start(environment, tmp_path / f"{kill % 2}.log")
            deadline = time.monotonic() + 60 + MESSAGES / 50
            while not (set(taken(sink)) >= wanted and await left_over(engines) == 0):
                assert time.monotonic() < deadline, (tmp_path / "0.log").read_text()[-2000:]
                await asyncio.sleep(0.05)
        finally:
            for process in processes:
                process.terminate()
            codes = [process.wait(20) for process in processes]
    found = taken(sink)
    print(
        f"{MESSAGES} messages, {len(wanted)} recipients, {KILLS} processes killed: {len(wanted - set(found))} lost, "
        f"{sum(found.values()) - len(wanted)} came twice; at most {KILLS * AT_ONCE} connections were cut"
    )
    assert set(found) == wanted
    assert sum(found.values()) - len(wanted) <= KILLS * AT_ONCE
    assert codes == [0, 0]
