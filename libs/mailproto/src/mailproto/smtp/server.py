"""The server's side of an SMTP session: octets in, events and replies out (RFC 5321 §4.1.4, §4.3).

    machine.feed(octets)
    while (event := machine.next_event()) is not None:
        ... decide, machine.answer(reply) ...
    send machine.output()

Theory of operation. A session is in one state, and the table says which
commands it takes there:

    state      EHLO/HELO  MAIL  RCPT  DATA  RSET/NOOP/VRFY/EXPN/HELP/QUIT  STARTTLS  AUTH
    START      GREETED    503   503   503   stays                          503       503
    GREETED    GREETED    MAIL  503   503   stays                          START     GREETED
    MAIL       GREETED    503   RCPT  503   RSET: GREETED                  503       503
    RCPT       GREETED    503   RCPT  DATA  RSET: GREETED                  503       503

Pipelining (RFC 2920): commands that came together are answered in order, and
adjacent RCPTs are asked about together. EHLO, HELO, DATA and AUTH must be the
last of their group: octets that came after them were sent without waiting for
the answer, by a peer that does not listen or by an attacker, and end the
session. What came in clear after STARTTLS is forgotten (RFC 3207 §4.2).

Every 5yz costs one of the errors that a session may make (`ServerConfig.errors_allowed`), and so does every command
that moves no mail beyond `ServerConfig.junk_allowed`.
"""

from typing import assert_never

from mailproto.sasl import Challenge, Credentials, Fault, SaslExchange
from mailproto.smtp import server_events as events
from mailproto.smtp.reply import Reply
from mailproto.smtp.server_commands import Auth, Expn, Hello, Help, Mail, Plain, Rcpt, Vrfy, parse
from mailproto.smtp.server_config import ServerConfig, State, Waiting
from mailproto.smtp.server_data import DataReader, Flaw, Received
from mailproto.smtp.server_input import Input, LineFault
from mailproto.smtp.server_offers import Offers
from mailproto.smtp.server_recipients import RcptGroup

__all__ = ["ServerConfig", "ServerMachine", "State"]


