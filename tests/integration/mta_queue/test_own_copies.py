"""Copies of their own on a real queue: one transaction each, and a process that is killed repeats none of them."""

import asyncio
import random
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from eventbus import EventBus
from mta_queue.edge.laters import COPIES_AT_ONCE
from posthouse.stack.seaweed import BUCKET
from spool import Letter, OwnCopies, Recipient, Source, Spool, new_queue_id

from tests.integration.mta_queue.test_killed import start, wait
from tests.support.dnsserver import DnsServer
from tests.support.engines import Engines
from tests.support.sink import SmtpSink

COPIES = 60
KILLS = 2
CONTENT = b"Subject: news\r\nFrom: <s@ours.test>\r\n\r\nhello\r\n"


@pytest.mark.slow
async def test_each_gets_its_own_copy_though_the_process_is_killed(engines: Engines, tmp_path: Path) -> None:
    bus = await EventBus.connect(engines.nats.url, name="test")
    await bus.ensure_stream()
    spool = Spool(engines.seaweed.store(), bus)
    tenant_id = str(uuid4())
    addresses = [f"m{number}@d{number % 2}.copies.test" for number in range(COPIES)]
    with DnsServer() as dns, SmtpSink() as sink:
        for number in range(2):
            dns.mx(f"d{number}.copies.test", "mx.copies.test")
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
            "POLL_SECONDS": "0.1",
            "LEASE_SECONDS": "3",
            "ACK_WAIT_SECONDS": "3",
        }
        chance, process = random.Random(20261121), start(environment, tmp_path / "log")
        try:
            await spool.accept(
                Letter(
                    queue_id=new_queue_id(),
                    reverse_path="news+bounces@ours.test",
                    recipients=tuple(
                        Recipient(each, each, tenant_id, None, token=f"t{number}")
                        for number, each in enumerate(addresses)
                    ),
                    content=CONTENT,
                    trace_prefix=b"Received: by us\r\n",
                    source=Source.SUBMISSION,
                    arrived_at=datetime.now(UTC),
                    own_copies=OwnCopies("news+b-<>@ours.test", b"List-Unsubscribe: <https://o.test/<>>\r\n"),
                )
            )
            for _ in range(KILLS):
                await asyncio.to_thread(wait, sink, len(sink.taken) + chance.randrange(3, 12))
                process.kill()
                process.wait()
                process = start(environment, tmp_path / "log")
            deadline = time.monotonic() + 30
            while len({each.recipients[0] for each in list(sink.taken)}) < COPIES:
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()[-2000:]
                await asyncio.sleep(0.05)
        finally:
            process.terminate()
            process.wait(20)
            await bus.close()
        taken = list(sink.taken)
    # Two domains, each with that many copies under way when it was killed.
    assert COPIES <= len(taken) <= COPIES + 2 * COPIES_AT_ONCE * KILLS
    for each in taken:
        [line] = each.recipients
        address = line.partition("<")[2].partition(">")[0]
        token = f"t{addresses.index(address)}"
        assert each.mail.startswith(f"MAIL FROM:<news+b-{token}@ours.test>")
        unsubscribe = f"List-Unsubscribe: <https://o.test/{token}>\r\n".encode()
        assert each.content == b"Received: by us\r\n" + unsubscribe + CONTENT
