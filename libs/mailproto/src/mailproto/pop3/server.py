"""The server's side of a POP3 session as a state machine without I/O.

Theory of operation: give what arrived to `receive`, then ask `next_event` until it returns None, doing what each
event says; send `data_to_send` before every wait. An event that wants an answer stops the machine: pipelined commands
(RFC 2449 §6.6) stay in the buffer until the answer was given. Which command is allowed when stands in one table.

    AUTHORIZATION --login_succeeded--> TRANSACTION --QUIT, Update--> ENDED
          `-- QUIT, too many mistakes --> ENDED

A plaintext password is asked for only where `PasswordRule` allows it; otherwise USER, PASS and AUTH are neither
announced nor taken before TLS. STLS forgets every octet that came in clear, and the name that USER gave.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import assert_never

from mailproto.pop3.commands import (
    LONGEST_COMMAND_OCTETS,
    LONGEST_SASL_OCTETS,
    Command,
    Flooded,
    Keyword,
    LineBuffer,
    LineTooLong,
    parse_command,
    parse_number,
)
from mailproto.pop3.events import (
    CertificateAsked,
    Close,
    Event,
    Flush,
    Login,
    LoginFailure,
    Retrieve,
    ScramAsked,
    ScramProven,
    StartTls,
    TokenAsked,
    Update,
)
from mailproto.pop3.maildrop import Maildrop
from mailproto.pop3.states import (
    ALLOWED,
    ARGUMENTS,
    PasswordRule,
    State,
    TlsState,
    Welcome,
    capabilities,
)
from mailproto.pop3.stuffing import DotStuffer, TopCutter, stuffed_whole
from mailproto.pop3.surrogate import HeaderSurrogate
from mailproto.sasl.bearer import Bearer, BearerExchange, TokenRefusal
from mailproto.sasl.choosing import Exchange, exchange_of, usable
from mailproto.sasl.exchange import Challenge, Credentials, Fault, text
from mailproto.sasl.external import External
from mailproto.sasl.scram import LoginAsked
from mailproto.sasl.scram_exchange import (
    NOT_BOUND,
    Done,
    Failed,
    Offer,
    Proven,
    ScramExchange,
)

MOST_MISTAKES = 20
"""Commands of a session that may be wrong before it is ended."""
MOST_FAILED_LOGINS = 5
FLUSH_OCTETS = 64 * 1024
LISTED_AT_ONCE = 1000


# What most clients send one after the other, each when they have the answer to the one before.
_LONE_RETR = re.compile(rb"RETR ([0-9]{1,9})\r\n", re.IGNORECASE)


class Pop3Server:
    """One session. See the module for how to drive it."""

    def __init__(self, welcome: Welcome, tls: TlsState, password_rule: PasswordRule) -> None:
        self.state = State.AUTHORIZATION
        self._welcome = welcome
        self._tls = tls
        self._password_rule = password_rule
        self._lines = LineBuffer()
        self._out: list[bytes] = []
        self._out_octets = 0
        self._waiting: Event | None = None
        self._maildrop = Maildrop.of(())
        self._listing: Iterator[bytes] | None = None  # Lines of an answer that is being given piece by piece.
        self._entered: Maildrop | None = None  # Open; the client is told at the end of its exchange.
        self._login: str | None = None  # The name that USER gave.
        self._exchange: Exchange | None = None  # Set: the client's next line is an answer, not a command.
        self._mistakes = 0
        self._failed_logins = 0
        self._utf8 = False
        # Of the TLS connection: SCRAM-SHA-256-PLUS is offered where there is some, if at all.
        self.channel_binding = NOT_BOUND
        # Of the client, in TLS: EXTERNAL is offered then, if at all.
        self.has_certificate = False
        self._stuffer = DotStuffer()
        self._surrogate: HeaderSurrogate | None = None
        self._cutter: TopCutter | None = None
        self._ok(f"{welcome.hostname} POP3 ready")

    # -- the driver's side ------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Octets from the client. Those that come while TLS is being started are in clear, and forgotten."""
        if self.state is not State.ENDED and not isinstance(self._waiting, StartTls):
            self._lines.add(data)

    def lone_retrieve(self, data: bytes) -> int | None:
        """The message that these octets ask for, where they are one RETR and there is nothing else to be done.

        A short cut: either `answer_alone` is the answer, or the octets are given to `receive` as ever.
        """
        found = _LONE_RETR.fullmatch(data)
        if (
            found is None
            or self.state is not State.TRANSACTION
            or self._waiting is not None
            or self._listing is not None
            or self._out
            or not self._lines.is_empty
        ):
            return None
        number = int(found[1])
        return number if self._maildrop.has(number) else None

    def answer_alone(self, number: int, content: bytes) -> bytes:
        """What is sent for the message that `lone_retrieve` found."""
        if self._utf8 or content.isascii():
            return b"+OK %d octets\r\n%b" % (self._maildrop.size_of(number), stuffed_whole(content))
        self._waiting = Retrieve(number, None)
        self.message_given(content)
        return self.data_to_send()

    def data_to_send(self) -> bytes:
        """What waits to be sent; the caller has it now."""
        data = b"".join(self._out)
        self._out.clear()
        self._out_octets = 0
        return data

    def next_event(self) -> Event | None:
        """The next thing to do, or None when more octets are needed or an event still waits for its answer."""
        while self._waiting is None:
            if self.state is State.ENDED:
                self._waiting = Close()
                return self._waiting
            if self._out_octets > FLUSH_OCTETS:
                # Needs no answer: `data_to_send` is one.
                return Flush()
            if self._listing is not None:
                self._list_on(self._listing)
                continue
            exchange = self._exchange
            try:
                line = self._lines.next_line(
                    LONGEST_COMMAND_OCTETS if exchange is None else LONGEST_SASL_OCTETS
                )
            except LineTooLong:
                self._end_sasl()
                if self.state is State.AUTHORIZATION and self._entered is not None:
                    # In place of the last line of an exchange: the maildrop is open already, for this session and no other.
                    self._end("Line too long")
                else:
                    self._mistake("Line too long")
                continue
            except Flooded:
                self._end("Too much of nothing")
                continue
            if line is None:
                return None
            if exchange is not None:
                self._sasl_answer(exchange, line)
            else:
                self._command(parse_command(line))
            if self._waiting is not None:
                return self._waiting
        return None

    def say_goodbye(self, text: str) -> None:
        """End the session because the server must (RFC 1939 §3: autologout removes nothing)."""
        self._waiting = None
        self._end(text, code="SYS/TEMP")

    def tls_started(self) -> None:
        """TLS is on. What was said before counts no more (RFC 2595 §4)."""
        self._answered(StartTls)
        self._tls = TlsState.ACTIVE
        self._lines.clear()
        self._login = None

    def scram_offered(self, offer: Offer) -> None:
        """The salt and the keys of the login that was asked for."""
        self._answered(ScramAsked)
        assert isinstance(self._exchange, ScramExchange)
        self._send(b"+ " + self._exchange.offered(offer).line + b"\r\n")

    def login_succeeded(self, maildrop: Maildrop) -> None:
        """The maildrop is open and locked for this session."""
        event = self._answered((Login, TokenAsked, CertificateAsked, ScramProven))
        self._entered = maildrop
        if isinstance(event, ScramProven):
            assert isinstance(self._exchange, ScramExchange)
            self._send(b"+ " + self._exchange.last_word.line + b"\r\n")
        else:
            self._end_sasl()
            self._enter()

    def token_refused(self, refusal: TokenRefusal) -> None:
        """The token opens no maildrop. The client hears why, and -ERR when it has answered that."""
        self._answered(TokenAsked)
        assert isinstance(self._exchange, BearerExchange)
        self._send(b"+ " + self._exchange.refused(refusal).line + b"\r\n")

    def _enter(self) -> None:
        maildrop = self._entered
        assert maildrop is not None
        self._maildrop = maildrop
        self._login = None
        self.state = State.TRANSACTION
        self._mistakes = 0
        self._ok(f"maildrop has {_messages(maildrop.count())} ({maildrop.size_octets()} octets)")

    def login_failed(self, failure: LoginFailure) -> None:
        """The maildrop stays closed."""
        self._answered((Login, TokenAsked, CertificateAsked, ScramAsked, ScramProven))
        self._end_sasl()
        self._login = None
        match failure:
            case LoginFailure.REFUSED:
                self._refused()
            case LoginFailure.IN_USE:
                self._error("Another session has this maildrop open", code=failure.value)
            case LoginFailure.UNAVAILABLE:
                self._error("Try again later", code=failure.value)
            case _:
                assert_never(failure)

    def message_started(self) -> None:
        """The message that `Retrieve` names was found; its octets follow."""
        event = self._answered(Retrieve, keep=True)
        assert isinstance(event, Retrieve)
        size_octets = self._maildrop.size_of(event.number)
        self._stuffer = DotStuffer()
        self._surrogate = None if self._utf8 else HeaderSurrogate()
        self._cutter = None if event.lines is None else TopCutter(event.lines)
        self._ok(f"{size_octets} octets" if event.lines is None else "top of message follows")

    def message_given(self, content: bytes) -> None:
        """All of the message that `Retrieve` names, where it is at hand: as `message_started` to `message_ended`."""
        event = self._answered(Retrieve, keep=True)
        assert isinstance(event, Retrieve)
        if event.lines is None and (self._utf8 or content.isascii()):
            self._waiting = None
            size_octets = self._maildrop.size_of(event.number)
            self._send(b"+OK %d octets\r\n%b" % (size_octets, stuffed_whole(content)))
        else:
            self.message_started()
            self.message_data(content)
            self.message_ended()

    def message_data(self, chunk: bytes) -> bool:
        """Octets of the message. False when no more are wanted."""
        if self._surrogate is not None:
            chunk = self._surrogate.pass_on(chunk)
        return self._pass_on(chunk)

    def _pass_on(self, chunk: bytes) -> bool:
        if self._cutter is not None:
            chunk = self._cutter.cut(chunk)
        self._send(self._stuffer.stuff(chunk))
        return self._cutter is None or not self._cutter.done

    def message_ended(self) -> None:
        """That was all of the message."""
        self._answered(Retrieve)
        if self._surrogate is not None and (held := self._surrogate.finish()):
            self._pass_on(held)
        self._send(self._stuffer.finish())

    def retrieve_failed(self) -> None:
        """The message can't be had now; nothing of it was given."""
        self._answered(Retrieve)
        self._error("The message can't be read now", code="SYS/TEMP")

    def retrieve_gone(self) -> None:
        """The message can't be had any more (RFC 3206 §4)."""
        self._answered(Retrieve)
        self._error("The message can't be read any more", code="SYS/PERM")

    def updated(self) -> None:
        """All deleted messages are gone."""
        self._answered(Update)
        left = self._maildrop.count()
        self._ok(
            f"{self._welcome.hostname} POP3 signing off ({_messages(left) if left else 'maildrop empty'})"
        )
        self.state = State.ENDED

    def update_failed(self) -> None:
        """None of the deleted messages is gone (RFC 1939 §6)."""
        self._answered(Update)
        self._error("The deleted messages were not removed", code="SYS/TEMP")
        self.state = State.ENDED

    def _answered(self, kind: type[Event] | tuple[type[Event], ...], *, keep: bool = False) -> Event:
        event = self._waiting
        if event is None or not isinstance(event, kind):
            raise RuntimeError(f"no {kind} waits for an answer")
        if not keep:
            self._waiting = None
        return event

    # -- answers ----------------------------------------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        self._out.append(data)
        self._out_octets += len(data)

    def _ok(self, text: str) -> None:
        self._send(b"+OK " + text.encode("ascii", "replace") + b"\r\n")

    def _error(self, text: str, *, code: str = "") -> None:
        self._send(
            f"-ERR [{code}] {text}\r\n".encode("ascii") if code else f"-ERR {text}\r\n".encode("ascii")
        )

    def _mistake(self, text: str) -> None:
        """The client's fault. A client that makes nothing else is sent away."""
        self._mistakes += 1
        if self._mistakes >= MOST_MISTAKES:
            self._end("Too many mistakes")
        else:
            self._error(text)

    def _end(self, text: str, *, code: str = "") -> None:
        self._error(text, code=code)
        self.state = State.ENDED

    def _many(self, first: str, lines: list[bytes]) -> None:
        self._ok(first)
        self._send(b"".join(lines) + b".\r\n")

    # -- commands ---------------------------------------------------------------------------------------------------

    def _command(self, command: Command) -> None:
        keyword = command.keyword
        if keyword is None:
            self._mistake("Unknown command")
            return
        if self.state not in ALLOWED[keyword]:
            self._mistake("Not now")
            return
        arguments = command.arguments
        bounds = ARGUMENTS.get(keyword)
        if bounds is not None and not bounds[0] <= len(arguments) <= bounds[1]:
            self._mistake("Wrong number of arguments")
            return
        match keyword:
            case Keyword.RETR:
                self._retrieve(arguments[0], None)
            case Keyword.DELE:
                self._delete(arguments[0])
            case Keyword.CAPA:
                self._many("Capabilities follow", [line + b"\r\n" for line in self.capabilities()])
            case Keyword.QUIT:
                self._quit()
            case Keyword.USER:
                self._user(command.rest)
            case Keyword.PASS:
                self._pass(command.rest)
            case Keyword.AUTH:
                self._auth(arguments)
            case Keyword.STLS:
                self._stls()
            case Keyword.NOOP:
                self._ok("done")
            case Keyword.STAT:
                self._send(b"+OK %d %d\r\n" % (self._maildrop.count(), self._maildrop.size_octets()))
            case Keyword.LIST:
                self._list(arguments)
            case Keyword.UIDL:
                self._uidl(arguments)
            case Keyword.TOP:
                lines = parse_number(arguments[1])
                if lines is None:
                    self._mistake("That is no number of lines")
                else:
                    self._retrieve(arguments[0], lines)
            case Keyword.UTF8:
                # RFC 6856 §2.1. Our own words are ASCII, which is UTF-8.
                self._utf8 = True
                self._ok("UTF-8 it is")
            case Keyword.LANG:
                self._lang(arguments)
            case Keyword.RSET:
                self._maildrop.reset()
                self._ok(
                    f"maildrop has {_messages(self._maildrop.count())} ({self._maildrop.size_octets()} octets)"
                )
            case _:
                assert_never(keyword)

    def capabilities(self) -> list[bytes]:
        """What CAPA announces now."""
        return capabilities(
            self.state,
            self._tls,
            self._may_login(),
            replace(self._welcome, mechanisms=self._mechanisms()),
            self._maildrop.keep_days,
        )

    def _mechanisms(self) -> tuple[bytes, ...]:
        return usable(self._welcome.mechanisms, self.channel_binding, has_certificate=self.has_certificate)

    def _may_login(self) -> bool:
        return self._tls is TlsState.ACTIVE or self._password_rule is PasswordRule.PLAINTEXT_ALLOWED

    def _quit(self) -> None:
        if self.state is State.TRANSACTION:
            self._waiting = Update(self._maildrop.deleted)
        else:
            self._ok(f"{self._welcome.hostname} POP3 signing off")
            self.state = State.ENDED

    def _lang(self, arguments: list[bytes]) -> None:
        """RFC 6856 §3: one language. `*` asks for the one that we like best."""
        if not arguments:
            self._many("Language listing follows", [b"en English\r\n"])
        elif arguments[0].lower() in (b"*", b"en", b"i-default"):
            self._ok("en That is what you hear already")
        else:
            self._error("We speak English only")

    def _stls(self) -> None:
        if self._utf8:
            # RFC 6856 §2.1: a client that says UTF8 in clear and STLS after it has its commands in the wrong order.
            self._mistake("STLS comes before UTF8")
            return
        if self._tls is not TlsState.OFFERED:
            self._mistake("TLS is on already" if self._tls is TlsState.ACTIVE else "There is no TLS here")
            return
        self._ok("Begin TLS negotiation")
        self._lines.clear()
        self._waiting = StartTls()

    def _user(self, rest: bytes) -> None:
        name = text(rest.strip())
        if not self._may_login():
            self._mistake("A password needs TLS first")
        elif not name:
            self._mistake("A name, please")
        else:
            # The same answer for every name: who has a maildrop here is nobody's business.
            self._login = name
            self._ok("Password, please")

    def _pass(self, rest: bytes) -> None:
        login, password = self._login, text(rest)
        if not self._may_login():
            self._mistake("A password needs TLS first")
        elif login is None:
            self._mistake("USER comes first")
        elif not password:
            self._login = None
            self._mistake("A password, please")
        else:
            # All that follows "PASS " is the password, blanks too (RFC 1939 §7).
            self._waiting = Login(login, password)

    def _auth(self, arguments: list[bytes]) -> None:
        """AUTH (RFC 5034); without a mechanism it lists them, as clients before RFC 2449 expect."""
        if not self._may_login():
            self._mistake("A password needs TLS first")
            return
        if not arguments:
            offered = [mechanism + b"\r\n" for mechanism in self._mechanisms()]
            self._many("Mechanisms follow", offered)
            return
        mechanism = arguments[0].upper()
        if mechanism not in self._mechanisms():
            self._mistake("Unknown mechanism")
            return
        exchange = self._exchange = exchange_of(mechanism, self.channel_binding)
        if len(arguments) == 2:
            self._sasl_answer(exchange, arguments[1])
        else:
            self._send(b"+ " + exchange.first_challenge().line + b"\r\n")

    def _end_sasl(self) -> None:
        self._exchange = None

    def _sasl_answer(self, exchange: Exchange, line: bytes) -> None:
        outcome = exchange.answer(line)
        match outcome:
            case Challenge():
                self._send(b"+ " + outcome.line + b"\r\n")
                return
            case LoginAsked():
                self._waiting = ScramAsked(outcome.login)
                return
            case Proven():
                # The exchange goes on: where this lets in, the server proves itself too.
                self._waiting = ScramProven(outcome.login, outcome.credential_id)
                return
            case Bearer():
                # It goes on where this lets nobody in.
                self._waiting = TokenAsked(outcome)
                return
        self._end_sasl()
        self._login = None
        match outcome:
            case Credentials():
                self._waiting = Login(outcome.login, outcome.password)
            case External():
                self._waiting = CertificateAsked(outcome)
            case Done():
                self._enter()
            case Fault.REFUSED:
                self._refused()
            case Fault():
                self._mistake(outcome.value)
            case Failed() if self._entered is None:
                self._mistake(outcome.reason)
            case Failed():
                # The maildrop is open for one who did not want to hear who we are.
                self._end(outcome.reason)
            case _:
                assert_never(outcome)

    def _refused(self) -> None:
        self._failed_logins += 1
        self._error("Authentication failed", code=LoginFailure.REFUSED.value)
        if self._failed_logins >= MOST_FAILED_LOGINS:
            self.state = State.ENDED

    def _list(self, arguments: list[bytes]) -> None:
        if arguments:
            if (number := self._existing(arguments[0])) is not None:
                self._send(b"+OK %d %d\r\n" % (number, self._maildrop.size_of(number)))
            return
        self._ok(f"{_messages(self._maildrop.count())} ({self._maildrop.size_octets()} octets)")
        self._listing = self._maildrop.scan_listing()

    def _list_on(self, listing: Iterator[bytes]) -> None:
        """Some more lines; a long list is sent in pieces, and others have their turn between them."""
        lines = list(islice(listing, LISTED_AT_ONCE))
        if len(lines) < LISTED_AT_ONCE:
            lines.append(b".\r\n")
            self._listing = None
        self._send(b"".join(lines))

    def _uidl(self, arguments: list[bytes]) -> None:
        if arguments:
            if (number := self._existing(arguments[0])) is not None:
                message = self._maildrop.get(number)
                assert message is not None
                self._send(b"+OK %d %s\r\n" % (number, message.unique_id))
            return
        self._ok("unique-ids follow")
        self._listing = self._maildrop.unique_id_listing()

    def _retrieve(self, argument: bytes, lines: int | None) -> None:
        if (number := self._existing(argument)) is not None:
            self._waiting = Retrieve(number, lines)

    def _delete(self, argument: bytes) -> None:
        if (number := self._existing(argument)) is not None:
            self._maildrop.delete(number)
            self._ok(f"message {number} deleted")

    def _existing(self, argument: bytes) -> int | None:
        """The number of a message that is there; else the mistake is told and None given."""
        number = parse_number(argument)
        if number is None:
            self._mistake("That is no message number")
            return None
        if not self._maildrop.has(number):
            self._error("No such message")
            return None
        return number


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"
