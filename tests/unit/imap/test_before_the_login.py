"""What is held back, thrown away or told of a connection until somebody has come in, and in one command at most."""

import asyncio
from contextlib import closing
from types import SimpleNamespace
from typing import Any, cast

import pytest
from imap.edge import wire as edge_wire
from imap.edge.wire import Over
from imap.edge.wire import Wire as Edge
from imap.settings import Settings

from tests.support.imap_memory import PASSWORD, Imap, Wire
from tests.support.scram import ScramClient


def test_who_takes_his_time_for_the_last_line_can_be_sent_away(imap: Imap) -> None:
    for last, owner, answer in ((b"", ("tenant", "alice"), b"a OK"), (b"*", None, b"a BAD")):
        client = imap.connect()
        client.exchange(b"")
        wire = cast(Any, client._wire)
        wire.owner = None
        proof = ScramClient("alice", PASSWORD)
        first = client.exchange(b"a AUTHENTICATE SCRAM-SHA-256 " + proof.first() + b"\r\n").strip()
        client.exchange(proof.answer(first.removeprefix(b"+ ")) + b"\r\n")
        # The password was right: from now on it is asked whether it still is (ADR 21).
        assert wire.owner[:2] == ("tenant", "alice")
        assert client.exchange(last + b"\r\n").startswith(answer)
        assert (wire.owner and wire.owner[:2]) == owner


@pytest.mark.parametrize("octets", [1000, 10_000])
def test_literals_are_counted_together(imap: Imap, octets: int) -> None:
    alice = imap.client(select="INBOX")
    fit = 64 * 1024 // octets
    words = b" ".join(b"TEXT {%d+}\r\n" % octets + b"z" * octets for _ in range(fit))
    assert alice.say(b"SEARCH " + words)[-1].startswith("OK")
    said = alice.say(b"SEARCH " + words + b" TEXT {%d+}\r\n" % octets + b"z" * octets)
    assert said == [f"BAD [LIMIT] A literal has at most {64 * 1024} octets here"]
    assert alice.say("NOOP")[-1].startswith("OK")


async def test_what_came_in_clear_is_not_there_in_tls() -> None:
    plain = Wire(1, is_tls=False)
    edge = Edge(cast(Any, plain), Settings.model_construct(login_seconds=60.0, idle_seconds=60.0))
    # In the segment of STARTTLS itself, begun and whole.
    plain.feed(b"b LOGIN mallory x\r\nc SELECT {5+}\r\nab")
    await edge.read()
    await edge.start_tls(cast(Any, None))
    assert edge.event_at_hand() is None
    assert edge.is_between_commands
    plain.feed(b"a NOOP\r\n")
    await asyncio.wait_for(edge.read(), 5)
    assert getattr(edge.event_at_hand(), "octets", b"") == b"a NOOP"


async def test_the_time_for_the_login_is_one_however_often_something_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, given = 1000.0, []

    class Dribbler(Wire):
        async def read(self, timeout_seconds: float | None = None) -> bytes:
            nonlocal now
            given.append(timeout_seconds)
            if not timeout_seconds:
                raise TimeoutError
            now += 25.0
            return b"x"

        async def drain(self, timeout_seconds: float | None = None) -> None:
            given.append(timeout_seconds)

    monkeypatch.setattr(edge_wire, "time", SimpleNamespace(monotonic=lambda: now))
    wire = Dribbler(1, is_tls=True)
    edge = Edge(cast(Any, wire), Settings.model_construct(login_seconds=60.0, idle_seconds=1800.0))
    for _ in range(3):
        await edge.read()
    with pytest.raises(Over):
        await edge.read()
    assert given == [60.0, 35.0, 10.0, 0.0]
    assert bytes(wire.sent).startswith(b"* BYE ")
    # Who is in has time for each command, and who has given his login back has no more than before it.
    edge.trust()
    await edge.read()
    edge.distrust()
    await edge.read()
    assert given[4:] == [1800.0, 60.0]
    # Who asks and does not read is a stranger no longer than that either.
    await edge.say(b"x" * edge_wire.HELD_OCTETS)
    assert given[6:] == [35.0]


def test_who_has_given_the_login_back_sends_no_long_literals() -> None:
    with closing(Imap(unauthenticate="on")) as imap:
        alice = imap.client()
        assert alice.say(b"SELECT {9000+}\r\n" + b"z" * 9000)[-1].startswith("NO")
        assert alice.say("UNAUTHENTICATE")[-1].startswith("OK")
        assert alice.say(b"LOGIN x {9000+}\r\n" + b"z" * 9000) == [
            "BAD [LIMIT] A literal has at most 8192 octets here"
        ]
