"""Hosts that want to keep us: an octet now and then, each answer at the last moment, nothing read. They end in time, and
leave nothing behind; who is only slow gets his message.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import SimpleNamespace

import pytest
from blobstore import BlobStore
from mta_queue.core.attempt import Delivery
from mta_queue.core.outcome import Verdict

from tests.integration.mta_queue.test_relay import letter, relay
from tests.support.dnsserver import DnsServer
from tests.support.engines import Engines

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
BIG = b"Subject: big\r\n\r\n" + b"0123456789abcdef" * 4 * 60_000 + b"\r\n"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        server.mx("y.test", "mx.y.test")
        yield server


@pytest.fixture
def blobs(engines: Engines) -> BlobStore:
    return engines.seaweed.store()


@contextlib.asynccontextmanager
async def host(talk: Talk) -> AsyncIterator[int]:
    """Its port. What it takes in before it reads is little."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=16 * 1024)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def answer(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wait_seconds: float = 0.0
) -> None:
    """All commands up to DATA."""
    writer.write(b"220 hi\r\n")
    while line := await reader.readline():
        verb = line[:4].upper()
        if verb != b"EHLO":
            await asyncio.sleep(wait_seconds)
        writer.write(b"354 go\r\n" if verb == b"DATA" else b"250 ok\r\n")
        if verb == b"DATA":
            return


async def sent(
    dns: DnsServer, blobs: BlobStore, talk: Talk, *, count: int = 1, content: bytes = BIG, **settings: float
) -> Delivery:
    recipients = tuple(f"u{number}@y.test" for number in range(count))
    async with host(talk) as port, asyncio.timeout(15):
        one = relay(dns, blobs, port, **settings)
        delivery = await one.deliver(await letter(blobs, *recipients, content=content), "y.test", recipients)
        await one.close()
    return delivery


async def test_an_octet_now_and_then_is_no_answer(dns: DnsServer, blobs: BlobStore) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220-")
        while not reader.at_eof():
            writer.write(b"x")
            await asyncio.sleep(0.05)
            await writer.drain()

    delivery = await sent(dns, blobs, talk, reply_seconds=0.3)
    assert [each.verdict for each in delivery.outcomes] == [Verdict.DEFERRED]
    assert delivery.dead_until is not None


async def test_who_is_silent_after_the_greeting_is_away_for_every_message(
    dns: DnsServer, blobs: BlobStore
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        await reader.read()

    delivery = await sent(dns, blobs, talk, reply_seconds=0.2)
    assert delivery.dead_until is not None


async def test_each_answer_at_the_last_moment_is_too_late_in_the_end(
    dns: DnsServer, blobs: BlobStore
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer, 0.2)

    delivery = await sent(dns, blobs, talk, count=100, reply_seconds=5.0, transaction_seconds=0.5)
    assert {each.verdict for each in delivery.outcomes} == {Verdict.DEFERRED}
    # It may be about these recipients only.
    assert delivery.dead_until is None


async def test_who_waited_for_our_turn_is_not_late(
    dns: DnsServer, blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = [0]

    class Busy:
        @contextlib.asynccontextmanager
        async def turn(self, lane: object) -> AsyncIterator[None]:
            hours[0] += 1
            yield

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + 3600 * hours[0])
    monkeypatch.setattr("mta_queue.adapters.session.time", clock)
    monkeypatch.setattr("mta_queue.adapters.relay.time", clock)
    monkeypatch.setattr("mta_queue.adapters.relay.LargeOnes", Busy)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer)
        await reader.readuntil(b"\r\n.\r\n")
        # Only after a moment: what is there already is read even by who has no time left.
        await asyncio.sleep(0.2)
        writer.write(b"250 ok\r\n")
        await reader.readline()

    content = b"Subject: x\r\n\r\nhello\r\n"
    monkeypatch.setattr("mta_queue.adapters.relay.LARGE_OCTETS", 1)
    delivery = await sent(dns, blobs, talk, content=content, reply_seconds=10.0)
    assert (hours, [each.verdict for each in delivery.outcomes]) == ([1], [Verdict.DELIVERED])


async def test_who_reads_nothing_gets_nothing_more_and_costs_no_memory(
    dns: DnsServer, blobs: BlobStore
) -> None:
    over, read = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer)
        await over.wait()
        octets = 0
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                octets += len(data)
        read.set_result(octets)

    async with host(talk) as port, asyncio.timeout(15):
        one = relay(dns, blobs, port, reply_seconds=0.3)
        content = BIG * 4
        delivery = await one.deliver(
            await letter(blobs, "a@y.test", content=content), "y.test", ("a@y.test",)
        )
        await one.close()
        over.set()
        # Nothing waited to be sent still: that would go on for as long as the host likes.
        assert await read < len(content)
    assert [each.verdict for each in delivery.outcomes] == [Verdict.DEFERRED]


async def test_who_is_slow_gets_his_message(dns: DnsServer, blobs: BlobStore) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer)
        tail, octets = b"", 0
        while not tail.endswith(b"\r\n.\r\n"):
            data = await reader.read(65_536)
            tail, before, octets = (tail + data)[-5:], octets, octets + len(data)
            if before >> 20 != octets >> 20:
                await asyncio.sleep(0.15)
        writer.write(b"250 ok\r\n")
        await reader.read()

    # All of it takes longer than an answer may, and no step of it does.
    delivery = await sent(dns, blobs, talk, content=BIG * 4, reply_seconds=1.8)
    assert [each.verdict for each in delivery.outcomes] == [Verdict.DELIVERED]
