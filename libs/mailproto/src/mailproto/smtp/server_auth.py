"""AUTH (RFC 4954): one exchange of challenges and answers, as replies."""

from typing import assert_never

from mailproto.sasl import (
    Bearer,
    BearerExchange,
    Challenge,
    Credentials,
    External,
    Fault,
    TokenRefusal,
)
from mailproto.sasl.choosing import exchange_of
from mailproto.sasl.scram import ChannelBinding, LoginAsked
from mailproto.sasl.scram_exchange import (
    NOT_BOUND,
    Done,
    Failed,
    Offer,
    Proven,
    ScramExchange,
)
from mailproto.smtp.reply import Reply
from mailproto.smtp.server_commands import Auth
from mailproto.smtp.server_events import AuthAsked, CertificateAsked, ScramAsked, ScramProven, TokenAsked

Step = Reply | AuthAsked | TokenAsked | CertificateAsked | ScramAsked | ScramProven


class AuthDialogue:
    """From the command to what the driver must decide, or to the fault that ended it.

    With SCRAM it goes on after a good decision: the server proves itself too (`last_word`), and the client answers
    with an empty line before it hears that it is in. With a token it goes on after a bad one (`token_refused`).
    """

    def __init__(self, mechanism: bytes, binding: ChannelBinding = NOT_BOUND) -> None:
        self._exchange = exchange_of(mechanism, binding)
        self._mechanism = mechanism.decode("ascii")
        self._welcome: Reply | None = None
        self._refusal: Reply | None = None

    def begin(self, auth: Auth) -> Step:
        """The answer to the command: 334 goes on, every other reply ends it."""
        if auth.initial is None:
            return _challenge(self._exchange.first_challenge())
        return self.step(auth.initial)

    def step(self, line: bytes) -> Step:
        """The answer to the peer's next line."""
        outcome = self._exchange.answer(line)
        match outcome:
            case Challenge():
                return _challenge(outcome)
            case Credentials():
                return AuthAsked(self._mechanism, outcome)
            case LoginAsked():
                return ScramAsked(outcome.login)
            case Proven():
                return ScramProven(outcome.login, outcome.credential_id)
            case Fault.CANCELLED | Fault.NO_BASE64 | Fault.NO_MESSAGE | Fault.NO_NAME | Fault.NO_BEARER:
                return Reply.of(501, "5.5.2", outcome.value)
            case Bearer():
                return TokenAsked(outcome)
            case External():
                return CertificateAsked(outcome)
            case Fault.REFUSED if self._refusal is not None:
                return self._refusal
            case Fault.REFUSED:
                return Reply.of(535, "5.7.8", outcome.value)
            case Failed():
                return Reply.of(501, "5.5.2", outcome.reason)
            case Done():
                assert self._welcome is not None
                return self._welcome
            case _:
                assert_never(outcome)

    def offered(self, offer: Offer) -> Reply:
        """The salt and the keys of the login that ScramAsked named."""
        assert isinstance(self._exchange, ScramExchange)
        return _challenge(self._exchange.offered(offer))

    def last_word(self, welcome: Reply) -> Reply:
        """What stands before `welcome`; that follows when the client has seen this."""
        assert isinstance(self._exchange, ScramExchange)
        self._welcome = welcome
        return _challenge(self._exchange.last_word)

    def token_refused(self, refusal: TokenRefusal, reply: Reply) -> Reply:
        """What stands before `reply`; that follows when the client has answered."""
        assert isinstance(self._exchange, BearerExchange)
        self._refusal = reply
        return _challenge(self._exchange.refused(refusal))

    @property
    def proves_itself(self) -> bool:
        """The server has a last word before a client is in."""
        return isinstance(self._exchange, ScramExchange)

    @property
    def is_welcome(self) -> bool:
        """The driver has let the client in."""
        return self._welcome is not None


def _challenge(challenge: Challenge) -> Reply:
    return Reply.of(334, "", challenge.line.decode("ascii"))