class ServerMachine:
    """One session. `offers_tls` and `offers_auth` may change when TLS starts."""

    def __init__(self, config: ServerConfig, *, offers_tls: bool, offers_auth: bool) -> None:
        self.config = config
        self.offers_tls = offers_tls
        self.offers_auth = offers_auth
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
        self._data: DataReader | None = None
        self._sasl: SaslExchange | None = None
        self._mechanism = ""
        self._ended = False

    # -- octets

    def greet(self) -> None:
        """Say 220."""
        self._say(Reply.of(220, "", f"{self.config.hostname} ESMTP Posthouse"))

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
        return 0 if self._data is None else self._data.octets

    @property
    def reads_message(self) -> bool:
        """Between 354 and the end of the message."""
        return self._data is not None

    def drop_message(self) -> None:
        """Keep no more of the message that is coming; it will be refused with 552."""
        if self._data is not None:
            self._data.give_up()

    def _say(self, reply: Reply) -> None:
        self._output.append(reply.encode())
        if reply.code >= 500:
            self.errors += 1

    # -- the driver's answers

    def answer(self, reply: Reply) -> None:
        """The answer to the event that was last returned."""
        waiting, self._waiting = self._waiting, Waiting.NOTHING
        self._say(reply)
        match waiting:
            case Waiting.MAIL:
                if reply.is_positive:
                    self.state = State.MAIL
                    self.recipients_accepted = 0
            case Waiting.DATA:
                if reply.code == 354:
                    self._data = DataReader(self.config.size_limit_octets)
            case Waiting.MESSAGE:
                if reply.is_positive:
                    self._junk = 0
                self._reset()
            case Waiting.AUTH:
                self.authenticated = reply.is_positive
            case Waiting.LOOK_UP:
                pass
            case Waiting.NOTHING | Waiting.RCPT | Waiting.TLS:
                raise RuntimeError(f"no answer was asked for ({waiting})")
            case _:
                assert_never(waiting)

    def answer_rcpt(self, replies: list[Reply]) -> None:
        """A reply for each forward-path of RcptAsked, in order."""
        if self._waiting is not Waiting.RCPT:
            raise RuntimeError("no recipients were asked about")
        self._waiting = Waiting.NOTHING
        for reply in self._rcpts.replies(replies):
            self._say(reply)
            # What was known without the driver was a refusal.
            if reply.is_positive:
                self.recipients_accepted += 1
                self.state = State.RCPT

    def tls_started(self) -> None:
        """TLS is there: everything the peer said in clear is forgotten (RFC 3207 §4.2)."""
        self._waiting = Waiting.NOTHING
        self._input.clear()
        self.state = State.START
        self.hello = None
        self.authenticated = False
        self.offers_tls = False

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
            if self.errors > self.config.errors_allowed:
                return self._end(Reply.of(421, "4.7.0", "Too many errors"))
            if self._data is not None:
                event = self._read_message(self._data)
                if event is None:
                    return None
                return event
            line = self._next_line()
            if line is None:
                return None
            event = self._sasl_step(self._sasl, line) if self._sasl is not None else self._command(line)
            if event is not None:
                return event
        return None

    def _end(self, reply: Reply) -> events.Closing:
        self.close(reply)
        return events.Closing(reply)

    def _next_line(self) -> bytes | None:
        """A line without its CRLF, or None. Bad ones are answered here."""
        while (line := self._input.next_line()) is not None:
            if not isinstance(line, LineFault):
                return line
            self._sasl = None
            self._say(_line_refusal(line))
            if self.errors > self.config.errors_allowed:
                return None
        return None

    def _read_message(self, reader: DataReader) -> events.Event | None:
        if not self._input:
            return None
        received: Received | None = reader.feed(self._input.take_all())
        if received is None:
            return None
        self._data = None
        self._input.feed(received.rest)
        if received.flaw is None:
            self._waiting = Waiting.MESSAGE
            return events.MessageCame(received.content)
        self._say(FLAWS[received.flaw])
        self._reset()
        return events.MessageFlawed(received.flaw)

    def _reset(self) -> None:
        """RFC 5321 §4.1.1.5: forget the transaction."""
        self.recipients_accepted = 0
        if self.state is not State.START:
            self.state = State.GREETED

    def _spoke_too_soon(self) -> events.Closing | None:
        """Octets after a command that must be the last of its group (RFC 2920 §3.1)."""
        if self._input:
            return self._end(Reply.of(554, "5.5.0", "You did not wait for the answer"))
        return None

    def _command(self, line: bytes) -> events.Event | None:
        command = parse(line)
        match command:
            case Reply():
                self._say(command)
                return None
            case Hello():
                return self._spoke_too_soon() or self._hello(command)
            case Mail():
                return self._mail(command)
            case Rcpt():
                return self._rcpt(command)
            case Auth():
                return self._auth(command)
            case Vrfy():
                self._note_junk()
                self._waiting = Waiting.LOOK_UP
                return events.VrfyAsked(command.text)
            case Expn():
                self._note_junk()
                self._waiting = Waiting.LOOK_UP
                return events.ExpnAsked(command.text)
            case Help():
                self._note_junk()
                self._say(self._offers().help(command.topic))
                return None
            case Plain():
                return self._plain(command)
            case _:
                assert_never(command)

    def _hello(self, hello: Hello) -> events.Event | None:
        self.hello = hello
        self.state = State.GREETED
        self.recipients_accepted = 0
        if not hello.is_extended:
            self._say(Reply.of(250, "", self.config.hostname))
            return None
        first = f"{self.config.hostname} greets {hello.name}"
        self._say(Reply(250, "", (first, *self._offers().extensions(self.config))))
        return None

    def _offers(self) -> Offers:
        return Offers(
            starttls=self.offers_tls,
            mechanisms=self.config.mechanisms if self.offers_auth and not self.authenticated else (),
            # Strangers are told nothing (RFC 5321 §7.3), so it is not offered to them.
            expn=self.authenticated,
        )

    def _note_junk(self) -> None:
        self._junk += 1
        if self._junk > self.config.junk_allowed:
            self.errors += 1

    def _mail(self, mail: Mail) -> events.Event | None:
        if self.state is not State.GREETED:
            text = "Say EHLO first" if self.state is State.START else "There is a sender already"
            self._say(Reply.of(503, "5.5.1", text))
            return None
        limit = self.config.size_limit_octets
        if mail.size_octets is not None and mail.size_octets > limit:
            # RFC 1870 §6.1: refused before it is sent.
            self._say(Reply.of(552, "5.3.4", f"A message has at most {limit} octets here"))
            return None
        self._waiting = Waiting.MAIL
        return events.MailAsked(mail)

    def _rcpt(self, first: Rcpt) -> events.Event | None:
        if self.state not in (State.MAIL, State.RCPT):
            self._say(Reply.of(503, "5.5.1", "Say MAIL first"))
            return None
        group = self._rcpts = RcptGroup(self.config.recipients_allowed - self.recipients_accepted)
        group.add(first)
        while not group.is_full and self._input.holds_line_of(b"RCPT"):
            line = self._input.next_line()
            if isinstance(line, bytes):
                command = parse(line)
                assert isinstance(command, Rcpt | Reply)
                group.add(command)
            elif line is not None:
                group.add(_line_refusal(line))
        self._waiting = Waiting.RCPT
        if not group.asked:
            self.answer_rcpt([])
            return None
        return events.RcptAsked(tuple(rcpt.forward_path for rcpt in group.asked))

    def _plain(self, command: Plain) -> events.Event | None:
        match command:
            case Plain.DATA:
                return self._spoke_too_soon() or self._data_command()
            case Plain.RSET:
                self._note_junk()
                self._reset()
                self._say(Reply.of(250, "2.0.0", "Forgotten"))
            case Plain.NOOP:
                self._note_junk()
                self._say(Reply.of(250, "2.0.0", "Ok"))
            case Plain.QUIT:
                return self._end(Reply.of(221, "2.0.0", f"{self.config.hostname} closes the connection"))
            case Plain.STARTTLS:
                return self._start_tls()
            case _:
                assert_never(command)
        return None

    def _data_command(self) -> events.Event | None:
        if self.state is State.RCPT and self.recipients_accepted:
            self._waiting = Waiting.DATA
            return events.DataAsked()
        if self.state is State.MAIL:
            self._say(Reply.of(554, "5.5.1", "No valid recipients"))
        else:
            self._say(Reply.of(503, "5.5.1", "Say MAIL and RCPT first"))
        return None

    def _start_tls(self) -> events.Event | None:
        if not self.offers_tls:
            self._say(Reply.of(502, "5.5.1", "STARTTLS is not offered"))
            return None
        if self.state is not State.GREETED:
            self._say(Reply.of(503, "5.5.1", "STARTTLS comes after EHLO and before MAIL"))
            return None
        self._input.clear()
        self._say(Reply.of(220, "2.0.0", "Ready for TLS"))
        self._waiting = Waiting.TLS
        return events.TlsAsked()

    # -- AUTH (RFC 4954)

    def _auth(self, auth: Auth) -> events.Event | None:
        refusal = None
        if not self.config.mechanisms:
            refusal = Reply.of(502, "5.5.1", "AUTH is not offered")
        elif not self.offers_auth:
            refusal = Reply.of(538, "5.7.11", "Start TLS first: a password is not taken in clear")
        elif self.authenticated:
            refusal = Reply.of(503, "5.5.1", "You are authenticated already")
        elif self.state is not State.GREETED:
            refusal = Reply.of(503, "5.5.1", "AUTH comes after EHLO and before MAIL")
        elif auth.mechanism not in self.config.mechanisms:
            refusal = Reply.of(504, "5.5.4", "That mechanism is not offered")
        if refusal is not None:
            self._say(refusal)
            return None
        if (closing := self._spoke_too_soon()) is not None:
            return closing
        self._sasl = SaslExchange(auth.mechanism)
        self._mechanism = auth.mechanism.decode()
        if auth.initial is None:
            self._challenge(self._sasl.first_challenge())
            return None
        return self._sasl_step(self._sasl, auth.initial)

    def _sasl_step(self, exchange: SaslExchange, line: bytes) -> events.Event | None:
        outcome = exchange.answer(line)
        match outcome:
            case Challenge():
                self._challenge(outcome)
                return None
            case Credentials():
                self._sasl = None
                self._waiting = Waiting.AUTH
                return events.AuthAsked(self._mechanism, outcome)
            case Fault.CANCELLED | Fault.NO_BASE64 | Fault.NO_MESSAGE:
                self._sasl = None
                self._say(Reply.of(501, "5.5.2", outcome.value))
            case Fault.REFUSED:
                self._sasl = None
                self._say(Reply.of(535, "5.7.8", outcome.value))
            case _:
                assert_never(outcome)
        return None

    def _challenge(self, challenge: Challenge) -> None:
        self._say(Reply.of(334, "", challenge.line.decode("ascii")))


def _line_refusal(fault: LineFault) -> Reply:
    return Reply.of(500, "5.5.2", fault.value)


FLAWS = {
    Flaw.TOO_BIG: Reply.of(552, "5.3.4", "The message is too big"),
    Flaw.BARE_CR_OR_LF: Reply.of(
        550, "5.5.2", "The message holds a CR or LF that is not part of a CRLF (RFC 5321 2.3.8)"
    ),
    Flaw.NUL: Reply.of(550, "5.6.0", "The message holds a NUL"),
}
