"""Who is sent away early because there is too much to do."""

import asyncio
import itertools

import pytest
from mailproto.smtp.reply import Reply
from smtp_gateway.core.roles import Role
from smtp_gateway.edge.load import BUSY, TOO_BUSY, Load

from tests.support.fake_gateway import converse

HELLO, MAIL, RCPT = b"EHLO c.test\r\n", b"MAIL FROM:<x@peer.test>\r\n", b"RCPT TO:<jones@foo.com>\r\n"
WHOLE = (b"DATA\r\n", b"From: x@peer.test\r\n\r\nx\r\n.\r\n")


def test_so_many_messages_are_accepted_at_once() -> None:
    load = Load(accepting_at_once=2)
    for _ in range(2):
        assert load.message_refusal() is None
        load.begin()
    assert load.message_refusal() is BUSY
    # Whoever connects is greeted: it is soon over.
    assert load.session_refusal() is None
    load.end()
    assert load.message_refusal() is None


@pytest.mark.parametrize(
    ("looks", "refusal"),
    [
        ([0.1, 0.9, 0.1], None),
        # Held still once.
        ([60.0], None),
        ([60.0, 0.0], None),
        ([1.1, 1.1], TOO_BUSY),
        ([1.1, 1.1, 0.6], TOO_BUSY),
        ([1.1, 1.1, 0.4], None),
        ([1.1, 1.1, 0.4, 1.1], None),
        ([1.1, 0.2, 1.1, 0.2], None),
    ],
)
def test_a_process_that_comes_late_again_and_again_greets_nobody(
    looks: list[float], refusal: Reply | None
) -> None:
    load = Load(lag_seconds=1.0)
    for late in looks:
        load.came(late)
    assert load.session_refusal() is refusal
    assert (load.message_refusal() is BUSY) is (refusal is not None)


def test_no_limit_is_no_limit() -> None:
    load = Load()
    for _ in range(1000):
        load.begin()
        load.came(100.0)
    assert load.message_refusal() is None
    assert load.session_refusal() is None


@pytest.mark.parametrize("role", [Role.MX, Role.LMTP])
def test_a_busy_door_says_so_before_a_message_is_sent(role: Role) -> None:
    load = Load(accepting_at_once=1)
    load.begin()
    hello = b"LHLO c.test\r\n" if role is Role.LMTP else HELLO
    said, gate, _ = converse(role, [hello, MAIL], load=load)
    assert said.endswith(b"451 4.3.2 We have too much to do now; try again later\r\n")
    load.end()
    said, gate, _ = converse(role, [hello, MAIL, RCPT, *WHOLE], load=load)
    assert len(gate.letters) == 1
    assert load.message_refusal() is None


def test_a_late_process_sends_connections_away() -> None:
    load = Load(lag_seconds=1.0)
    for _ in range(2):
        load.came(2.0)
    assert converse(Role.MX, [HELLO], load=load)[0] == TOO_BUSY.encode()
    load.came(0.0)
    assert converse(Role.MX, [HELLO], load=load)[0].startswith(b"220 ")


def test_how_late_it_is_is_looked_at_until_the_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtp_gateway.edge.load.LOOK_SECONDS", 0.0)
    # Each look at the clock is ten seconds after the one before.
    load, draining = Load(lag_seconds=5.0, clock=itertools.count(0.0, 10.0).__next__), asyncio.Event()
    seen: list[float] = []
    came = load.came

    def watched(late_seconds: float) -> None:
        came(late_seconds)
        seen.append(late_seconds)
        if len(seen) == 3:
            draining.set()

    monkeypatch.setattr(load, "came", watched)
    asyncio.run(load.run(draining))
    assert seen == [10.0] * 3
    assert load.session_refusal() is TOO_BUSY
