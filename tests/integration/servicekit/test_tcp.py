"""The TCP driver over real loopback sockets."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trustme
from servicekit import logs
from servicekit.tcp import HIGH_WATER, Connection, Listener

Start = Callable[..., Awaitable[Listener]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    listeners = []

    async def begin(
        handler: Callable[[Connection], Awaitable[None]],
        keepalive_seconds: int | None = None,
        **options: object,
    ) -> Listener:
        values: dict[str, object] = {"max_connections": 10, "overflow": b"", **options}
        listener = Listener("test", handler, asyncio.Event(), logs.logger("test"), **values)  # type: ignore[arg-type]
        await listener.start("127.0.0.1", 0, None, keepalive_seconds)
        listeners.append(listener)
        return listener

    yield begin
    for listener in listeners:
        listener.stop_accepting()
        await listener.wait_until_idle(0.1)


async def test_what_is_sent_comes_and_the_end_is_empty(start: Start) -> None:
    got = []

    async def handler(connection: Connection) -> None:
        while data := await connection.read(5):
            got.append(data)
        connection.write(b"bye")

    listener = await start(handler)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"hello")
    writer.write_eof()
    assert await reader.read() == b"bye"
    assert b"".join(got) == b"hello"
    writer.close()


async def test_a_read_that_times_out_loses_nothing(start: Start) -> None:
    outcome: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def handler(connection: Connection) -> None:
        with pytest.raises(TimeoutError):
            await connection.read(0.01)
        connection.write(b"now")
        outcome.set_result(await connection.read(5))

    listener = await start(handler)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    assert await reader.readexactly(3) == b"now"
    writer.write(b"late")
    assert await outcome == b"late"
    writer.close()


async def test_each_read_has_its_own_patience(start: Start) -> None:
    """Though one timer serves them all: neither an earlier read's ends a later one, nor does a longer one outlast it."""
    got: list[bytes] = []
    over = asyncio.Event()

    async def handler(connection: Connection) -> None:
        connection.write(b"1")
        got.append(await connection.read(0.2))
        connection.write(b"2")
        # While this one waits the time of the first runs out.
        got.append(await connection.read())
        connection.write(b"3")
        got.append(await connection.read(60))
        with pytest.raises(TimeoutError):
            await connection.read(0.01)
        with pytest.raises(TimeoutError):
            await connection.read(0.01)
        over.set()

    listener = await start(handler)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    assert await reader.readexactly(1) == b"1"
    writer.write(b"a")
    assert await reader.readexactly(1) == b"2"
    await asyncio.sleep(0.3)
    writer.write(b"b")
    assert await reader.readexactly(1) == b"3"
    writer.write(b"c")
    async with asyncio.timeout(30):
        await over.wait()
    assert got == [b"a", b"b", b"c"]
    writer.close()


async def test_a_slow_handler_holds_the_sender_back(start: Start) -> None:
    release = asyncio.Event()
    received = 0

    async def handler(connection: Connection) -> None:
        nonlocal received
        await release.wait()
        while data := await connection.read(5):
            received += len(data)

    listener = await start(handler)
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    total = 64 * 1024 * 1024
    writer.write(bytes(total))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await writer.drain()
    assert writer.transport.get_write_buffer_size() > total - 16 * 1024 * 1024, (
        f"more than {HIGH_WATER} was read"
    )
    release.set()
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    for _ in range(200):
        if received == total:
            break
        await asyncio.sleep(0.02)
    assert received == total


async def test_start_tls_forgets_what_came_in_clear(
    start: Start, tmp_path_factory: pytest.TempPathFactory
) -> None:
    authority = trustme.CA()
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_context)
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    seen: asyncio.Future[tuple[bytes, bool]] = asyncio.get_running_loop().create_future()

    async def handler(connection: Connection) -> None:
        await connection.read(5)
        await asyncio.sleep(0.05)  # the injected octets have arrived by now
        connection.write(b"go\r\n")
        await connection.start_tls(server_context)
        seen.set_result((await connection.read(5), connection.is_tls))

    listener = await start(handler)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"STARTTLS\r\n")
    await writer.drain()
    await asyncio.sleep(0.01)
    writer.write(b"INJECTED\r\n")
    assert await reader.readline() == b"go\r\n"
    await writer.start_tls(client_context, server_hostname="localhost")
    writer.write(b"inside\r\n")
    assert await seen == (b"inside\r\n", True)
    writer.close()


async def test_start_tls_begins_before_anything_else_can_come(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn of the loop later the peer's handshake could be there, and would be taken for what came in clear."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    async def handler(connection: Connection) -> None:
        turns: list[str] = []

        async def start_tls(*_: object, **__: object) -> None:
            found.set_result(list(turns))

        monkeypatch.setattr(loop, "start_tls", start_tls)
        loop.call_soon(turns.append, "later")
        with pytest.raises(ConnectionError):
            await connection.start_tls(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))

    listener = await start(handler)
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    assert await found == []
    writer.close()


async def test_one_connection_too_many_is_told_so(start: Start) -> None:
    async def handler(connection: Connection) -> None:
        await connection.read(5)

    listener = await start(handler, max_connections=1, overflow=b"421 later\r\n")
    _, first = await asyncio.open_connection("127.0.0.1", listener.port)
    await asyncio.sleep(0.05)
    reader, second = await asyncio.open_connection("127.0.0.1", listener.port)
    assert await reader.read() == b"421 later\r\n"
    first.close()
    second.close()


