"""SCRAM as lines of base64: one password, several, none; and what ends an exchange without a guess."""

import base64
from collections.abc import Sequence

import pytest
from mailproto.sasl.exchange import Challenge
from mailproto.sasl.scram import LoginAsked, derive
from mailproto.sasl.scram_exchange import Candidate, Done, Failed, Offer, Proven, ScramExchange

from tests.support.scram import ScramClient

SALT = b"sixteen octets.."


def offer(*passwords: str) -> Offer:
    made = []
    for number, password in enumerate(passwords):
        keys = derive(password, SALT, 4096)
        made.append(Candidate(f"c{number}", keys.stored_key, keys.server_key))
    return Offer(SALT, 4096, made)


def played(password: str, known: Offer) -> tuple[ScramExchange, ScramClient, object]:
    """Up to the proof."""
    exchange, client = ScramExchange(), ScramClient("alice@example.test", password)
    assert exchange.first_challenge() == Challenge(b"")
    assert exchange.answer(client.first()) == LoginAsked("alice@example.test")
    return exchange, client, exchange.answer(client.answer(exchange.offered(known).line))


@pytest.mark.parametrize("known", [["right"], ["other", "right", "third"]])
def test_a_right_proof_names_its_credential_and_the_server_proves_itself(known: Sequence[str]) -> None:
    exchange, client, step = played("right", offer(*known))
    assert step == Proven("alice@example.test", f"c{known.index('right')}")
    client.check(exchange.last_word.line)
    assert exchange.answer(b"") is Done.DONE


@pytest.mark.parametrize("known", [[], ["other"], ["other", "third"]])
def test_a_wrong_proof_is_of_no_credential(known: Sequence[str]) -> None:
    assert played("right", offer(*known))[2] == Proven("alice@example.test", "")


def test_nonces_differ() -> None:
    client = ScramClient("a@b.test", "x")
    lines = set()
    for _ in range(20):
        exchange = ScramExchange()
        exchange.answer(client.first())
        lines.add(exchange.offered(offer("x")).line)
    assert len(lines) == 20


@pytest.mark.parametrize(
    "line",
    [
        b"*",
        b"!!!",
        b"",
        b"=",
        base64.b64encode(b"nonsense"),
        base64.b64encode(b"p=tls-unique,,n=a,r=b"),
        b"A" * 9000,
    ],
)
def test_what_is_no_first_message_ends_it(line: bytes) -> None:
    assert isinstance(ScramExchange().answer(line), Failed)


@pytest.mark.parametrize("line", [b"*", b"!!!", b"", base64.b64encode(b"c=biws,r=x,p=eA=="), b"A" * 9000])
def test_what_is_no_proof_is_no_guess(line: bytes) -> None:
    exchange = ScramExchange()
    exchange.answer(ScramClient("a@b.test", "x").first())
    exchange.offered(offer("x"))
    assert isinstance(exchange.answer(line), Failed)


def test_the_last_answer_is_empty() -> None:
    exchange, _, _ = played("right", offer("right"))
    assert exchange.answer(b"=") is Done.DONE
    exchange, _, _ = played("right", offer("right"))
    assert isinstance(exchange.answer(base64.b64encode(b"more")), Failed)


def test_no_key_is_shown_in_logs() -> None:
    known = offer("right")
    assert str(known.candidates[0].stored_key) not in repr(known)
