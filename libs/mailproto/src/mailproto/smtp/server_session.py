"""The server's session under its commands: octets, lines, the driver's answers, budgets. What each command does is
in `server`.
"""

from abc import ABC, abstractmethod
from typing import assert_never

from mailproto.sasl import TokenRefusal
from mailproto.sasl.scram_exchange import NOT_BOUND, Offer
from mailproto.smtp import server_events as events
from mailproto.smtp.reply import Charset, Reply
from mailproto.smtp.server_auth import AuthDialogue, Step
from mailproto.smtp.server_commands import Hello, Mail
from mailproto.smtp.server_config import Dialect, ServerConfig, State, Waiting
from mailproto.smtp.server_incoming import Incoming
from mailproto.smtp.server_input import AUTH_OCTETS, LINE_OCTETS, Input, LineFault
from mailproto.smtp.server_recipients import RcptGroup


class ServerSession(ABC):
    """One session without its commands. `offers_tls` and `offers_auth` may change when TLS starts."""

    def __init__(self, config: ServerConfig, *, offers_tls: bool, offers_auth: bool) -> None:
        self.config = config
        self.offers_tls = offers_tls
        self.offers_auth = offers_auth
        # Whether the driver speaks TLS with the peer.
        self.is_in_tls = False
        # Of the client, in TLS: EXTERNAL is offered then, if at all.
        self.has_certificate = False
        # Of the TLS connection: SCRAM-SHA-256-PLUS is offered where there is some, if at all.
        self.channel_binding = NOT_BOUND
        # Whether the peer may say for whom it speaks.
        self.offers_xclient = False
        self.state = State.START
        self.hello: Hello | None = None
        self.authenticated = False
        self.recipients_accepted = 0
        self.errors = 0
        self._junk = 0
        self._input = Input()
        self._output: list[bytes] = []
        self._waiting = Waiting.NOTHING
        self._rcpts = RcptGroup(0)
        self._sender: Mail | None = None
        self._incoming = Incoming(config.size_limit_octets)
        # Of the next answer.
        self._charset = Charset.ASCII
        self._auth: AuthDialogue | None = None
        # A 421 that was said: the session is over with it, whoever said it (RFC 5321 §3.8).
        self._last_word: Reply | None = None
        self._ended = False

    # -- octets

    @property
    def greeting(self) -> Reply:
        """220."""
        word = "LMTP" if self.config.dialect is Dialect.LMTP else "ESMTP"
        return Reply.of(220, "", f"{self.config.hostname} {word} Posthouse")

    def greet(self) -> None:
        """Say 220."""
        self._say(self.greeting)

    def feed(self, data: bytes) -> None:
        """Take octets from the peer."""
        self._input.feed(data)

    def output(self) -> bytes:
        """What is to be sent; asked for once."""
        data = b"".join(self._output)
        self._output.clear()
        return data

    @property
    def message_octets(self) -> int:
        """Octets of the message that is coming, held in memory."""
        return self._incoming.octets

    @property
    def reads_message(self) -> bool:
        """Between 354, or the first BDAT, and the end of the message."""
        return self._incoming.is_under_way

    def _say(self, reply: Reply, charset: Charset = Charset.ASCII) -> None:
        self._output.append(reply.encode(charset))
        if reply.code >= 500:
            self.errors += 1
        elif reply.code == 421:
            self._last_word = reply

    def _say_of_message(self, reply: Reply) -> None:
        """LMTP: once for each recipient that was accepted, in their order (RFC 2033 §4.2)."""
        self._say(reply)
        if self.config.dialect is Dialect.LMTP:
            self._output += [reply.encode(Charset.ASCII)] * (self.recipients_accepted - 1)

    # -- the driver's answers

    def answer(self, reply: Reply) -> None:
        """The answer to the event that was last returned."""
        waiting, self._waiting = self._waiting, Waiting.NOTHING
        charset, self._charset = self._charset, Charset.ASCII
        if waiting is Waiting.AUTH and self._auth is not None and self._auth.proves_itself:
            self._answer_scram(self._auth, reply)
            return
        if waiting is Waiting.AUTH:
            self._auth = None
        if waiting is Waiting.MESSAGE:
            self._say_of_message(reply)
        else:
            self._say(reply, charset)
        match waiting:
            case Waiting.MAIL:
                if reply.is_positive:
                    self.state = State.MAIL
                    self.recipients_accepted = 0
                else:
                    self._sender = None
            case Waiting.DATA:
                if reply.code == 354:
                    self._incoming.begin_data()
            case Waiting.MESSAGE:
                if reply.is_positive:
                    self._junk = 0
                self._reset()
            case Waiting.AUTH:
                self.authenticated = reply.is_positive
            case Waiting.LOOK_UP:
                pass
            case Waiting.XCLIENT:
                if reply.is_positive:
                    self._begin_anew()
            case Waiting.NOTHING | Waiting.RCPT | Waiting.TLS:
                raise RuntimeError(f"no answer was asked for ({waiting})")
            case _:
                assert_never(waiting)

    def _answer_scram(self, auth: AuthDialogue, reply: Reply) -> None:
        """The exchange goes on where the client may enter: it must see our proof before the welcome."""
        if reply.is_positive:
            self._say(auth.last_word(reply))
        else:
            self._auth = None
            self._say(reply)

    def token_refused(self, refusal: TokenRefusal, reply: Reply) -> None:
        """TokenAsked: it lets nobody in. The client hears why, and the reply when it has answered that."""
        if self._waiting is not Waiting.AUTH or self._auth is None:
            raise RuntimeError("no token was asked about")
        self._waiting = Waiting.NOTHING
        self._say(self._auth.token_refused(refusal, reply))

    def scram_offered(self, offer: Offer) -> None:
        """What ScramAsked asked for."""
        if self._waiting is not Waiting.AUTH or self._auth is None:
            raise RuntimeError("no SCRAM exchange waits")
        self._waiting = Waiting.NOTHING
        self._say(self._auth.offered(offer))

    def answer_rcpt(self, replies: list[Reply]) -> None:
        """A reply for each forward-path of RcptAsked, in order."""
        if self._waiting is not Waiting.RCPT:
            raise RuntimeError("no recipients were asked about")
        self._waiting = Waiting.NOTHING
        for reply in self._rcpts.replies(replies):
            if self.errors > self.config.errors_allowed or self._last_word is not None:
                # Who guesses many at once learns no more than who guesses one by one.
                break
            self._say(reply)
            # What was known without the driver was a refusal.
            if reply.is_positive:
                self.recipients_accepted += 1
                self.state = State.RCPT

    def tls_started(self) -> None:
        """TLS is there: everything the peer said in clear is forgotten (RFC 3207 §4.2)."""
        self._waiting = Waiting.NOTHING
        self._input.clear()
        self._begin_anew()
        self.offers_tls = False
        self.is_in_tls = True

    def _begin_anew(self) -> None:
        self._reset()
        self.state = State.START
        self.hello = None
        self.authenticated = False

    def close(self, reply: Reply) -> None:
        """Say a last reply; nothing the peer sent is looked at any more."""
        self._say(reply)
        self._ended = True
        self._input.clear()

    # -- events

    def next_event(self) -> events.Event | None:
        """What the driver must do now; None: send the output and read more."""
        if self._waiting is not Waiting.NOTHING:
            raise RuntimeError(f"an answer is due ({self._waiting})")
        while not self._ended:
            if self._last_word is not None:
                self._ended = True
                self._input.clear()
                return events.Closing(self._last_word)
            if self.errors > self.config.errors_allowed:
                return self._end(Reply.of(421, "4.7.0", "Too many errors"))
            if self._incoming.reads:
                event = self._read_message()
                if self._incoming.reads:
                    return None
            else:
                line = self._next_line()
                if line is None:
                    return None
                if self._auth is None:
                    event = self._command(line)
                else:
                    event = self._spoke_too_soon() or self._auth_step(self._auth.step(line))
            if event is not None:
                return event
        return None

    def _end(self, reply: Reply) -> events.Closing:
        self.close(reply)
        return events.Closing(reply)

    def _next_line(self) -> bytes | None:
        """A line without its CRLF, or None. Bad ones are answered here."""
        octets_most = LINE_OCTETS if self._auth is None else AUTH_OCTETS
        while (line := self._input.next_line(octets_most)) is not None:
            if not isinstance(line, LineFault):
                return line
            if self._auth is not None and self._auth.is_welcome:
                # The driver has let the client in already: this breaks the exchange off like a cancellation.
                return b"*"
            self._auth = None
            self._say(line_refusal(line))
            if self.errors > self.config.errors_allowed:
                return None
        return None

    def _read_message(self) -> events.Event | None:
        received = self._incoming.feed(self._input)
        if received is None:
            return None
        if isinstance(received, Reply):
            self._say(received)
            if not received.is_positive:
                self._reset()
            return None
        if received.flaw is None:
            self._waiting = Waiting.MESSAGE
            return events.MessageCame(received.content)
        self._say_of_message(received.flaw.reply)
        self._reset()
        return events.MessageFlawed(received.flaw)

    def _reset(self) -> None:
        """RFC 5321 §4.1.1.5: forget the transaction."""
        self.recipients_accepted = 0
        self._sender = None
        self._incoming.forget()
        if self.state is not State.START:
            self.state = State.GREETED

    def _spoke_too_soon(self) -> events.Closing | None:
        """Octets after a command that must be the last of its group (RFC 2920 §3.1)."""
        if self._input:
            return self._end(Reply.of(554, "5.5.0", "You did not wait for the answer"))
        return None

    @abstractmethod
    def _command(self, line: bytes) -> events.Event | None:
        """Do what a command line asks for."""

    def _auth_step(self, outcome: Step) -> events.Event | None:
        if isinstance(outcome, Reply):
            if outcome.code != 334:
                was_let_in = self._auth is not None and self._auth.is_welcome
                self._auth = None
                self.authenticated = outcome.is_positive
                if was_let_in and not outcome.is_positive:
                    # The driver takes it for logged in; it wants to hear nothing of that.
                    return self._end(Reply.of(421, "4.7.0", "The exchange was broken off at its end"))
            self._say(outcome)
            return None
        if isinstance(outcome, events.AuthAsked):
            self._auth = None
        self._waiting = Waiting.AUTH
        return outcome


def line_refusal(fault: LineFault) -> Reply:
    """What a bad line is told."""
    return Reply.of(500, "5.5.2", fault.value)
