"""What is said in one go is sent in one go, in its order, and nothing of it stays behind."""

import asyncio
import ssl
import zlib
from collections.abc import Callable
from typing import Any, cast

import pytest
from imap.edge.wire import HELD_OCTETS, Over, Wire
from imap.settings import Settings
from mailproto.imap.reader import Whole
from servicekit.tcp import Connection


class Far:
    """The connection: what was written, write by write."""

    def __init__(self) -> None:
        self.draining = asyncio.Event()
        self.events: list[bytes | str] = []
        self.arrives: list[bytes | Exception] = []
        self.is_full = False

    def write(self, data: bytes) -> None:
        self.events.append(data)

    async def drain(self, timeout_seconds: float | None = None) -> None:
        self.events.append("drained")

    async def read(self, timeout_seconds: float | None = None) -> bytes:
        self.events.append("read")
        found = self.arrives.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def start_tls(self, context: ssl.SSLContext) -> None:
        self.events.append("tls")

    def end(self) -> None:
        self.events.append("ended")

    async def attend(self, take: Callable[[bytes], bool], timeout_seconds: float) -> bool:
        while data := await self.read(timeout_seconds):
            if not take(data):
                return True
        return False


def wired() -> tuple[Wire, Far]:
    far = Far()
    values: dict[str, Any] = {name: field.default for name, field in Settings.model_fields.items()}
    return Wire(cast(Connection, far), Settings.model_construct(**values)), far


async def test_an_answer_goes_out_before_the_client_is_read_from() -> None:
    wire, far = wired()
    far.arrives = [b"x"]
    await wire.say(b"* 1 FETCH ()\r\n")
    await wire.say(b"")
    await wire.say(b"a OK\r\n")
    assert far.events == []
    await wire.read()
    assert far.events == [b"* 1 FETCH ()\r\na OK\r\n", "read"]


async def test_who_waits_for_something_else_has_been_heard_meanwhile() -> None:
    wire, far = wired()
    await wire.say(b"* OK first\r\n")
    await wire.say(b"* OK second\r\n")
    await asyncio.sleep(0)
    assert far.events == [b"* OK first\r\n* OK second\r\n"]
    await asyncio.sleep(0)
    await wire.say(b"a OK\r\n")
    await asyncio.sleep(0)
    assert far.events[1:] == [b"a OK\r\n"]


async def test_much_is_sent_at_once_and_waited_for() -> None:
    wire, far = wired()
    for _ in range(3):
        await wire.say(b"x" * (HELD_OCTETS // 2))
    assert far.events == [b"x" * HELD_OCTETS, "drained"]
    wire.leave()
    assert far.events[2:] == [b"x" * (HELD_OCTETS // 2)]


async def test_a_notice_does_not_overtake() -> None:
    wire, far = wired()
    await wire.say(b"* 1 FETCH ()\r\n")
    wire.notice(b"* OK [INPROGRESS]\r\n")
    assert far.events == [b"* 1 FETCH ()\r\n* OK [INPROGRESS]\r\n"]


async def test_the_last_words_are_said() -> None:
    wire, far = wired()
    await wire.say(b"* BAD\r\n")
    with pytest.raises(Over):
        await wire.end("Too many errors")
    assert far.events == [b"* BAD\r\n* BYE Too many errors\r\n"]
    for arrives in (TimeoutError(), b""):
        wire, far = wired()
        far.arrives = [arrives]
        await wire.say(b"a OK\r\n")
        with pytest.raises(Over):
            await wire.read()
        wire.leave()
        assert far.events[:2] == [b"a OK\r\n", "read"]
        assert len(far.events) == (3 if arrives else 2)
    wire, far = wired()
    await wire.say(b"a OK\r\n")
    far.draining.set()
    with pytest.raises(Over):
        await wire.read()
    assert b"".join(each for each in far.events if isinstance(each, bytes)).startswith(b"a OK\r\n* BYE ")


async def test_what_is_said_in_clear_is_not_said_again_in_tls_or_compressed() -> None:
    wire, far = wired()
    await wire.say(b"a OK Begin TLS\r\n")
    await wire.start_tls(cast(ssl.SSLContext, None))
    assert far.events == [b"a OK Begin TLS\r\n", "tls"]
    await wire.say(b"b OK DEFLATE\r\n")
    wire.compress()
    assert far.events[2:] == [b"b OK DEFLATE\r\n"]
    await wire.say(b"c OK\r\n")
    await wire.say(b"d OK\r\n")
    wire.leave()
    assert len(far.events) == 4
    assert zlib.decompressobj(-15).decompress(cast(bytes, far.events[3])) == b"c OK\r\nd OK\r\n"


def known(data: bytes) -> bytes | None:
    return b"known\r\n" if data == b"x FETCH\r\n" else None


async def test_what_has_an_answer_at_once_is_not_read() -> None:
    wire, far = wired()
    wire.trust()
    far.arrives = [b"x FETCH\r\n", b"x FETCH\r\n", b"x NOOP\r\nx ", b"FETCH\r\n", b"x FETCH\r\n", b""]
    await wire.say(b"a OK\r\n")
    await wire.read(known)
    assert far.events == [b"a OK\r\n", "read", b"known\r\n", "read", b"known\r\n", "read", "drained"]
    event = wire.event_at_hand()
    assert isinstance(event, Whole)
    assert event.octets == b"x NOOP"
    # The second half of a command is no command.
    far.events.clear()
    assert wire.event_at_hand() is None
    await wire.read(known)
    assert far.events == ["read", "drained"]
    event = wire.event_at_hand()
    assert isinstance(event, Whole)
    assert event.octets == b"x FETCH"
    with pytest.raises(Over):
        await wire.read(known)


async def test_who_does_not_read_is_waited_for() -> None:
    wire, far = wired()
    wire.trust()
    far.is_full = True
    far.arrives = [b"x FETCH\r\n", b"x FETCH\r\n"]
    await wire.read(known)
    assert far.events == ["read", b"known\r\n", "drained"]


async def test_strangers_and_the_compressed_are_read() -> None:
    for compressed in (False, True):
        wire, far = wired()
        if compressed:
            wire.trust()
            wire.compress()
        far.arrives = [b"x FETCH\r\n"]
        if compressed:
            deflating = zlib.compressobj(wbits=-15)
            far.arrives = [deflating.compress(b"x FETCH\r\n") + deflating.flush(zlib.Z_SYNC_FLUSH)]
        await wire.read(known)
        assert far.events == ["read"]
        assert isinstance(wire.event_at_hand(), Whole)
