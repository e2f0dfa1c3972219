"""The golden dialogues of ManageSieve, played against the machine in memory."""

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from mailproto.managesieve import events
from mailproto.managesieve.server import ManageSieveServer, Offer
from mailproto.sasl import MECHANISMS
from mailproto.sasl import scram_exchange as scram
from mailproto.sasl.scram import derive

from tests.support import dialogue

HERE = Path(__file__).parent
OFFER = Offer("Posthouse", ("fileinto", "vacation"), script_octets=2000, most_redirects=4)


def test_rfc7677(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "mailproto.sasl.scram_exchange.secrets.token_urlsafe", lambda _: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    keys = derive("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)
    known = scram.Offer(keys.salt, 4096, [scram.Candidate("c1", keys.stored_key, keys.server_key)])
    machine = ManageSieveServer(
        replace(OFFER, mechanisms=(*scram.BOUND_SCRAM_MECHANISMS, *MECHANISMS)),
        tls_offered=False,
        tls_active=False,
        plaintext_allowed=True,
    )

    def exchange(data: bytes) -> bytes:
        machine.receive(data)
        while (event := machine.next_event()) is not None:
            match event:
                case events.ScramAsked(login):
                    assert login == "user"
                    machine.scram_offered(known)
                case events.ScramProven(_, "c1"):
                    machine.login_succeeded("user@example.test")
                case events.ScramProven():
                    machine.login_failed(try_later=False)
                case _:
                    break
        return machine.data_to_send()

    dialogue.play(dialogue.load(HERE / "rfc7677-scram.txt"), exchange)
