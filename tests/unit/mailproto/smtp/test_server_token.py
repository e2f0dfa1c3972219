"""AUTH OAUTHBEARER and XOAUTH2 (RFC 7628 §4): at once, in turns, refused with a reason; long tokens."""

import pytest
from mailproto.sasl import BEARER_MECHANISMS
from mailproto.smtp import server_events as events
from mailproto.smtp.reply import Reply
from mailproto.smtp.server import ServerMachine
from mailproto.smtp.server_config import ServerConfig

from tests.support.bearer import REFUSAL, RESPONSES, TOKEN, why_not

IN = Reply.of(235, "2.7.0", "Welcome")
OUT = Reply.of(535, "5.7.8", "The token is not taken")


def opened() -> ServerMachine:
    config = ServerConfig(hostname="s.test", size_limit_octets=1000, mechanisms=BEARER_MECHANISMS)
    machine = ServerMachine(config, offers_tls=False, offers_auth=True)
    say(machine, b"EHLO c.test")
    return machine


def say(machine: ServerMachine, line: bytes) -> bytes:
    """A line without its end; what is said until a token is asked about."""
    machine.feed(line + b"\r\n")
    event = machine.next_event()
    assert event is None or isinstance(event, events.TokenAsked)
    if event is not None:
        if event.bearer.token.startswith(TOKEN):
            assert event.bearer.login == "alice"
            machine.answer(IN)
        else:
            machine.token_refused(REFUSAL, OUT)
        assert machine.next_event() is None
    return machine.output()


@pytest.mark.parametrize("mechanism", RESPONSES)
def test_a_good_token(mechanism: bytes) -> None:
    response = RESPONSES[mechanism]("alice")
    machine = opened()
    assert say(machine, b"AUTH " + mechanism + b" " + response).startswith(b"235")
    assert machine.authenticated
    machine = opened()
    assert say(machine, b"AUTH " + mechanism) == b"334 \r\n"
    assert say(machine, response).startswith(b"235")
    assert say(machine, b"NOOP").startswith(b"250")


@pytest.mark.parametrize("last", [b"AQ==", b"", b"*"])
@pytest.mark.parametrize("mechanism", RESPONSES)
def test_a_bad_token_and_another_try(mechanism: bytes, last: bytes) -> None:
    machine = opened()
    told = say(machine, b"AUTH " + mechanism + b" " + RESPONSES[mechanism]("alice", "bad"))
    assert told.startswith(b"334 ")
    assert why_not(told[4:].strip())["scope"] == "mail"
    assert say(machine, last) == b"535 5.7.8 The token is not taken\r\n"
    assert not machine.authenticated
    assert say(machine, b"AUTH " + mechanism + b" " + RESPONSES[mechanism]("alice")).startswith(b"235")


def test_nonsense_is_refused_without_asking() -> None:
    machine = opened()
    assert say(machine, b"AUTH OAUTHBEARER bm9uc2Vuc2U=").startswith(b"501")
    assert say(machine, b"NOOP").startswith(b"250")


@pytest.mark.parametrize("octets", [2_000, 8_000])
def test_a_long_token(octets: int) -> None:
    response = RESPONSES[b"XOAUTH2"]("alice", TOKEN + "x" * octets)
    assert say(opened(), b"AUTH XOAUTH2 " + response).startswith(b"235")
    machine = opened()
    say(machine, b"AUTH XOAUTH2")
    assert say(machine, response).startswith(b"235")


def test_there_is_an_end_to_long_lines() -> None:
    machine = opened()
    assert say(machine, b"AUTH XOAUTH2 " + b"A" * 13_000).startswith(b"500")
    assert say(machine, b"NOOP " + b"A" * 3_000).startswith(b"500")
    for start in (b"AUTH XOAUTH2 ", b"NOOP "):
        for _ in range(100):
            machine.feed(start + b"A" * 1_000)
            assert machine.next_event() is None
            assert len(machine._input) <= 14_000
        machine.feed(b"\r\n")
        machine.next_event()
        assert machine.output().startswith(b"500")
    assert say(machine, b"NOOP").startswith(b"250")
