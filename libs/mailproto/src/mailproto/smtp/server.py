"""The server's side of an SMTP session: octets in, events and replies out (RFC 5321 §4.1.4, §4.3).

    machine.feed(octets)
    while (event := machine.next_event()) is not None:
        ... decide, machine.answer(reply) ...
    send machine.output()

Theory of operation. A session is in one state, and the table says which
commands it takes there:

    state      EHLO/HELO  MAIL  RCPT  DATA  BDAT    RSET/NOOP/VRFY/EXPN/HELP/QUIT  STARTTLS  AUTH
    START      GREETED    503   503   503   503     stays                          503       503
    GREETED    GREETED    MAIL  503   503   503     stays                          START     GREETED
    MAIL       GREETED    503   RCPT  554   554     RSET: GREETED                  503       503
    RCPT       GREETED    503   RCPT  354   CHUNKS  RSET: GREETED                  503       503
    CHUNKS     GREETED    503   503   503   CHUNKS  RSET: GREETED                  503       503

A whole message, by DATA or by BDAT LAST, leads back to GREETED, and so does a chunk that is refused.

Pipelining (RFC 2920): commands that came together are answered in order, and
adjacent RCPTs are asked about together. EHLO, HELO, DATA and AUTH must be the
last of their group: octets that came after them were sent without waiting for
the answer, by a peer that does not listen or by an attacker, and end the
session. What came in clear after STARTTLS is forgotten (RFC 3207 §4.2).

Whoever says 421, the machine or its driver, ends the session with it.

Every 5yz costs one of the errors that a session may make (`ServerConfig.errors_allowed`), and so does every command
that moves no mail beyond `ServerConfig.junk_allowed`.
"""

from typing import assert_never

from mailproto.sasl.choosing import usable
from mailproto.smtp import server_events as events
from mailproto.smtp.body import BodyType
from mailproto.smtp.dsn_request import MESSAGE_DEFAULT, RECIPIENT_DEFAULT
from mailproto.smtp.reply import Charset, Reply
from mailproto.smtp.server_auth import AuthDialogue
from mailproto.smtp.server_commands import (
    NON_ASCII_RECIPIENT,
    UNKNOWN_COMMAND,
    Auth,
    Bdat,
    Expn,
    Hello,
    Help,
    Mail,
    Plain,
    Rcpt,
    Vrfy,
    Xclient,
    parse,
)
from mailproto.smtp.server_config import Binary, DeliverBy, Dialect, Dsn, Priorities, State, Waiting
from mailproto.smtp.server_data import Flaw
from mailproto.smtp.server_incoming import Chunk
from mailproto.smtp.server_offers import Offers
from mailproto.smtp.server_parameters import UNKNOWN_PARAMETER, MailParameters
from mailproto.smtp.server_recipients import RcptGroup
from mailproto.smtp.server_session import ServerSession, line_refusal
from mailproto.smtp.wishes import HoldFor, TlsWish
from mailproto.smtp.xclient import XclientInvalid, parse_xclient

__all__ = ["ServerMachine"]
TOO_LATE = Reply.of(501, "5.5.4", "FUTURERELEASE says how late a message can be released at most")


