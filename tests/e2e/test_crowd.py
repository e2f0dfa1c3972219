"""Clients that take their time, and one that never ends its line, before a whole installation: good ones do not feel it.

CROWD of them (200; `make soak` holds 5,000 open, and then asks that good ones are answered within a second, 99 of 100).
"""

import asyncio
import os
import random
import socket
import time

import psutil

from tests.e2e.letters import plain
from tests.support.platform import Platform

CROWD = int(os.environ.get("CROWD", "200"))
IS_SOAK = "CROWD" in os.environ
GOOD_SESSIONS = 10
MESSAGES_EACH = 100 if IS_SOAK else 5
# What each kind of slow client has said before it goes on octet by octet, and what it says then.
SLOW = [
    (b"", b"EHLO slow.test\r\n" * 20),
    (b"EHLO slow.test\r\n", b"NOOP " + b"x" * 2000),
    (b"EHLO slow.test\r\nMAIL FROM:<x@slow.test>\r\n", b"RCPT TO:<nobody@" + b"x" * 2000),
    (
        b"EHLO slow.test\r\nMAIL FROM:<x@slow.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n",
        b"Subject: slow\r\n" * 200,
    ),
    (
        b"EHLO slow.test\r\nMAIL FROM:<x@slow.test>\r\nRCPT TO:<bob@example.test>\r\nBDAT 100000\r\n",
        b"x" * 5000,
    ),
]
MB = 1024 * 1024


class Slow:
    """Says one octet when it is told to."""

    def __init__(self, number: int) -> None:
        self._begin, self._rest = SLOW[number % len(SLOW)]
        self._at = 0
        self.writer: asyncio.StreamWriter | None = None
        self._reader: asyncio.StreamReader | None = None

    async def enter(self, port: int) -> None:
        self._reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        assert (await self._reader.readline()).startswith(b"220 ")
        for line in self._begin.splitlines(keepends=True):
            self.writer.write(line)
            if not line.startswith(b"BDAT"):
                while (await self._reader.readline())[3:4] == b"-":
                    pass

    def say_an_octet(self) -> None:
        assert self.writer is not None
        self.writer.write(self._rest[self._at : self._at + 1])
        self._at += 1

    @property
    def is_there(self) -> bool:
        return self._reader is not None and not self._reader.at_eof()


async def good(port: int, sender: str, recipient: str, messages: int) -> list[float]:
    """How long each message took, from MAIL to the answer to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def said(line: bytes, code: bytes) -> None:
        writer.write(line)
        while (answer := await reader.readline())[3:4] == b"-":
            pass
        assert answer.startswith(code), answer

    await said(b"", b"220")
    await said(b"EHLO good.test\r\n", b"250")
    content, took = plain("in the crowd", sender, recipient).content, []
    for _ in range(messages):
        begun = time.perf_counter()
        await said(f"MAIL FROM:<{sender}>\r\n".encode(), b"250")
        await said(f"RCPT TO:<{recipient}>\r\n".encode(), b"250")
        await said(b"DATA\r\n", b"354")
        await said(content + b".\r\n", b"250")
        took.append(time.perf_counter() - begun)
    await said(b"QUIT\r\n", b"221")
    writer.close()
    return took


async def crowded(port: int, sender: str, recipient: str, resident: "Resident") -> list[float]:
    begun_with = resident.octets
    crowd = [Slow(number) for number in range(CROWD)]
    for start in range(0, CROWD, 100):
        await asyncio.gather(*(each.enter(port) for each in crowd[start : start + 100]))
    print(
        f"{CROWD} slow clients: {(resident.octets - begun_with) / CROWD / 1024:.1f} KiB of the gateway each"
    )
    chance = random.Random(5)
    tasks = [
        asyncio.ensure_future(good(port, sender, recipient, MESSAGES_EACH)) for _ in range(GOOD_SESSIONS)
    ]
    while not all(task.done() for task in tasks):
        for each in chance.sample(crowd, CROWD // 20):
            each.say_an_octet()
        await asyncio.sleep(0.01)
    took = [seconds for task in tasks for seconds in await task]
    assert all(each.is_there for each in crowd)
    for each in crowd:
        assert each.writer is not None
        each.writer.transport.abort()
    return took


class Resident:
    """The gateway's memory."""

    def __init__(self, platform: Platform) -> None:
        self._process = psutil.Process(platform.process("smtp-gateway").pid or 0)

    @property
    def octets(self) -> int:
        return int(self._process.memory_info().rss)


def test_a_crowd_of_slow_clients_keeps_nobody_waiting(platform: Platform) -> None:
    bob = platform.account("bob")
    took = asyncio.run(crowded(platform.ports.smtp, "x@good.test", bob.address, Resident(platform)))
    took.sort()
    print(
        f"{len(took)} messages: median {took[len(took) // 2]:.3f} s, p99 {took[len(took) * 99 // 100]:.3f} s"
    )
    assert len(took) == GOOD_SESSIONS * MESSAGES_EACH
    if IS_SOAK:
        assert took[len(took) * 99 // 100] < 1.0


def test_a_line_that_never_ends_costs_the_process_no_memory(platform: Platform) -> None:
    """100 MB as the first thing, and 100 MB of a command; what is held is what one line may have."""
    resident, piece = Resident(platform), b"x" * (64 * 1024)
    for before in ([], [b"EHLO endless.test\r\n", b"NOOP "]):
        with socket.create_connection(("127.0.0.1", platform.ports.smtp), timeout=60) as connection:
            connection.recv(1000)
            for line in before:
                connection.sendall(line)
                if line.startswith(b"EHLO"):
                    while not connection.recv(4000).splitlines()[-1].startswith(b"250 "):
                        pass
            # What it needs once, for any line.
            for _ in range(64):
                connection.sendall(piece)
            start = peak = resident.octets
            for number in range(100 * MB // len(piece)):
                connection.sendall(piece)
                if number % 16 == 0:
                    peak = max(peak, resident.octets)
            peak = max(peak, resident.octets)
            print(f"100 MB without a line break: {(peak - start) / 1024:.0f} KiB more")
            assert peak - start < 2 * MB
            # It still listens: an error, and then the next command's answer.
            connection.sendall(b"\r\nQUIT\r\n")
            said = b""
            while data := connection.recv(4000):
                said += data
            too_long, goodbye = said.splitlines()
            assert too_long == b"500 5.5.2 The line is too long"
            assert goodbye.startswith(b"221 ")
