"""Replies are taken as they come: nobody is woken for a part of them, each has its own time, none is heard too early."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from mailproto.smtp.body import BodyType
from mailproto.smtp.client import Asked, ClientMachine, ContentWanted, Event, Finished, Outgoing, Ready
from mailproto.smtp.reply import Charset
from mta_queue.adapters import session as module
from mta_queue.adapters.hearing import Ear
from mta_queue.adapters.session import Session, SessionBroken, SessionSilent
from mta_queue.core.tls import Demand, Level


class Transport:
    def get_write_buffer_size(self) -> int:
        return 0


class Writer:
    """What was said."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.transport = Transport()

    def write(self, data: bytes) -> None:
        self.said.append(bytes(data))

    def get_extra_info(self, name: str) -> None:
        return None


class Talk:
    """A session whose peer is the test. `rounds` counts how often somebody was woken."""

    def __init__(self, level: Level = Level.CLEAR) -> None:
        machine = ClientMachine("us.test", wants_tls=level is not Level.CLEAR)
        self.session = Session(machine, 300.0, cast(Any, None), Demand(level, "mx.test"))
        self.ear = self.session._reader = Ear(limit=65_536, loop=asyncio.get_running_loop())
        self.writer = Writer()
        self.session._writer = cast(Any, self.writer)
        self.session.begin()

    async def hear(self, *pieces: bytes) -> Event:
        """What the session makes of them, each of which comes when it waits."""
        task = asyncio.create_task(self.session.next_event())
        for piece in pieces:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            self.ear.feed_data(piece)
        return await task

    async def ready(self) -> None:
        assert isinstance(await self.hear(b"220 hi\r\n", b"250-us\r\n250 PIPELINING\r\n"), Ready)
        self.session.machine.send(Outgoing("a@x.test", ("b@y.test",), 10, BodyType.SEVEN_BIT, Charset.ASCII))


async def test_replies_in_any_pieces_are_one_answer() -> None:
    whole = b"250 ok\r\n250 ok\r\n354 go\r\n"
    for size in (1, 5, 8, 16, len(whole)):
        talk = Talk()
        await talk.ready()
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        assert isinstance(await talk.hear(*pieces), ContentWanted)
        talk.session.machine.content_sent()
        assert isinstance(await talk.hear(b"250 ", b"taken\r\n"), Finished)


async def test_nobody_is_woken_for_a_part_of_what_is_waited_for() -> None:
    talk = Talk()
    await talk.ready()
    task = asyncio.create_task(talk.session.next_event())
    await asyncio.sleep(0)
    waiting = talk.session._waiting
    assert waiting is not None
    for piece in (b"250 ok\r\n", b"250 ok\r\n", b"354 "):
        talk.ear.feed_data(piece)
        assert not waiting.done()
        assert not talk.ear.has_unread
    talk.ear.feed_data(b"go\r\n")
    assert waiting.done()
    talk.ear.feed_data(b"250 too early\r\n")
    assert talk.ear.has_unread, "what nobody asked for waits, and stops the transport when it is too much"
    assert isinstance(await task, ContentWanted)


async def test_each_reply_has_its_own_time_and_no_piece_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    talk = Talk()
    await talk.ready()
    task = asyncio.create_task(talk.session.next_event())
    await asyncio.sleep(0)
    clock.now += 200.0
    talk.ear.feed_data(b"250 ok\r\n250 ")
    clock.now += 200.0
    talk.session._look_at_clock()
    await asyncio.sleep(0)
    assert not task.done(), "the second began 200 seconds ago"
    talk.ear.feed_data(b"o")
    clock.now += 101.0
    talk.session._look_at_clock()
    with pytest.raises(SessionSilent) as silent:
        await task
    assert silent.value.asked is Asked.RCPT


@pytest.mark.parametrize("error", [None, ConnectionResetError("gone")])
async def test_a_connection_that_ends_or_breaks_is_told_of(error: Exception | None) -> None:
    talk = Talk()
    await talk.ready()
    task = asyncio.create_task(talk.session.next_event())
    await asyncio.sleep(0)
    talk.ear.feed_data(b"250 ok\r\n")
    if error is None:
        talk.ear.feed_eof()
    else:
        talk.ear.set_exception(error)
    with pytest.raises(SessionBroken) as broken:
        await task
    assert broken.value.asked is Asked.RCPT


async def test_what_came_in_clear_after_the_answer_to_starttls_is_not_heard_in_tls() -> None:
    talk = Talk(Level.OPPORTUNISTIC)
    task = asyncio.create_task(talk.session.next_event())
    for piece in (b"220 hi\r\n", b"250-us\r\n250 STARTTLS\r\n"):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        talk.ear.feed_data(piece)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert talk.writer.said[-1] == b"STARTTLS\r\n"
    # In a piece of its own, and before anybody could begin TLS.
    talk.ear.feed_data(b"220 go\r\n")
    talk.ear.feed_data(b"250-evil\r\n250 SMTPUTF8\r\n")
    with pytest.raises(SessionBroken, match="in clear") as broken:
        await task
    assert broken.value.asked is Asked.STARTTLS