class ServerMachine(ServerSession):
    """One session: what each command does. `offers_tls` and `offers_auth` may change when TLS starts."""

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
                return self._begin_auth(command)
            case Bdat():
                return self._bdat(command)
            case Xclient():
                return self._xclient(command)
            case Vrfy():
                self._note_junk()
                self._waiting = Waiting.LOOK_UP
                self._charset = command.charset
                return events.VrfyAsked(command.text, command.charset)
            case Expn():
                self._note_junk()
                self._waiting = Waiting.LOOK_UP
                self._charset = command.charset
                return events.ExpnAsked(command.text, command.charset)
            case Help():
                self._note_junk()
                self._say(self._offers().help(command.topic))
                return None
            case Plain():
                return self._plain(command)
            case _:
                assert_never(command)

    def _hello(self, hello: Hello) -> events.Event | None:
        if hello.is_local is not (self.config.dialect is Dialect.LMTP):
            # RFC 2033 §4.1: who speaks LMTP does not know EHLO and HELO; who speaks SMTP, not LHLO.
            self._say(UNKNOWN_COMMAND)
            return None
        self.hello = hello
        self.state = State.GREETED
        self._reset()
        if not hello.is_extended:
            self._say(Reply.of(250, "", self.config.hostname))
            return None
        first = f"{self.config.hostname} greets {hello.name}"
        self._say(Reply(250, "", (first, *self._offers().extensions(self.config))))
        return None

    def _offers(self) -> Offers:
        return Offers(
            starttls=self.offers_tls,
            mechanisms=self._mechanisms() if self.offers_auth and not self.authenticated else (),
            # Strangers are told nothing (RFC 5321 §7.3), so it is not offered to them.
            expn=self.authenticated,
            xclient=self.offers_xclient,
            require_tls=self.is_in_tls,
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
        given = mail.given
        if given.size_octets is not None and given.size_octets > limit:
            # RFC 1870 §6.1: refused before it is sent.
            self._say(Reply.of(552, "5.3.4", f"A message has at most {limit} octets here"))
            return None
        if given.request is not MESSAGE_DEFAULT and self.config.dsn is Dsn.REFUSED:
            self._say(UNKNOWN_PARAMETER)
            return None
        if given.body is BodyType.BINARY and self.config.binary is Binary.REFUSED:
            self._say(Reply.of(501, "5.5.4", "BINARYMIME is not offered"))
            return None
        if (refusal := self._refused_wish(given)) is not None:
            self._say(refusal)
            return None
        self._sender = mail
        self._waiting = Waiting.MAIL
        return events.MailAsked(mail)

    def _refused_wish(self, given: MailParameters) -> Reply | None:
        """A parameter that is not offered here and now, or asks for more than is."""
        config = self.config
        if (
            (given.tls is TlsWish.REQUIRED and not self.is_in_tls)
            or (given.by is not None and config.deliver_by is DeliverBy.REFUSED)
            or (given.priority is not None and config.priorities is Priorities.REFUSED)
            or (given.hold is not None and config.future_release is None)
        ):
            return UNKNOWN_PARAMETER
        limit = config.future_release
        if given.hold is None or limit is None:
            return None
        if isinstance(given.hold, HoldFor):
            is_too_long = given.hold.seconds > limit.seconds_most
        else:
            is_too_long = given.hold.at > limit.until
        return TOO_LATE if is_too_long else None

    def _rcpt(self, first: Rcpt) -> events.Event | None:
        if self.state not in (State.MAIL, State.RCPT):
            self._say(Reply.of(503, "5.5.1", "Say MAIL first"))
            return None
        group = self._rcpts = RcptGroup(self.config.recipients_allowed - self.recipients_accepted)
        group.add(self._allowed(first))
        while not group.is_full and self._input.holds_line_of(b"RCPT"):
            line = self._input.next_line()
            if isinstance(line, bytes):
                command = parse(line)
                assert isinstance(command, Rcpt | Reply)
                group.add(self._allowed(command))
            elif line is not None:
                group.add(line_refusal(line))
        self._waiting = Waiting.RCPT
        if not group.asked:
            self.answer_rcpt([])
            return None
        return events.RcptAsked(tuple(group.asked))

    def _allowed(self, rcpt: Rcpt | Reply) -> Rcpt | Reply:
        """The recipient where its form is one that was offered, else the refusal."""
        if isinstance(rcpt, Reply) or (rcpt.request is RECIPIENT_DEFAULT and rcpt.forward_path.isascii()):
            return rcpt
        if rcpt.request != RECIPIENT_DEFAULT and self.config.dsn is Dsn.REFUSED:
            return UNKNOWN_PARAMETER
        if rcpt.forward_path.isascii() and rcpt.request.original_recipient.isascii():
            return rcpt
        if self._sender is not None and self._sender.given.charset is Charset.UTF_8:
            return rcpt
        return NON_ASCII_RECIPIENT

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
        refusal = self._no_message_now(State.RCPT)
        if refusal is None and self._is_binary:
            refusal = Reply.of(503, "5.5.1", "A message in BINARYMIME comes by BDAT (RFC 3030 3)")
        if refusal is not None:
            self._say(refusal)
            return None
        self._waiting = Waiting.DATA
        return events.DataAsked()

    @property
    def _is_binary(self) -> bool:
        return self._sender is not None and self._sender.given.body is BodyType.BINARY

    def _no_message_now(self, *states: State) -> Reply | None:
        if self.state in states and self.recipients_accepted:
            return None
        if self.state is State.MAIL:
            return Reply.of(554, "5.5.1", "No valid recipients")
        if self.state is State.CHUNKS:
            return Reply.of(503, "5.5.1", "DATA and BDAT do not go together")
        return Reply.of(503, "5.5.1", "Say MAIL and RCPT first")

    def _bdat(self, bdat: Bdat) -> events.Event | None:
        if bdat.octets is None:
            # Nobody knows which octet is the next command's first.
            return self._end(Reply.of(501, "5.5.4", "Syntax: BDAT octets [LAST]"))
        if not bdat.octets and not bdat.is_last:
            self._note_junk()
        refusal = self._no_message_now(State.RCPT, State.CHUNKS)
        if refusal is not None:
            chunk = self._incoming.discard_chunk(bdat.octets, refusal)
        else:
            chunk = self._incoming.begin_chunk(bdat.octets, is_last=bdat.is_last, is_binary=self._is_binary)
        match chunk:
            case Chunk.FIRST:
                self.state = State.CHUNKS
                return events.ChunksBegun()
            case Chunk.NEXT:
                return None
            case Chunk.DISCARDED:
                return events.ChunksBegun()
            case Chunk.ENDLESS:
                return self._end(refusal or Flaw.TOO_BIG.reply)
            case _:
                assert_never(chunk)

    def _xclient(self, xclient: Xclient) -> events.Event | None:
        if not self.offers_xclient:
            self._say(UNKNOWN_COMMAND)
            return None
        if self.state not in (State.START, State.GREETED):
            self._say(Reply.of(503, "5.5.1", "XCLIENT comes before MAIL"))
            return None
        try:
            told = parse_xclient(xclient.argument)
        except XclientInvalid as error:
            self._say(Reply.of(501, "5.5.4", f"Bad XCLIENT: {error}"))
            return None
        if (closing := self._spoke_too_soon()) is not None:
            return closing
        self._waiting = Waiting.XCLIENT
        return events.XclientAsked(told)

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

    def _mechanisms(self) -> tuple[bytes, ...]:
        return usable(self.config.mechanisms, self.channel_binding, has_certificate=self.has_certificate)

    def _begin_auth(self, auth: Auth) -> events.Event | None:
        refusal = None
        if not self.config.mechanisms:
            refusal = Reply.of(502, "5.5.1", "AUTH is not offered")
        elif not self.offers_auth:
            refusal = Reply.of(538, "5.7.11", "Start TLS first: a password is not taken in clear")
        elif self.authenticated:
            refusal = Reply.of(503, "5.5.1", "You are authenticated already")
        elif self.state is not State.GREETED:
            refusal = Reply.of(503, "5.5.1", "AUTH comes after EHLO and before MAIL")
        elif auth.mechanism not in self._mechanisms():
            refusal = Reply.of(504, "5.5.4", "That mechanism is not offered")
        if refusal is not None:
            self._say(refusal)
            return None
        if (closing := self._spoke_too_soon()) is not None:
            return closing
        self._auth = AuthDialogue(auth.mechanism, self.channel_binding)
        return self._auth_step(self._auth.begin(auth))
