"""Long literals of APPEND: on the disk, never in memory as a whole, and gone when their command is over."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from imap.adapters.spooling import LongText, Spooling
from mailmsg.facts import examine
from mailproto.imap.reader import APART_OCTETS, Go, Reader, Refused, Whole

from tests.support.imap_memory import Imap

BODY = b"Subject: long\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"".join(
    b"--b\r\nContent-Type: text/plain\r\n\r\n" + b"text %d\r\n" % n * 300 for n in range(100)
)
assert len(BODY) > APART_OCTETS


def test_the_facts_of_a_file_are_those_of_its_octets() -> None:
    for content in (
        BODY,
        BODY.replace(b"\r\n", b"\n"),
        b"\r\n" + BODY,
        b"x" * APART_OCTETS,
        b"\n" * APART_OCTETS,
    ):
        text = Spooling("", 1 << 30).take(len(content))
        assert text is not None
        for start in range(0, len(content), 1000):
            text.write(content[start : start + 1000])
        with text.octets_of_file() as octets:
            assert examine(octets) == examine(content)
        text.close()


@pytest.fixture
def spooling() -> Spooling:
    return Spooling("", 8 << 20)


def reader(spooling: Spooling) -> Reader:
    return Reader(literal_octets=1000, append_octets=4 << 20, new_sink=spooling.take)


@pytest.mark.parametrize("step", [1 << 20, 65536, 4096, 997])
@pytest.mark.parametrize("sign", ["+", ""])
def test_it_goes_apart_however_it_is_cut(spooling: Spooling, step: int, sign: str) -> None:
    one = reader(spooling)
    stream = (
        b"a APPEND INBOX {%d%b}\r\n" % (len(BODY), sign.encode()) + BODY + b" (x) {3+}\r\nabc\r\nb NOOP\r\n"
    )
    events: list[Any] = []
    for start in range(0, len(stream), step):
        one.feed(stream[start : start + step])
        while (event := one.next_event()) is not None:
            events.append(event)
    if not sign:
        assert isinstance(events.pop(0), Go)
    first, second = events
    assert first.octets == b"a APPEND INBOX {%d@0}\r\n (x) {3+}\r\nabc" % len(BODY)
    [sink] = first.apart
    assert b"".join(cast(LongText, sink).pieces()) == BODY
    assert second == Whole(b"b NOOP")
    sink.close()
    assert spooling.taken_octets == 0


def test_what_is_refused_keeps_no_room(spooling: Spooling) -> None:
    one = reader(spooling)
    announced = b"{%d+}\r\n" % len(BODY)
    one.feed(b"a APPEND INBOX " + announced + BODY + b" {5000000+}\r\n" + b"x" * 5_000_000 + b"\r\n")
    assert isinstance(one.next_event(), Refused)
    assert spooling.taken_octets == 0
    one.feed(b"a APPEND INBOX " + announced + BODY[:1000])
    assert one.next_event() is None
    assert spooling.taken_octets == len(BODY)
    one.abandon()
    assert spooling.taken_octets == 0


def test_where_there_is_no_room_a_client_is_told(spooling: Spooling) -> None:
    taken = spooling.take(8 << 20)
    assert taken is not None
    one = reader(spooling)
    one.feed(b"a APPEND INBOX {%d}\r\n" % len(BODY))
    event = one.next_event()
    assert isinstance(event, Refused)
    assert event.text == "There is no room for a message of that size now"
    taken.close()
    one.feed(b"a APPEND INBOX {%d}\r\n" % len(BODY))
    assert isinstance(one.next_event(), Go)


def test_only_appended_messages_go_apart(spooling: Spooling) -> None:
    one = Reader(literal_octets=4 << 20, append_octets=4 << 20, new_sink=spooling.take)
    one.feed(b"a SEARCH BODY {%d+}\r\n" % len(BODY) + BODY + b"\r\n")
    event = one.next_event()
    assert isinstance(event, Whole)
    assert event.apart == ()


@pytest.mark.parametrize(
    "command",
    [
        "APPEND INBOX {300000@0}",
        "APPEND INBOX {300000@0}\r\n",
        "LOGIN {1@0} x",
        "APPEND {300000+}\r\n%b {1+}\r\nx",
    ],
)
def test_nobody_can_write_what_stands_in_its_place(imap: Imap, command: str) -> None:
    client = imap.client()
    octets = command.encode().replace(b"%b", b"x" * 300_000)
    assert client.raw(octets).split(b"\r\n")[0].startswith(b"x BAD")


def test_a_long_message_is_appended_like_a_short_one(imap: Imap) -> None:
    client = imap.client(select="INBOX")
    answer = client.say(
        b"APPEND INBOX {%d+}\r\n%b {3+}\r\nx\r\n {%d+}\r\n%b" % (len(BODY), BODY, len(BODY), BODY)
    )
    assert answer[-1].startswith("OK [APPENDUID")
    said = client.raw("FETCH 1:3 BODY.PEEK[]")
    assert said.count(BODY) == 2
    client.say(b'APPEND INBOX CATENATE (URL "/INBOX/;UID=1" TEXT {%d+}\r\n%b)' % (len(BODY), BODY))
    assert client.raw("FETCH 4 BODY.PEEK[]").count(BODY + BODY) == 1
    for wrong in (BODY + b"\0", BODY.replace(b"Subject", b"Subj\0ct", 1)):
        assert client.say(b"APPEND INBOX {%d+}\r\n%b" % (len(wrong), wrong))[-1].startswith("BAD")


def private_octets() -> int:
    """What this process holds that is in no file."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")


class Watching:
    """The most that was held while something went on."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.before = self.most = private_octets()

    def _watch(self) -> None:
        while not self._over.wait(0.002):
            self.most = max(self.most, private_octets())

    def __enter__(self) -> "Watching":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


class _Store:
    """Takes a file by pieces, as the object storage does."""

    def __init__(self, below: Any) -> None:
        self._below = below
        self.octets = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)

    async def put_file(self, account: Any, file: Any, octets: int, digest: bytes) -> Any:
        while piece := file.read(1 << 20):
            self.octets += len(piece)
        return await self._below.put_body(account, b"Subject: x\r\n\r\n")


@pytest.fixture
def roomy() -> Iterator[Imap]:
    running = Imap(append_octets=200 << 20)
    yield running
    running.close()


def test_a_hundred_megabytes_are_nowhere_in_memory(roomy: Imap) -> None:
    store = _Store(roomy.store)
    client = roomy.client()
    roomy._connections._open.copy().pop()._session.store = cast(Any, store)
    line = b"a line of seventy-six characters and no more, as they come out of base64....\r\n"
    piece = line * 840
    times = (100 << 20) // len(piece)
    head = b"Subject: large\r\nContent-Type: application/octet-stream\r\n\r\n"
    with Watching() as watching:
        client.exchange(b"x APPEND INBOX {%d}\r\n" % (len(head) + len(piece) * times))
        client.exchange(head)
        for _ in range(times):
            client._wire.feed(piece)
            client._memory.wait_for(_turn())
        said = client.exchange(b"\r\n")
    assert said.startswith(b"x OK [APPENDUID"), said
    assert store.octets > 100_000_000
    assert watching.most - watching.before < 30_000_000, (watching.before, watching.most)


async def _turn() -> None:
    import asyncio

    for _ in range(4):
        await asyncio.sleep(0)