async def test_a_failing_handler_costs_only_its_own_connection(start: Start) -> None:
    async def handler(connection: Connection) -> None:
        if (await connection.read(5)) == b"bad":
            raise RuntimeError("a bug")
        connection.write(b"fine")

    listener = await start(handler)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"bad")
    assert await reader.read() == b""
    other_reader, other = await asyncio.open_connection("127.0.0.1", listener.port)
    other.write(b"good")
    assert await other_reader.read() == b"fine"
    writer.close()
    other.close()


async def test_who_attends_is_given_what_comes_until_it_wants_no_more(start: Start) -> None:
    outcome: asyncio.Future[list[object]] = asyncio.get_running_loop().create_future()

    async def handler(connection: Connection) -> None:
        task = asyncio.current_task()
        seen: list[object] = []

        def take(data: bytes) -> bool:
            # Not the handler's task: that waits.
            seen.append((data, asyncio.current_task() is task))
            connection.write(data.upper())
            return data != b"enough\n"

        connection.write(b"ready\n")
        seen.append(await connection.attend(take, 5))
        # What comes after that is read as ever.
        connection.write(b"more?\n")
        seen.append(await connection.read(5))
        outcome.set_result(seen)

    listener = await start(handler)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    assert await reader.readline() == b"ready\n"
    for line in (b"one\n", b"two\n", b"enough\n"):
        writer.write(line)
        assert await reader.readline() == line.upper()
    assert await reader.readline() == b"more?\n"
    writer.write(b"after\n")
    expected = [(b"one\n", False), (b"two\n", False), (b"enough\n", False), True, b"after\n"]
    assert await asyncio.wait_for(outcome, 5) == expected
    writer.close()


async def test_what_waits_already_is_given_first_and_the_end_is_told(start: Start) -> None:
    outcome: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    async def handler(connection: Connection) -> None:
        seen = bytearray()

        def take(data: bytes) -> bool:
            seen.extend(data)
            return True

        connection.data_received(b"early")
        ended = await connection.attend(take, 5)
        outcome.set_result((bytes(seen), ended))

    listener = await start(handler)
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write_eof()
    assert await asyncio.wait_for(outcome, 5) == (b"early", False)
    writer.close()


async def test_what_goes_wrong_in_taking_is_the_handlers(start: Start) -> None:
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def take(data: bytes) -> bool:
        raise LookupError(data.decode())

    async def handler(connection: Connection) -> None:
        try:
            await connection.attend(take, 5)
        except LookupError as error:
            outcome.set_result(str(error))

    listener = await start(handler)
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"x")
    assert await asyncio.wait_for(outcome, 5) == "x"
    writer.close()


async def test_silence_ends_attention_and_what_comes_puts_it_off(start: Start) -> None:
    outcome: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()

    async def handler(connection: Connection) -> None:
        events: list[str] = []
        heard = asyncio.Event()

        def take(data: bytes) -> bool:
            events.append("heard")
            heard.set()
            return True

        connection.write(b"ready\n")
        waiting = asyncio.ensure_future(connection.attend(take, 1000))
        await heard.wait()
        reader = connection._reader
        assert reader is not None
        # The timer goes off, and something came meanwhile.
        connection._look(reader, 1000)
        assert not reader.done()
        connection._heard -= 1000
        connection._look(reader, 1000)
        try:
            await waiting
        except TimeoutError:
            events.append("silent")
        outcome.set_result(events)

    listener = await start(handler)
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    assert await reader.readline() == b"ready\n"
    writer.write(b"x")
    assert await asyncio.wait_for(outcome, 5) == ["heard", "silent"]
    writer.close()


@pytest.mark.parametrize("seconds", [None, 30])
async def test_a_client_that_vanished_without_a_word_is_asked_for(start: Start, seconds: int | None) -> None:
    asked: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()

    async def handler(connection: Connection) -> None:
        assert connection._transport is not None
        taken = connection._transport.get_extra_info("socket")
        options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE)]
        options += [
            (socket.IPPROTO_TCP, each)
            for each in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        ]
        asked.set_result([taken.getsockopt(*option) for option in options])

    listener = await start(handler, seconds)
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    options = await asyncio.wait_for(asked, 10)
    assert options == [1, 30, 10, 3] if seconds else not options[0]
    writer.close()


async def test_who_does_not_read_does_not_hold_up_the_end(start: Start) -> None:
    over = asyncio.Event()

    async def handler(connection: Connection) -> None:
        connection.write(bytes(16 << 20))
        connection.end(timeout_seconds=0.05)
        assert await connection.read() == b""
        over.set()

    listener = await start(handler)
    with socket.socket() as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.setblocking(False)
        await asyncio.get_running_loop().sock_connect(silent, ("127.0.0.1", listener.port))
        await asyncio.wait_for(over.wait(), 10)


async def test_who_does_not_answer_the_end_of_tls_does_not_hold_it_up(start: Start) -> None:
    over = asyncio.Event()
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)

    async def handler(connection: Connection) -> None:
        await connection.begin_tls(server)
        connection.write(b"BYE")
        connection.end(timeout_seconds=0.05)
        assert await connection.read() == b""
        over.set()

    def say_nothing(port: int) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        return client.wrap_socket(plain, server_hostname="127.0.0.1")

    listener = await start(handler)
    with await asyncio.to_thread(say_nothing, listener.port):
        await asyncio.wait_for(over.wait(), 10)
