"""TLS from the start where some of the handshake was read already: behind a proxy's preface, in any pieces, on both loops."""

import asyncio
import ssl
from collections.abc import Callable

import pytest
import trustme
import uvloop
from servicekit import logs
from servicekit.tcp import Connection, Listener

PREFACE = b"PREFACE\r\n"
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


class Client:
    """A TLS client whose octets are sent as they are told to be."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="127.0.0.1")

    def hello(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self._out.read()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: bytes) -> bytes:
        await self._until(self._tls.do_handshake, reader, writer)
        self._tls.write(words)
        writer.write(self._out.read())
        return await self._until(lambda: self._tls.read(1000), reader, writer)

    async def _until(
        self, step: Callable[[], bytes | None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes:
        while True:
            try:
                done = step()
                writer.write(self._out.read())
                return done or b""
            except ssl.SSLWantReadError:
                writer.write(self._out.read())
                data = await asyncio.wait_for(reader.read(65536), 10)
                if not data:
                    raise ConnectionError("closed") from None
                self._in.write(data)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("cut", [0, 1, 5, len(PREFACE), len(PREFACE) + 1, len(PREFACE) + 100, 10_000])
@pytest.mark.parametrize("preface", [PREFACE, b""])
def test_the_handshake_goes_on_where_it_was(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], preface: bytes, cut: int, loop: str
) -> None:
    async def handler(connection: Connection) -> None:
        first = b""
        while len(first) < len(preface):
            first += await connection.read(5)
        await connection.begin_tls(contexts[0], first.removeprefix(preface))
        assert connection.is_tls
        connection.write(b"heard " + await connection.read(5))
        await connection.read(5)

    async def run() -> bytes:
        listener = Listener(
            "test", handler, asyncio.Event(), logs.logger("test"), max_connections=9, overflow=b""
        )
        await listener.start("127.0.0.1", 0, None)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        client = Client(contexts[1])
        octets = preface + client.hello()
        writer.write(octets[:cut])
        await writer.drain()
        # The other side has read the first piece before the second is sent.
        for _ in range(20):
            await asyncio.sleep(0)
        writer.write(octets[cut:])
        heard = await client.talk(reader, writer, b"words")
        writer.close()
        listener.stop_accepting()
        await listener.wait_until_idle(5)
        return heard

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        assert runner.run(run()) == b"heard words"


def test_what_is_no_handshake_ends_the_connection(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    failures: list[BaseException] = []

    async def handler(connection: Connection) -> None:
        first = await connection.read(5)
        try:
            await connection.begin_tls(contexts[0], first, timeout_seconds=5)
        except (ssl.SSLError, ConnectionError) as error:
            failures.append(error)
            raise

    async def run() -> None:
        listener = Listener(
            "test", handler, asyncio.Event(), logs.logger("test"), max_connections=9, overflow=b""
        )
        await listener.start("127.0.0.1", 0, None)
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
        writer.write(b"EHLO in.clear\r\n")
        await asyncio.wait_for(reader.read(), 5)
        writer.close()
        listener.stop_accepting()
        await listener.wait_until_idle(5)

    for factory in LOOPS.values():
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(run())
    assert len(failures) == 2
