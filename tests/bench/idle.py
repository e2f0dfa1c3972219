"""Many clients in IDLE in one process of imap: `python -m tests.bench.idle [connections]` (10,000 unless told).

TLS, logged in, INBOX selected, in IDLE. What a connection weighs in the imap process is its proportional set size with
all of them less that before, over their number. Then one message is appended to every account, and each client that
idles there waits for its EXISTS: the times from the append's answer to that line. Nothing here is a test: it prints.
"""

import asyncio
import resource
import ssl
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.support.platform import Platform

ACCOUNTS = 20
PASSWORD = "bench-password"
# Clients that log in at the same time.
AT_ONCE = 50
LITERAL = b"Subject: news\r\n\r\nnews\r\n"


class Client(asyncio.Protocol):
    """As little of a client as can be."""

    def __init__(self) -> None:
        self._seen = b""
        self._wanted: tuple[bytes, asyncio.Future[float]] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._seen = (self._seen + data)[-4096:]
        self._look()

    def _look(self) -> None:
        if self._wanted is not None and self._wanted[0] in self._seen and not self._wanted[1].done():
            self._wanted[1].set_result(time.perf_counter())
            self._wanted, self._seen = None, b""

    def wait(self, text: bytes) -> "asyncio.Future[float]":
        """When that comes."""
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._wanted = (text, future)
        self._look()
        return future

    async def say(self, line: bytes, until: bytes) -> None:
        assert self.transport is not None
        self.transport.write(line + b"\r\n")
        await asyncio.wait_for(self.wait(until), 120)


async def connect(port: int, context: ssl.SSLContext, login: str) -> Client:
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(Client, "127.0.0.1", port, ssl=context)
    await client.wait(b"* OK")
    await client.say(f"a LOGIN {login} {PASSWORD}".encode(), b"a OK")
    return client


async def measure(platform: Platform, connections: int) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    logins = [f"u{number}@bench.test" for number in range(ACCOUNTS)]
    writers = [await connect(platform.ports.imaps, context, login) for login in logins]
    family = psutil.Process(platform.pid).children(recursive=True)
    [imap] = [each for each in family if "imap" in each.cmdline()]
    before = imap.memory_full_info().pss
    room = asyncio.Semaphore(AT_ONCE)
    clients: list[list[Client]] = [[] for _ in logins]

    async def idle(number: int) -> None:
        async with room:
            client = await connect(platform.ports.imaps, context, logins[number % ACCOUNTS])
            await client.say(b"b SELECT INBOX", b"b OK")
            await client.say(b"c IDLE", b"+ idling")
            clients[number % ACCOUNTS].append(client)

    started = time.perf_counter()
    await asyncio.gather(*(idle(number) for number in range(connections)))
    print(f"{connections} connections idle after {time.perf_counter() - started:.1f} s")
    await asyncio.sleep(3)
    weight = (imap.memory_full_info().pss - before) / connections / 1024
    print(f"memory: {weight:.1f} KiB a connection")
    waits: list[float] = []
    for writer, audience in zip(writers, clients, strict=True):
        heard = [client.wait(b"EXISTS") for client in audience]
        await writer.say(b"d APPEND INBOX {%d+}\r\n%b" % (len(LITERAL), LITERAL), b"d OK")
        appended = time.perf_counter()
        waits += [max(0.0, at - appended) for at in await asyncio.wait_for(asyncio.gather(*heard), 120)]
    waits.sort()
    p99 = waits[len(waits) * 99 // 100 - 1]
    print(
        f"notify, {connections // ACCOUNTS} sessions an account: median {statistics.median(waits) * 1000:.0f} ms,"
        f" p99 {p99 * 1000:.0f} ms, last {waits[-1] * 1000:.0f} ms"
    )
    for client in [*writers, *(each for audience in clients for each in audience)]:
        assert client.transport is not None
        client.transport.abort()


def main() -> None:
    connections = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < connections * 1.2 + 500:
        sys.exit(f"{connections} connections need more than the {most} files that a process may open here")
    settings = {"IMAP_CONNECTIONS_A_USER": str(connections), "IMAP_MAX_CONNECTIONS": str(connections + 100)}
    with (
        tempfile.TemporaryDirectory() as folder,
        Platform.start(Path(folder) / "ours", settings=settings) as platform,
    ):
        platform.create_domain("bench.test")
        for number in range(ACCOUNTS):
            platform.create_account(f"u{number}@bench.test", PASSWORD)
        asyncio.run(measure(platform, connections))


if __name__ == "__main__":
    main()
