"""AUTHENTICATE SCRAM-SHA-256 and its bound sister at the ManageSieve machine."""

import base64

import pytest
from mailproto.managesieve import events
from mailproto.managesieve.responses import string
from mailproto.managesieve.server import ManageSieveServer, Offer
from mailproto.sasl.scram import ChannelBinding, derive
from mailproto.sasl.scram_exchange import BOUND_SCRAM_MECHANISMS, Candidate
from mailproto.sasl.scram_exchange import Offer as ScramOffer

from tests.support.scram import ScramClient

KEYS = derive("secret", b"salt of sixteen.", 4096)
KNOWN = ScramOffer(b"salt of sixteen.", 4096, [Candidate("c1", KEYS.stored_key, KEYS.server_key)])
END_POINT = b"digest of the certificate"
TYPE = "p=tls-server-end-point"
BOUND = ChannelBinding({"tls-server-end-point": END_POINT})


def opened(binding: ChannelBinding) -> ManageSieveServer:
    """After STARTTLS, with what was heard of the connection there."""
    offer = Offer("P", ("fileinto",), script_octets=2000, most_redirects=4, mechanisms=BOUND_SCRAM_MECHANISMS)
    machine = ManageSieveServer(offer, tls_offered=True, tls_active=False, plaintext_allowed=False)
    assert b'"SASL" ""' in machine.data_to_send()
    machine.receive(b"STARTTLS\r\n")
    assert isinstance(machine.next_event(), events.StartTls)
    machine.data_to_send()
    machine.channel_binding = binding
    machine.tls_started()
    shown = b'"SASL" "SCRAM-SHA-256-PLUS SCRAM-SHA-256"' if binding.data else b'"SASL" "SCRAM-SHA-256"'
    assert shown in machine.data_to_send()
    return machine


def say(machine: ManageSieveServer, line: bytes, *, away: bool = False) -> bytes:
    machine.receive(line + b"\r\n")
    event = machine.next_event()
    if isinstance(event, events.ScramAsked):
        if away:
            machine.login_failed(try_later=True)
        else:
            machine.scram_offered(KNOWN if event.login == "alice" else ScramOffer(KNOWN.salt, 4096, []))
        assert machine.next_event() is None
    elif isinstance(event, events.ScramProven):
        if event.credential_id == "c1":
            machine.login_succeeded("alice@example.test")
        else:
            machine.login_failed(try_later=False)
    return machine.data_to_send()


def enter(machine: ManageSieveServer, mechanism: bytes, client: ScramClient) -> bytes:
    said = say(machine, b'AUTHENTICATE "' + mechanism + b'" ' + string(client.first()))
    if said.startswith(b'"'):
        said = say(machine, string(client.answer(said.strip(b'"\r\n'))))
    if said.startswith(b"OK "):
        client.check(said.split(b'"')[1])
    return said


def test_a_proof_lets_in_bound_or_not() -> None:
    client = ScramClient("alice", "secret", flag=TYPE, bound=END_POINT)
    machine = opened(BOUND)
    assert enter(machine, b"SCRAM-SHA-256-PLUS", client).startswith(b'OK (SASL "')
    assert machine.user == "alice"
    assert say(machine, b"NOOP") == b'OK "Done"\r\n'
    assert enter(opened(BOUND), b"SCRAM-SHA-256", ScramClient("alice", "secret")).startswith(b"OK ")


@pytest.mark.parametrize(
    ("mechanism", "flag", "bound"),
    [
        (b"SCRAM-SHA-256-PLUS", TYPE, b"of somebody in between"),
        (b"SCRAM-SHA-256-PLUS", "p=tls-exporter", END_POINT),
        (b"SCRAM-SHA-256-PLUS", "n", b""),
        (b"SCRAM-SHA-256", TYPE, END_POINT),
        # The client knows PLUS and was not offered it: somebody in between took it away.
        (b"SCRAM-SHA-256", "y", b""),
    ],
)
def test_what_is_bound_wrongly_lets_nobody_in(mechanism: bytes, flag: str, bound: bytes) -> None:
    machine = opened(BOUND)
    said = enter(machine, mechanism, ScramClient("alice", "secret", flag=flag, bound=bound))
    assert said.startswith(b'NO "That is no SCRAM as it is meant')
    assert machine.user is None
    assert enter(machine, b"SCRAM-SHA-256", ScramClient("alice", "secret")).startswith(b"OK ")


def test_without_a_binding_there_is_no_plus() -> None:
    client = ScramClient("alice", "secret", flag=TYPE, bound=END_POINT)
    assert enter(opened(ChannelBinding()), b"SCRAM-SHA-256-PLUS", client) == b'NO "Unknown mechanism"\r\n'


def test_a_wrong_password_and_an_unknown_login_sound_the_same_and_end_it() -> None:
    machine = opened(ChannelBinding())
    for login, password in [("alice", "guess"), ("nobody", "secret")] * 2:
        assert (
            enter(machine, b"SCRAM-SHA-256", ScramClient(login, password))
            == b'NO "Authentication failed"\r\n'
        )
    last = enter(machine, b"SCRAM-SHA-256", ScramClient("nobody", "x"))
    assert last == b'BYE "Authentication failed too often"\r\n'


def test_a_directory_that_is_away_and_a_client_that_goes_on_wrongly() -> None:
    machine = opened(ChannelBinding())
    first = string(ScramClient("alice", "secret").first())
    assert say(machine, b'AUTHENTICATE "SCRAM-SHA-256" ' + first, away=True).startswith(b"NO (TRYLATER)")
    assert say(machine, b"NOOP") == b'OK "Done"\r\n'
    assert say(machine, b'AUTHENTICATE "SCRAM-SHA-256" ' + first).startswith(b'"')
    assert say(machine, b'"!"') == b'NO "That is no base64"\r\n'
    assert say(machine, b'AUTHENTICATE "SCRAM-SHA-256" ' + first).startswith(b'"')
    assert say(machine, string(base64.b64encode(b"c=biws"))).startswith(b'NO "That is no SCRAM')
    assert say(machine, b'AUTHENTICATE "SCRAM-SHA-256" ' + first).startswith(b'"')
    assert say(machine, b"NOOP") == b'NO "An answer is one string"\r\n'
    assert machine.user is None
