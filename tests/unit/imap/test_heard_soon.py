"""What others change is told within 50 ms of our own clocks; and should nobody hear of it, by the next command or a slow look.

Nobody waits here: time is virtual, and moves only to the next moment that somebody asked for.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
from imap.adapters.changes import BusChanges
from mailstore import bus_notifier

from tests.support.imap_memory import Imap
from tests.support.virtual import VirtualLoop

LETTER = "Subject: x\n\nx\n"
WITHIN_SECONDS = 0.05


class Bus:
    """Stands for an EventBus that brings what it is told in no time, or loses it."""

    connected = True
    loses = False

    def __init__(self) -> None:
        self._callbacks: list[Callable[[str, bytes], None]] = []

    def tell(self, subject: str, payload: bytes) -> None:
        for callback in () if self.loses else list(self._callbacks):
            callback(subject, payload)

    async def listen(self, _subject: str, callback: Callable[[str, bytes], None]) -> "Bus":
        self._callbacks.append(callback)
        return self

    async def stop(self) -> None:
        return


class Replicas:
    """A server whose sessions hear of changes over the bus alone, as those of different processes do."""

    def __init__(self, poll_seconds: float) -> None:
        self.bus = Bus()
        self.imap = Imap(poll_seconds=poll_seconds)
        self.imap.changes = cast(Any, BusChanges(cast(Any, self.bus)))
        self.imap._connections._needs = replace(self.imap._connections._needs, changes=self.imap.changes)
        self.imap.store.tell = bus_notifier(cast(Any, self.bus))

    def pass_by(self, seconds: float) -> None:
        self.imap.wait_for(asyncio.sleep(seconds))


@pytest.fixture
def replicas(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], Replicas]]:
    monkeypatch.setattr(asyncio, "new_event_loop", VirtualLoop)
    made: list[Replicas] = []

    def make(poll_seconds: float) -> Replicas:
        made.append(Replicas(poll_seconds))
        return made[-1]

    yield make
    for each in made:
        each.imap.close()


def test_who_idles_has_heard_of_every_change_within_fifty_milliseconds(
    replicas: Callable[[float], Replicas],
) -> None:
    world = replicas(600.0)
    writer, reader = world.imap.client(select="INBOX"), world.imap.client(select="INBOX")
    reader.exchange(b"i IDLE\r\n")
    # The first at once, and of a burst all that there is.
    writer.append(LETTER)
    assert "* 1 EXISTS" in reader.heard()
    for _ in range(5):
        writer.append(LETTER)
    writer.say("STORE 3 +FLAGS.SILENT (\\Flagged)")
    writer.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    writer.say("EXPUNGE")
    world.pass_by(WITHIN_SECONDS)
    said = reader.heard()
    assert said[0] == "* 1 EXPUNGE"
    assert said[1] == "* 5 EXISTS"
    assert reader.exchange(b"DONE\r\n") == b"i OK IDLE completed\r\n"
    assert reader.say("UID FETCH 1:* FLAGS")[1] == "* 2 FETCH (UID 3 FLAGS (\\Flagged \\Recent))"


def test_a_notice_that_is_lost_is_found_by_the_slow_look(replicas: Callable[[float], Replicas]) -> None:
    world = replicas(20.0)
    writer, reader = world.imap.client(select="INBOX"), world.imap.client(select="INBOX")
    world.bus.loses = True
    reader.exchange(b"i IDLE\r\n")
    writer.append(LETTER)
    world.pass_by(1)
    assert reader.heard() == []
    world.pass_by(20)
    assert "* 1 EXISTS" in reader.heard()


@pytest.mark.parametrize("command", ["NOOP", "CHECK"])
def test_or_by_the_command_that_asks_for_it(replicas: Callable[[float], Replicas], command: str) -> None:
    world = replicas(600.0)
    writer, reader = world.imap.client(select="INBOX"), world.imap.client(select="INBOX")
    world.bus.loses = True
    writer.append(LETTER)
    assert "* 1 EXISTS" in reader.say(command)


def test_or_by_any_command_after_a_while(replicas: Callable[[float], Replicas]) -> None:
    world = replicas(20.0)
    writer, reader = world.imap.client(select="INBOX"), world.imap.client(select="INBOX")
    world.bus.loses = True
    writer.append(LETTER)
    assert reader.say("UID FETCH 1 FLAGS") == ["OK FETCH completed"]
    world.pass_by(20)
    assert "* 1 EXISTS" in reader.say("UID FETCH 9 FLAGS")
    # Nobody looks more often than that.
    writer.append(LETTER)
    assert reader.say("UID FETCH 9 FLAGS") == ["OK FETCH completed"]
