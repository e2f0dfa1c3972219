"""SCRAM-SHA-256 as an AUTH exchange of base64 lines (RFC 5802, RFC 7677), without I/O.

    exchange.first_challenge()              an empty one, for a client that gave no initial response
    exchange.answer(client-first)           LoginAsked: ask for the salt and the keys
    exchange.offered(offer)                 Challenge: server-first
    exchange.answer(client-final)           Proven: ask whether that lets in; if so send `last_word`
    exchange.answer(an empty line)          Done: now say that it went well

An account may have several passwords with one salt (`Offer`): which of them the client has shows in its proof. Where
there is none the exchange goes on all the same, and no proof is right.
"""

from __future__ import annotations

import binascii
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from mailproto.sasl.exchange import Challenge
from mailproto.sasl.scram import (
    KEY_OCTETS,
    MECHANISM,
    MECHANISM_PLUS,
    ChannelBinding,
    Granted,
    LoginAsked,
    Refused,
    ScramFault,
    ScramServer,
    Verifier,
)

SCRAM_MECHANISMS = (MECHANISM,)
# With the one that is bound to its TLS connection; that is offered only there.
BOUND_SCRAM_MECHANISMS = (MECHANISM_PLUS, MECHANISM)
NOT_BOUND = ChannelBinding()


@dataclass(frozen=True, slots=True)
class Candidate:
    """One password that the proof may be of."""

    credential_id: str
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Offer:
    """What the server keeps of a login's passwords: one salt and one count for all of them."""

    salt: bytes
    iterations: int
    candidates: Sequence[Candidate]


@dataclass(frozen=True, slots=True)
class Proven:
    """The proof was that of this credential; "" where it was wrong."""

    login: str
    credential_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The exchange ended before there was a proof; nothing was guessed."""

    reason: str


class Done(Enum):
    """The client has seen our proof."""

    DONE = "done"


class _Stage(Enum):
    FIRST = "client-first"
    OFFER = "offer"
    FINAL = "client-final"
    LAST = "the empty answer"


Step = LoginAsked | Challenge | Proven | Done | Failed


class ScramExchange:
    """One exchange. `nonce` is random; a test may give one. `binding` is of the TLS connection, whether it is used or not:
    a client that was told of none notices.
    """

    def __init__(
        self, nonce: str = "", mechanism: bytes = MECHANISM, binding: ChannelBinding = NOT_BOUND
    ) -> None:
        self._server = ScramServer(mechanism, nonce or secrets.token_urlsafe(24), binding)
        self._stage = _Stage.FIRST
        self._login = ""
        self._verifiers: list[tuple[str, Verifier]] = []
        self._last_word = b""

    def first_challenge(self) -> Challenge:
        """For a client that gave no initial response."""
        return Challenge(b"")

    def answer(self, line: bytes) -> Step:
        """The client's next line; `*` cancels, `=` is the empty answer (RFC 5034 §4)."""
        if line == b"*":
            return Failed("Cancelled")
        try:
            octets = b"" if line == b"=" else binascii.a2b_base64(line, strict_mode=True)
        except binascii.Error:
            return Failed("That is no base64")
        match self._stage:
            case _Stage.FIRST:
                return self._first(octets)
            case _Stage.FINAL:
                return self._final(octets)
            case _Stage.LAST:
                return Failed("An empty answer was awaited") if octets else Done.DONE
            case _Stage.OFFER:
                raise RuntimeError("the offer comes first")

    def _first(self, octets: bytes) -> Step:
        asked = self._server.first(octets)
        if isinstance(asked, Refused):
            return _failed(asked)
        self._login = asked.login
        self._stage = _Stage.OFFER
        return asked

    def offered(self, offer: Offer) -> Challenge:
        """server-first."""
        self._verifiers = [
            (each.credential_id, Verifier(offer.salt, offer.iterations, each.stored_key, each.server_key))
            for each in offer.candidates
        ] or [("", Verifier(offer.salt, offer.iterations, *_nobodys_keys()))]
        self._stage = _Stage.FINAL
        return _line(self._server.challenge(self._verifiers[0][1]))

    def _final(self, octets: bytes) -> Step:
        self._stage = _Stage.LAST
        for credential_id, verifier in self._verifiers:
            # The same salt and count make the same challenge: only what the proof is held against differs.
            self._server.challenge(verifier)
            outcome = self._server.final(octets)
            if isinstance(outcome, Granted):
                self._last_word = outcome.message
                return Proven(self._login, credential_id)
            if outcome.fault is not ScramFault.PROOF:
                return _failed(outcome)
        return Proven(self._login, "")

    @property
    def last_word(self) -> Challenge:
        """server-final, once it is clear that the client may enter."""
        return _line(self._last_word)


def _nobodys_keys() -> tuple[bytes, bytes]:
    return secrets.token_bytes(KEY_OCTETS), secrets.token_bytes(KEY_OCTETS)


def _failed(refused: Refused) -> Failed:
    return Failed(f"That is no SCRAM as it is meant: {refused.fault.value}")


def _line(octets: bytes) -> Challenge:
    return Challenge(binascii.b2a_base64(octets, newline=False))
