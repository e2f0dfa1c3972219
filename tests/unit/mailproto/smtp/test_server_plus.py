"""AUTH SCRAM-SHA-256-PLUS: bound to the connection's certificate, offered only there, and no way round it."""

import pytest
from mailproto.sasl.scram import ChannelBinding, derive
from mailproto.sasl.scram_exchange import BOUND_SCRAM_MECHANISMS, Candidate, Offer
from mailproto.smtp import server_events as events
from mailproto.smtp.reply import Reply
from mailproto.smtp.server import ServerMachine
from mailproto.smtp.server_config import ServerConfig

from tests.support.scram import ScramClient

KEYS = derive("secret", b"salt of sixteen.", 4096)
OFFER = Offer(b"salt of sixteen.", 4096, [Candidate("c1", KEYS.stored_key, KEYS.server_key)])
END_POINT = b"digest of the certificate"
TYPE = "p=tls-server-end-point"


def opened(binding: ChannelBinding) -> ServerMachine:
    config = ServerConfig(hostname="s.test", size_limit_octets=1000, mechanisms=BOUND_SCRAM_MECHANISMS)
    machine = ServerMachine(config, offers_tls=False, offers_auth=True)
    machine.channel_binding = binding
    say(machine, b"EHLO c.test")
    return machine


def say(machine: ServerMachine, line: bytes) -> bytes:
    machine.feed(line + b"\r\n")
    event = machine.next_event()
    if isinstance(event, events.ScramAsked):
        machine.scram_offered(OFFER)
        assert machine.next_event() is None
    elif isinstance(event, events.ScramProven):
        good = event.credential_id == "c1"
        machine.answer(Reply.of(235, "2.7.0", "Welcome") if good else Reply.of(535, "5.7.8", "No"))
    return machine.output()


def enter(machine: ServerMachine, mechanism: bytes, client: ScramClient) -> bytes:
    said = say(machine, b"AUTH " + mechanism + b" " + client.first())
    if not said.startswith(b"334 "):
        return said
    said = say(machine, client.answer(said[4:].strip()))
    if not said.startswith(b"334 "):
        return said
    client.check(said[4:].strip())
    return say(machine, b"")


BOUND = ChannelBinding({"tls-server-end-point": END_POINT})


def test_a_bound_exchange_lets_in() -> None:
    client = ScramClient("alice", "secret", flag=TYPE, bound=END_POINT)
    assert enter(opened(BOUND), b"SCRAM-SHA-256-PLUS", client).startswith(b"235")
    assert enter(opened(BOUND), b"SCRAM-SHA-256", ScramClient("alice", "secret")).startswith(b"235")


@pytest.mark.parametrize(
    ("mechanism", "flag", "bound"),
    [
        # Somebody in between with another certificate.
        (b"SCRAM-SHA-256-PLUS", TYPE, b"digest of another one"),
        (b"SCRAM-SHA-256-PLUS", "p=tls-unique", b"x"),
        (b"SCRAM-SHA-256-PLUS", "n", b""),
        # Somebody took PLUS out of the list.
        (b"SCRAM-SHA-256", "y", b""),
    ],
)
def test_what_is_bound_to_something_else_does_not(mechanism: bytes, flag: str, bound: bytes) -> None:
    client = ScramClient("alice", "secret", flag=flag, bound=bound)
    machine = opened(BOUND)
    assert enter(machine, mechanism, client).startswith(b"501")
    assert not machine.authenticated


def test_without_anything_to_be_bound_to_it_is_not_offered() -> None:
    machine = opened(ChannelBinding())
    client = ScramClient("alice", "secret", flag=TYPE, bound=END_POINT)
    assert enter(machine, b"SCRAM-SHA-256-PLUS", client).startswith(b"504")
    assert enter(machine, b"SCRAM-SHA-256", ScramClient("alice", "secret", flag="y")).startswith(b"235")
