"""The server's side of a ManageSieve session (RFC 5804) as a state machine without I/O.

Theory of operation: give what arrived to `receive`, then ask `next_event` until it returns None, doing what each event
says and answering it; send `data_to_send` before every wait. While an event waits for its answer no command is looked at.

    no user --login_succeeded--> user --UNAUTHENTICATE--> no user; LOGOUT or too many mistakes end it

A password is asked for only where it may be sent: the capability SASL is empty before TLS otherwise. STARTTLS forgets
every octet that came in clear.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mailproto.managesieve import events
from mailproto.managesieve.events import Event
from mailproto.managesieve.reader import Argument, BadLine, Hopeless, Line, LineReader, String, Word
from mailproto.managesieve.responses import Code, status, string
from mailproto.sasl.bearer import Bearer, BearerExchange, TokenRefusal
from mailproto.sasl.choosing import Exchange, exchange_of, usable
from mailproto.sasl.exchange import MECHANISMS, Challenge, Credentials, Fault
from mailproto.sasl.external import External
from mailproto.sasl.scram import LoginAsked
from mailproto.sasl.scram_exchange import NOT_BOUND, Failed, Proven, ScramExchange
from mailproto.sasl.scram_exchange import Offer as ScramOffer

MOST_MISTAKES = 20
MOST_FAILED_LOGINS = 5
# Nobody knows yet who it is: an answer of AUTHENTICATE needs no more.
LITERAL_OCTETS_BEFORE_LOGIN = 16 * 1024
LONGEST_NAME = 128
"""Characters; RFC 5804 §1.6 asks for 128 at least."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What this server is and can do: its name, the Sieve extensions, and its limits."""

    implementation: str
    extensions: tuple[str, ...]
    script_octets: int
    most_redirects: int
    notify: tuple[str, ...] = ()
    # Schemes of the names of external lists (RFC 6134 §2.7).
    ext_lists: tuple[str, ...] = ()
    mechanisms: tuple[bytes, ...] = MECHANISMS


