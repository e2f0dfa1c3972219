"""Relaying alone: `python -m tests.bench.relay [messages] [domains] [--peer]`.

Messages are put through the gate (S3, JetStream) before the mta-queue starts; then its process, with all stores real,
sends them to a sink in a process of its own. Printed: messages a second from the first to the last that arrived,
and the CPU time of the mta-queue (less what it takes to start) and of all stores for each, store by store. With --peer a Postfix
empties a queue of as many messages into such a sink too. With --idle nothing is sent: what it costs to have nothing to do.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import mta_queue.migrate
import psutil
from blobstore import BlobStore
from eventbus import EventBus
from posthouse.stack.seaweed import BUCKET
from spool import Letter, Recipient, Source, Spool, new_queue_id

from tests.bench import relay_peer
from tests.bench.cpu import tree_seconds
from tests.bench.relay_shares import more, seconds_by_part
from tests.support.dnsserver import DnsServer
from tests.support.engines import Engines, running

IDLE_SECONDS = 60.0
BODY = b"Subject: bench\r\nFrom: <s@ours.test>\r\n\r\n" + b"0123456789abcdef 0123456789abcdef\r\n" * 110


class Sink(asyncio.Protocol):
    """Says yes to everything, as fast as it can."""

    count = 0
    connections = 0
    first = last = 0.0
    expected = 0
    complete: asyncio.Event

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = b""
        self.in_data = False
        Sink.connections += 1
        transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while True:
            if self.in_data:
                end = self.buffer.find(b"\r\n.\r\n")
                if end < 0:
                    return
                self.buffer, self.in_data = self.buffer[end + 5 :], False
                Sink.count += 1
                Sink.last = time.monotonic()
                Sink.first = Sink.first or Sink.last
                if Sink.count >= Sink.expected:
                    Sink.complete.set()
                self.transport.write(b"250 2.0.0 taken\r\n")
                continue
            line, mark, rest = self.buffer.partition(b"\r\n")
            if not mark:
                return
            self.buffer = rest
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.transport.write(b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            elif verb == b"DATA":
                self.in_data = True
                self.transport.write(b"354 go\r\n")
            elif verb == b"QUIT":
                self.transport.write(b"221 bye\r\n")
                self.transport.close()
                return
            else:
                self.transport.write(b"250 ok\r\n")


async def sink(expected: int, report: Path) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    report.with_suffix(".port").write_text(str(server.sockets[0].getsockname()[1]))
    Sink.expected, Sink.complete = expected, asyncio.Event()
    await Sink.complete.wait()
    report.write_text(f"{Sink.last - Sink.first} {Sink.connections}")
    await asyncio.sleep(0.5)


def wait_for(path: Path, process: "subprocess.Popen[bytes]") -> str:
    while not path.exists() or not path.read_text():
        if process.poll() is not None:
            raise RuntimeError(f"a process ended with {process.returncode}")
        time.sleep(0.05)
    return path.read_text()


async def fill(engines: Engines, blobs: BlobStore, messages: int, domains: int) -> None:
    bus = await EventBus.connect(engines.nats.url, name="bench")
    await bus.ensure_stream()
    spool = Spool(blobs, bus)
    tenants = [str(uuid4()) for _ in range(4)]
    room = asyncio.Semaphore(256)

    async def one(number: int) -> None:
        async with room:
            tenant_id = tenants[number % len(tenants)]
            address = f"r{number}@d{number % domains}.test"
            await spool.accept(
                Letter(
                    queue_id=new_queue_id(),
                    reverse_path="s@ours.test",
                    recipients=(Recipient(address, address, tenant_id, None),),
                    content=BODY,
                    trace_prefix=b"Received: by bench\r\n",
                    source=Source.SUBMISSION,
                    arrived_at=datetime.now(UTC),
                )
            )

    await asyncio.gather(*(one(number) for number in range(messages)))
    await bus.close()


def start(environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "mta_queue"],
            env={"PATH": os.environ["PATH"]}
            | {f"MTA_QUEUE_{key}": value for key, value in environment.items()},
            stdout=file,
            stderr=file,
        )


def to_start(environment: dict[str, str], log: Path) -> float:
    """CPU seconds until it is ready with nothing to do."""
    process = start(environment, log)
    while b"service_started" not in log.read_bytes():
        if process.poll() is not None:
            raise RuntimeError(f"the mta-queue ended with {process.returncode}")
        time.sleep(0.05)
    used = tree_seconds([process.pid])
    process.terminate()
    process.wait()
    return used


def idle(environment: dict[str, str], stores: list[int], log: Path) -> None:
    """What a process with nothing to do uses, and the stores because of it, in hundredths of a core."""
    at_rest = seconds_by_part(stores)
    time.sleep(IDLE_SECONDS / 3)
    unasked = more(at_rest, seconds_by_part(stores))
    process = start(environment, log)
    while b"service_started" not in log.read_bytes():
        time.sleep(0.05)
    time.sleep(5.0)
    before, own = seconds_by_part(stores), tree_seconds([process.pid])
    time.sleep(IDLE_SECONDS)
    used, own = more(before, seconds_by_part(stores)), tree_seconds([process.pid]) - own
    process.terminate()
    process.wait()
    print(f"with nothing to do: the mta-queue {own / IDLE_SECONDS * 100:.2f} % of a core")
    for part, seconds in used.items():
        without = unasked.get(part, 0.0) / (IDLE_SECONDS / 3) * 100
        print(f"  {part:28} {seconds / IDLE_SECONDS * 100:6.2f} %   without an mta-queue {without:6.2f} %")


async def main(messages: int, domains: int, *, only_idle: bool = False) -> None:
    with tempfile.TemporaryDirectory(prefix="relay-bench-") as name, DnsServer() as dns:
        folder = Path(name)
        folder.chmod(0o755)
        for number in range(domains):
            dns.mx(f"d{number}.test", f"mx.d{number}.test")
        async with running(folder / "data", "nats", "seaweedfs") as engines:
            await engines.seaweed.make_durable()
            await asyncio.to_thread(mta_queue.migrate.migrate, engines.dsn("queue", "owner"), "queue_app")
            bus = await EventBus.connect(engines.nats.url, name="bench")
            await bus.ensure_stream()
            await bus.close()
            report = folder / "report"
            sinking = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.relay", "sink", str(messages), str(report)]
            )
            port = await asyncio.to_thread(wait_for, report.with_suffix(".port"), sinking)
            (folder / "dsn").write_text(engines.dsn("queue", "app"))
            (folder / "queue-secret").write_text("a secret for webhooks and routes")
            secrets = engines.layout.secrets
            environment = {
                "NATS_URL": engines.nats.url,
                "S3_URL": engines.seaweed.url,
                "S3_BUCKET": BUCKET,
                "S3_ACCESS_KEY_FILE": str(secrets / "s3-access-key"),
                "S3_SECRET_KEY_FILE": str(secrets / "s3-secret-key"),
                "DATABASE_DSN_FILE": str(folder / "dsn"),
                "SECRET_FILE": str(folder / "queue-secret"),
                "DNS_SERVERS": dns.address,
                "SMTP_PORT": port,
                "ALLOW_PRIVATE_DESTINATIONS": "true",
            }
            if only_idle:
                stores = [p.pid for p in psutil.Process().children() if p.pid != sinking.pid]
                sinking.terminate()
                sinking.wait()
                await asyncio.to_thread(idle, environment, stores, folder / "log")
                return
            starting = await asyncio.to_thread(to_start, environment, folder / "start.log")
            await fill(engines, engines.seaweed.store(), messages, domains)
            working = start(environment, folder / "log")
            try:
                others = {working.pid, sinking.pid}
                stores = [p.pid for p in psutil.Process().children() if p.pid not in others]
                before = seconds_by_part(stores)
                took, connections = (await asyncio.to_thread(wait_for, report, sinking)).split()
                own, shares = tree_seconds([working.pid]) - starting, more(before, seconds_by_part(stores))
                theirs = sum(shares.values())
            finally:
                working.terminate()
                working.wait()
                sinking.terminate()
                sinking.wait()
            print(
                f"{messages} messages to {domains} domains on {connections} connections: "
                f"{messages / float(took):.0f} a second; a message costs {own / messages * 1000:.2f} ms of the"
                f" mta-queue and {theirs / messages * 1000:.2f} ms of PostgreSQL, NATS and S3"
            )
            for part, seconds in shares.items():
                print(f"  {part:28} {seconds / messages * 1000:6.3f} ms")


def beside(messages: int) -> None:
    """The same from a full Postfix."""
    if reason := relay_peer.missing():
        print(f"no peer: {reason}")
        return
    with tempfile.TemporaryDirectory(prefix="relay-peer-") as name:
        folder = Path(name)
        report = folder / "report"
        sinking = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.relay", "sink", str(messages), str(report)]
        )
        peer = relay_peer.RelayPeer(folder, int(wait_for(report.with_suffix(".port"), sinking)), 20)
        try:
            peer.start_full(messages, len(BODY))
            before = peer.cpu_seconds
            peer.flush()
            took, connections = wait_for(report, sinking).split()
            used = peer.cpu_seconds - before
        finally:
            peer.stop()
            sinking.terminate()
            sinking.wait()
        print(
            f"Postfix: {messages} messages on {connections} connections: {messages / float(took):.0f} a second;"
            f" a message costs {used / messages * 1000:.2f} ms"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["sink"]:
        asyncio.run(sink(int(sys.argv[2]), Path(sys.argv[3])))
    else:
        numbers = [int(each) for each in sys.argv[1:] if not each.startswith("--")]
        asked = numbers + [5000, 20][len(numbers) :]
        asyncio.run(main(*asked, only_idle="--idle" in sys.argv))
        if "--peer" in sys.argv:
            beside(asked[0])
