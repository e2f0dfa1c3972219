"""One tenant's burst to a host that takes connections and says nothing, and another tenant's single messages meanwhile.

`make chaos` does it with 100,000 messages (FAIRNESS_BURST), and then measures: a single message may take a second longer
than before the burst, not more. Here it is only seen that single messages wait for none of the burst.
"""

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from eventbus import EventBus
from posthouse.stack.seaweed import BUCKET
from spool import Letter, Recipient, Source, Spool, new_queue_id

from tests.integration.mta_queue.test_killed import start
from tests.support.dnsserver import DnsServer
from tests.support.engines import Engines
from tests.support.sink import SmtpSink

WHOLE = os.environ.get("FAIRNESS_BURST", "")
BURST = int(WHOLE or "400")
SINGLES = 50 if WHOLE else 5
# Attempts to one destination that may be under way.
A_DESTINATION = 20


class Gate:
    """Messages of two tenants through the gate."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.loud, self.quiet = str(uuid4()), str(uuid4())

    async def accept(self, tenant_id: str, address: str, subject: str) -> None:
        await self.spool.accept(
            Letter(
                queue_id=new_queue_id(),
                # Nobody is told of anything.
                reverse_path="",
                recipients=(Recipient(address, address, tenant_id, None),),
                content=f"Subject: {subject}\r\nFrom: <s@ours.test>\r\n\r\nhello\r\n".encode(),
                trace_prefix=b"",
                source=Source.SUBMISSION,
                arrived_at=datetime.now(UTC),
            )
        )

    async def burst(self, count: int) -> None:
        for begun in range(0, count, 100):
            numbers = range(begun, min(begun + 100, count))
            await asyncio.gather(
                *(self.accept(self.loud, f"u{each}@dead.fair.test", f"b{each}") for each in numbers)
            )


async def arrival_seconds(gate: Gate, sink: SmtpSink, number: int) -> float:
    """One message of the quiet tenant, from the gate to the sink."""
    subject = f"Subject: single-{number}\r\n".encode()
    await gate.accept(gate.quiet, f"v{number}@live.fair.test", f"single-{number}")
    begun = time.monotonic()
    async with asyncio.timeout(60):
        while not any(each.content.startswith(subject) for each in list(sink.taken)):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return time.monotonic() - begun


async def settled_of_burst(engines: Engines) -> int:
    connection = await asyncpg.connect(engines.dsn("queue", "app"))
    await connection.execute("SELECT set_config('posthouse.scope', 'operator', false)")
    count = await connection.fetchval(
        "SELECT count(*) FROM queue_attempt WHERE domain = 'dead.fair.test' AND deferred + failed + delivered > 0"
    )
    await connection.close()
    return int(count)


@pytest.mark.slow
async def test_a_burst_to_a_silent_host_holds_up_nobody_else(engines: Engines, tmp_path: Path) -> None:
    bus = await EventBus.connect(engines.nats.url, name="test")
    await bus.ensure_stream()
    gate = Gate(Spool(engines.seaweed.store(), bus))
    silent: list[asyncio.StreamWriter] = []
    with DnsServer() as dns, SmtpSink() as sink:
        dns.mx("dead.fair.test", "mx.dead.fair.test", "127.0.0.2")
        dns.mx("live.fair.test", "mx.live.fair.test")
        server = await asyncio.start_server(lambda _, writer: silent.append(writer), "127.0.0.2", sink.port)
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
            "ATTEMPTS_A_DESTINATION": str(A_DESTINATION),
            "DRAIN_SECONDS": "0.5",
        }
        process = start(environment, tmp_path / "log")
        try:
            before = [await arrival_seconds(gate, sink, 10_000 + number) for number in range(3)]
            loud = asyncio.create_task(gate.burst(BURST))
            meanwhile: list[float] = []
            while not loud.done() and len(meanwhile) < SINGLES:
                meanwhile.append(await arrival_seconds(gate, sink, len(meanwhile)))
                await asyncio.wait({loud}, timeout=BURST / 500 / SINGLES)
            await loud
            after = [await arrival_seconds(gate, sink, 20_000 + number) for number in range(3)]
            # Whoever's turn it was, nothing of the burst had come to an end.
            assert await settled_of_burst(engines) == 0
            assert 0 < len(silent) <= A_DESTINATION
        finally:
            process.kill()
            process.wait()
            for writer in silent:
                writer.close()
            server.close()
            await bus.close()
            connection = await asyncpg.connect(engines.dsn("queue", "app"))
            await connection.execute("SELECT set_config('posthouse.scope', 'operator', false)")
            await connection.execute("DELETE FROM queue_item WHERE domain = 'dead.fair.test'")
            await connection.close()
    if WHOLE:
        usual = sorted(before)[1]
        print(
            f"{BURST} messages; a single one took {usual:.2f} s before, {sorted(meanwhile)[len(meanwhile) // 2]:.2f} s"
            f" (worst {max(meanwhile):.2f}) during the burst, {max(after):.2f} s after it"
        )
        assert max(*meanwhile, *after) < usual + 1.0
