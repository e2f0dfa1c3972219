"""A load generator for SMTP: raw protocol, pipelined, many sessions in one loop.

Every message has an id of its own in its Message-ID and its first line, and a
line with a leading dot. With `--key` each has a signature of peer.invalid, made before the clock runs. It prints one JSON line:
{"messages": .., "seconds": .., "refused": .., "client_cpu_seconds": ..}.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import uvloop

PADDING = b"The post house keeps fresh horses for the next stage of the road.\r\n"


def message(number: str, recipient: str, size_octets: int) -> bytes:
    """About `size_octets` octets, dot-stuffed already."""
    head = (
        f"From: Bench <bench@peer.invalid>\r\nTo: <{recipient}>\r\nSubject: bench {number}\r\n"
        f"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{number}@bench.invalid>\r\n\r\n"
        f"{number}\r\n..a line with a leading dot\r\n"
    ).encode()
    repeat = max(0, (size_octets - len(head)) // len(PADDING))
    return head + PADDING * repeat


class Session:
    """One SMTP session at a time over asyncio streams' little brother: a protocol with a line buffer."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(*self._address, limit=1 << 20)
        await self._reply(1)
        self._writer.write(b"EHLO bench.invalid\r\n")
        await self._reply(1)

    async def _reply(self, count: int) -> list[int]:
        codes: list[int] = []
        while len(codes) < count:
            line = await self._reader.readline()
            if not line:
                raise ConnectionError("closed by the server")
            if line[3:4] != b"-":
                codes.append(int(line[:3]))
        return codes

    async def send(self, recipient: str, content: bytes) -> bool:
        self._writer.write(b"MAIL FROM:<bench@peer.invalid>\r\nRCPT TO:<%s>\r\nDATA\r\n" % recipient.encode())
        codes = await self._reply(3)
        if codes != [250, 250, 354]:
            raise ConnectionError(f"refused: {codes}")
        self._writer.write(content)
        self._writer.write(b".\r\n")
        return (await self._reply(1))[0] == 250

    async def close(self) -> None:
        self._writer.write(b"QUIT\r\n")
        try:
            await self._reader.read(100)
        except ConnectionError:
            pass
        self._writer.close()


def signer(key_file: str) -> Callable[[bytes], bytes]:
    """What puts a signature before a message that is dot-stuffed; nothing without a key."""
    if not key_file:
        return lambda message: message
    from senderauth.dkim import sign, signing_key

    key = signing_key("peer.invalid", "bench", Path(key_file).read_bytes())
    now = datetime.now(UTC)
    return lambda message: (
        sign(message.replace(b"\r\n.", b"\r\n"), [key], now=now, lifetime_seconds=86_400) + message
    )


def content(number: int, options: argparse.Namespace, signed: Callable[[bytes], bytes]) -> bytes:
    """What is sent as the message of that number."""
    recipient = options.recipients % (number % options.users)
    return signed(message(f"{options.tag}-{number}", recipient, options.size))


async def run(options: argparse.Namespace) -> dict[str, float]:
    """Send all; the clock runs from the first connection to the last 250."""
    numbers = iter(range(options.count))
    refused = 0
    signed = signer(options.key)
    ready = [content(number, options, signed) for number in range(options.count)] if options.key else []

    async def worker() -> None:
        nonlocal refused
        session: Session | None = None
        left = 0
        for number in numbers:
            recipient = options.recipients % (number % options.users)
            sent = ready[number] if ready else content(number, options, signed)
            if session is None:
                session = Session(options.host, options.port)
                await session.open()
                left = options.per_connection
            if not await session.send(recipient, sent):
                refused += 1
            left -= 1
            if left == 0:
                await session.close()
                session = None
        if session is not None:
            await session.close()

    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(options.sessions)))
    return {
        "messages": options.count,
        "seconds": time.perf_counter() - started,
        "refused": refused,
        "client_cpu_seconds": time.process_time() - cpu,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--recipients", default="u%03d@bench.test")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--per-connection", type=int, default=100)
    parser.add_argument("--key", default="", help="a private key in PEM that signs")
    parser.add_argument("--tag", default="run")
    json.dump(uvloop.run(run(parser.parse_args())), sys.stdout)
    print()


if __name__ == "__main__":
    main()