class ManageSieveServer:
    """One session. See the module for how to drive it."""

    def __init__(self, offer: Offer, *, tls_offered: bool, tls_active: bool, plaintext_allowed: bool) -> None:
        self._offer = offer
        self._tls_offered = tls_offered and not tls_active
        self._tls_active = tls_active
        self._plaintext_allowed = plaintext_allowed
        self._reader = LineReader(LITERAL_OCTETS_BEFORE_LOGIN)
        self._out: list[bytes] = []
        self._waiting: Event | None = None
        self._exchange: Exchange | None = None
        self._user: str | None = None
        self._ended = False
        self._mistakes = 0
        self._failed_logins = 0
        # Of the client, in TLS: EXTERNAL is offered then, if at all.
        self.has_certificate = False
        # Of the TLS connection: SCRAM-SHA-256-PLUS is offered where there is some, if at all.
        self.channel_binding = NOT_BOUND
        self._capability("ready")

    # -- the driver's side

    @property
    def user(self) -> str | None:
        """The login name, or None before there is one."""
        return self._user

    def receive(self, data: bytes) -> None:
        """Octets from the client. Those that come while TLS is being started are in clear, and forgotten."""
        if not self._ended and not isinstance(self._waiting, events.StartTls):
            self._reader.add(data)

    def data_to_send(self) -> bytes:
        """What waits to be sent; the caller has it now."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def next_event(self) -> Event | None:
        """The next thing to do, or None when more octets are needed or an event still waits for its answer."""
        while self._waiting is None:
            if self._ended:
                self._waiting = events.Close()
                break
            try:
                line = self._reader.next_line()
            except BadLine as error:
                self._exchange = None
                self._mistake(str(error))
                continue
            except Hopeless as error:
                self._end(str(error))
                continue
            if line is None:
                return None
            if self._exchange is not None:
                self._sasl_line(self._exchange, line)
            else:
                self._command(line)
        return self._waiting

    def say_goodbye(self, text: str) -> None:
        """End the session because the server must."""
        self._waiting = None
        self._end(text, Code.TRYLATER)

    def tls_started(self) -> None:
        """TLS is on. RFC 5804 §2.2: what was said before counts no more, and the capabilities are told again."""
        self._answered(events.StartTls)
        self._tls_active, self._tls_offered = True, False
        self._reader.clear()
        self._capability("TLS is on")

    def scram_offered(self, offer: ScramOffer) -> None:
        """The salt and the keys of the login that was asked for."""
        self._answered(events.ScramAsked)
        assert isinstance(self._exchange, ScramExchange)
        self._out.append(string(self._exchange.offered(offer).line) + b"\r\n")

    def login_succeeded(self, address: str) -> None:
        """It is who it says; `address` is shown as its name where only a token or a certificate said who it is."""
        event = self._answered(*LOGINS)
        exchange, self._exchange = self._exchange, None
        self._user = event.login if isinstance(event, events.Login | events.ScramProven) else address
        self._mistakes = 0
        self._reader.literal_octets = self._offer.script_octets
        if isinstance(exchange, ScramExchange):
            # The server proves itself in the very OK (RFC 5804 §1.3): no answer of the client is awaited.
            self._out.append(status(b"OK", "Logged in", b"SASL " + string(exchange.last_word.line)))
        else:
            self._ok("Logged in")

    def token_refused(self, refusal: TokenRefusal) -> None:
        """The token lets nobody in. The client hears why, and NO when it has answered that."""
        self._answered(events.TokenAsked)
        assert isinstance(self._exchange, BearerExchange)
        self._out.append(string(self._exchange.refused(refusal).line) + b"\r\n")

    def login_failed(self, *, try_later: bool) -> None:
        """It is not, or nobody can say now."""
        self._answered(*LOGINS, events.ScramAsked)
        self._exchange = None
        if try_later:
            self._no("Try again later", Code.TRYLATER)
        else:
            self._refused()

    def unauthenticated(self) -> None:
        """Nobody is logged in."""
        self._answered(events.Unauthenticate)
        self._user = None
        self._reader.literal_octets = LITERAL_OCTETS_BEFORE_LOGIN
        self._ok("Nobody is logged in now")

    def done(self, text: str = "Done", code: Code | None = None) -> None:
        """The order was carried out."""
        self._answered(*ORDERS)
        self._ok(text, code)

    def refused(self, text: str, code: Code | None = None) -> None:
        """The order was not carried out."""
        self._answered(*ORDERS)
        self._no(text, code)

    def listed(self, scripts: Sequence[tuple[str, bool]]) -> None:
        """Names, and whether each is the active one."""
        self._answered(events.ListScripts)
        for name, active in scripts:
            self._out.append(string(name.encode()) + (b" ACTIVE" if active else b"") + b"\r\n")
        self._ok("That is all")

    def got(self, content: bytes) -> None:
        """A script's content."""
        self._answered(events.GetScript)
        self._out.append(b"{%d}\r\n" % len(content) + content + b"\r\n")
        self._ok("")

    def _answered(self, *kinds: type[object]) -> Event:
        event = self._waiting
        if event is None or not isinstance(event, kinds):
            raise RuntimeError(f"{event} does not wait for this answer")
        self._waiting = None
        return event

    # -- answers

    def _ok(self, text: str, code: Code | None = None) -> None:
        self._out.append(status(b"OK", text, None if code is None else code.value.encode()))

    def _no(self, text: str, code: Code | None = None) -> None:
        self._out.append(status(b"NO", text, None if code is None else code.value.encode()))

    def _mistake(self, text: str) -> None:
        self._mistakes += 1
        if self._mistakes >= MOST_MISTAKES:
            self._end("Too many mistakes")
        else:
            self._no(text)

    def _end(self, text: str, code: Code | None = None) -> None:
        self._out.append(status(b"BYE", text, None if code is None else code.value.encode()))
        self._ended = True

    def _capability(self, text: str) -> None:
        """RFC 5804 §1.7, §2.4."""
        offer = self._offer
        lines: list[tuple[bytes, str | None]] = [
            (b"IMPLEMENTATION", offer.implementation),
            (b"SIEVE", " ".join(offer.extensions)),
            (
                b"SASL",
                b" ".join(self._mechanisms()).decode() if self._may_login() and self._user is None else "",
            ),
            (b"MAXREDIRECTS", str(offer.most_redirects)),
        ]
        if offer.notify:
            lines.append((b"NOTIFY", " ".join(offer.notify)))
        if offer.ext_lists:
            lines.append((b"EXTLISTS", " ".join(offer.ext_lists)))
        if self._tls_offered:
            lines.append((b"STARTTLS", None))
        if self._user is not None:
            lines += [(b"OWNER", self._user), (b"UNAUTHENTICATE", None)]
        lines.append((b"VERSION", "1.0"))
        for name, value in lines:
            shown = b"" if value is None else b" " + string(value.encode())
            self._out.append(b'"' + name + b'"' + shown + b"\r\n")
        self._ok(text)

    def _may_login(self) -> bool:
        return self._tls_active or self._plaintext_allowed

    # -- commands

    def _command(self, line: Line) -> None:
        if not line.arguments:
            self._mistake("A command, please")
            return
        first, arguments = line.arguments[0], line.arguments[1:]
        name = first.octets.upper() if isinstance(first, Word) else b""
        if any(isinstance(each, String) and each.octets is None for each in arguments):
            if name in (b"PUTSCRIPT", b"CHECKSCRIPT"):
                self._no(f"A script can have {self._offer.script_octets} octets", Code.QUOTA_MAXSIZE)
            else:
                self._mistake("That is too large")
            return
        if name in ALWAYS:
            ALWAYS[name](self, arguments)
        elif name in WITH_USER:
            if self._user is None:
                self._mistake("Log in first")
            else:
                WITH_USER[name](self, arguments)
        else:
            self._mistake("Unknown command")

    def _noop(self, arguments: Sequence[Argument]) -> None:
        """RFC 5804 §2.13: the tag is given back."""
        if not arguments:
            self._ok("Done")
        elif len(arguments) == 1 and isinstance(arguments[0], String) and arguments[0].octets is not None:
            self._out.append(status(b"OK", "Done", b"TAG " + string(arguments[0].octets)))
        else:
            self._mistake("NOOP takes one string")

    def _capability_asked(self, arguments: Sequence[Argument]) -> None:
        if self._none(arguments):
            self._capability("That is all")

    def _logout(self, arguments: Sequence[Argument]) -> None:
        if self._none(arguments):
            self._ok("Goodbye")
            self._ended = True

    def _starttls(self, arguments: Sequence[Argument]) -> None:
        if not self._none(arguments):
            return
        if not self._tls_offered or self._user is not None:
            self._mistake("There is no TLS to start")
            return
        self._ok("Begin TLS negotiation")
        self._reader.clear()
        self._waiting = events.StartTls()

    def _authenticate(self, arguments: Sequence[Argument]) -> None:
        strings = _strings(arguments)
        if strings is None or not 1 <= len(strings) <= 2:
            self._mistake("AUTHENTICATE takes a mechanism and an answer")
        elif self._user is not None:
            self._mistake("Already logged in")
        elif not self._may_login():
            self._no("A password needs TLS first", Code.ENCRYPT_NEEDED)
        elif (mechanism := strings[0].upper()) not in self._mechanisms():
            self._mistake("Unknown mechanism")
        else:
            exchange = self._exchange = exchange_of(mechanism, self.channel_binding)
            if len(strings) == 2:
                self._sasl_answer(exchange, strings[1])
            else:
                self._out.append(string(exchange.first_challenge().line) + b"\r\n")

    def _mechanisms(self) -> tuple[bytes, ...]:
        return usable(self._offer.mechanisms, self.channel_binding, has_certificate=self.has_certificate)

    def _sasl_line(self, exchange: Exchange, line: Line) -> None:
        strings = _strings(line.arguments)
        if strings is None or len(strings) != 1:
            self._exchange = None
            self._mistake("An answer is one string")
        else:
            self._sasl_answer(exchange, strings[0])

    def _sasl_answer(self, exchange: Exchange, line: bytes) -> None:
        # An empty answer is the empty string here, and "=" where the exchange comes from (RFC 5034).
        outcome = exchange.answer(line or b"=")
        if isinstance(outcome, Challenge):
            self._out.append(string(outcome.line) + b"\r\n")
            return
        if isinstance(outcome, Bearer):
            # The exchange goes on where this lets nobody in.
            self._waiting = events.TokenAsked(outcome)
            return
        if isinstance(outcome, LoginAsked):
            self._waiting = events.ScramAsked(outcome.login)
            return
        if isinstance(outcome, Proven):
            self._waiting = events.ScramProven(outcome.login, outcome.credential_id)
            return
        self._exchange = None
        if isinstance(outcome, Credentials):
            self._waiting = events.Login(outcome.login, outcome.password)
        elif isinstance(outcome, External):
            self._waiting = events.CertificateAsked(outcome)
        elif outcome is Fault.REFUSED:
            self._refused()
        elif isinstance(outcome, Failed):
            self._mistake(outcome.reason)
        else:
            self._mistake(outcome.value)

    def _refused(self) -> None:
        self._failed_logins += 1
        if self._failed_logins >= MOST_FAILED_LOGINS:
            self._end("Authentication failed too often")
        else:
            self._no("Authentication failed")

    def _unauthenticate(self, arguments: Sequence[Argument]) -> None:
        if self._none(arguments):
            self._waiting = events.Unauthenticate()

    def _havespace(self, arguments: Sequence[Argument]) -> None:
        name = self._name(arguments[:1])
        size = arguments[1] if len(arguments) == 2 else None
        if name is None:
            return
        if not isinstance(size, Word) or not size.octets.isdigit() or len(size.octets) > 10:
            self._mistake("HAVESPACE takes a name and a number of octets")
        elif int(size.octets) > self._offer.script_octets:
            self._no(f"A script can have {self._offer.script_octets} octets", Code.QUOTA_MAXSIZE)
        else:
            self._waiting = events.HaveSpace(name, int(size.octets))

    def _putscript(self, arguments: Sequence[Argument]) -> None:
        name = self._name(arguments[:1])
        if name is None:
            return
        content = _strings(arguments[1:])
        if content is None or len(content) != 1:
            self._mistake("PUTSCRIPT takes a name and a script")
        elif len(content[0]) > self._offer.script_octets:
            self._no(f"A script can have {self._offer.script_octets} octets", Code.QUOTA_MAXSIZE)
        else:
            self._waiting = events.PutScript(name, content[0])

    def _checkscript(self, arguments: Sequence[Argument]) -> None:
        content = _strings(arguments)
        if content is None or len(content) != 1:
            self._mistake("CHECKSCRIPT takes a script")
        else:
            self._waiting = events.CheckScript(content[0])

    def _listscripts(self, arguments: Sequence[Argument]) -> None:
        if self._none(arguments):
            self._waiting = events.ListScripts()

    def _setactive(self, arguments: Sequence[Argument]) -> None:
        if _strings(arguments) == [b""]:
            self._waiting = events.SetActive("")
        elif (name := self._name(arguments)) is not None:
            self._waiting = events.SetActive(name)

    def _getscript(self, arguments: Sequence[Argument]) -> None:
        if (name := self._name(arguments)) is not None:
            self._waiting = events.GetScript(name)

    def _deletescript(self, arguments: Sequence[Argument]) -> None:
        if (name := self._name(arguments)) is not None:
            self._waiting = events.DeleteScript(name)

    def _renamescript(self, arguments: Sequence[Argument]) -> None:
        name = self._name(arguments[:1])
        new_name = self._name(arguments[1:]) if name is not None else None
        if name is not None and new_name is not None:
            self._waiting = events.RenameScript(name, new_name)

    def _none(self, arguments: Sequence[Argument]) -> bool:
        if arguments:
            self._mistake("That command takes no arguments")
        return not arguments

    def _name(self, arguments: Sequence[Argument]) -> str | None:
        """The one script name of these arguments; else the mistake is told."""
        strings = _strings(arguments)
        if strings is None or len(strings) != 1:
            self._mistake("The name of a script, please")
            return None
        name = script_name(strings[0])
        if name is None:
            self._mistake("That is no name for a script")
        return name


