"""AUTH (RFC 4954): one exchange of challenges and answers, as replies."""

from typing import assert_never

from mailproto.sasl import Challenge, Credentials, Fault, SaslExchange
from mailproto.smtp.reply import Reply
from mailproto.smtp.server_commands import Auth
from mailproto.smtp.server_events import AuthAsked


class AuthDialogue:
    """From the command to the credentials, or to the fault that ended it."""

    def __init__(self, mechanism: bytes) -> None:
        self._exchange = SaslExchange(mechanism)
        self._mechanism = mechanism.decode("ascii")

    def begin(self, auth: Auth) -> Reply | AuthAsked:
        """The answer to the command: 334 goes on, everything else ends it."""
        if auth.initial is None:
            return _challenge(self._exchange.first_challenge())
        return self.step(auth.initial)

    def step(self, line: bytes) -> Reply | AuthAsked:
        """The answer to the peer's next line."""
        outcome = self._exchange.answer(line)
        match outcome:
            case Challenge():
                return _challenge(outcome)
            case Credentials():
                return AuthAsked(self._mechanism, outcome)
            case Fault.CANCELLED | Fault.NO_BASE64 | Fault.NO_MESSAGE:
                return Reply.of(501, "5.5.2", outcome.value)
            case Fault.REFUSED:
                return Reply.of(535, "5.7.8", outcome.value)
            case _:
                assert_never(outcome)


def _challenge(challenge: Challenge) -> Reply:
    return Reply.of(334, "", challenge.line.decode("ascii"))