def script_name(octets: bytes) -> str | None:
    """A script's name in its one form, or None (RFC 5804 §1.6: Net-Unicode, no control characters, not empty)."""
    try:
        name = unicodedata.normalize("NFC", octets.decode("utf-8"))
    except UnicodeDecodeError:
        return None
    if not 1 <= len(name) <= LONGEST_NAME:
        return None
    if any(unicodedata.category(each) in ("Cc", "Zl", "Zp", "Cs") for each in name):
        return None
    return name


def _strings(arguments: Sequence[Argument]) -> list[bytes] | None:
    """The octets of arguments that must all be strings."""
    strings = []
    for argument in arguments:
        if not isinstance(argument, String) or argument.octets is None:
            return None
        strings.append(argument.octets)
    return strings


Handler = Callable[[ManageSieveServer, Sequence[Argument]], None]

# Before and after the login (RFC 5804 §2); the second table needs a user.
ALWAYS: dict[bytes, Handler] = {
    b"NOOP": ManageSieveServer._noop,
    b"CAPABILITY": ManageSieveServer._capability_asked,
    b"LOGOUT": ManageSieveServer._logout,
    b"STARTTLS": ManageSieveServer._starttls,
    b"AUTHENTICATE": ManageSieveServer._authenticate,
}
WITH_USER: dict[bytes, Handler] = {
    b"UNAUTHENTICATE": ManageSieveServer._unauthenticate,
    b"HAVESPACE": ManageSieveServer._havespace,
    b"PUTSCRIPT": ManageSieveServer._putscript,
    b"CHECKSCRIPT": ManageSieveServer._checkscript,
    b"LISTSCRIPTS": ManageSieveServer._listscripts,
    b"SETACTIVE": ManageSieveServer._setactive,
    b"GETSCRIPT": ManageSieveServer._getscript,
    b"DELETESCRIPT": ManageSieveServer._deletescript,
    b"RENAMESCRIPT": ManageSieveServer._renamescript,
}
LOGINS = (events.Login, events.TokenAsked, events.CertificateAsked, events.ScramProven)
ORDERS = (
    events.HaveSpace,
    events.PutScript,
    events.CheckScript,
    events.ListScripts,
    events.SetActive,
    events.GetScript,
    events.DeleteScript,
    events.RenameScript,
)
