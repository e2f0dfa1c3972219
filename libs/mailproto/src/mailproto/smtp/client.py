"""The client's side of an SMTP session: what to say next, what an answer means (RFC 5321 §4.1, §4.3, §4.5.3).

    machine.feed(octets)
    while (event := machine.next_event()) is not None: ...
    send machine.output()

Theory of operation. One command group is under way at a time; `_expected` says
which replies are still to come, in order, and what each was for:

    greeting -> EHLO (-> HELO where EHLO is refused) -> [STARTTLS -> TLS -> EHLO] -> [AUTH] -> ready
    ready -> MAIL RCPT.. DATA (one group with PIPELINING, else one by one) -> content -> ready

With STARTTLS (RFC 3207): octets that came with the 220 in clear are an
injection, and the session is over. With PIPELINING (RFC 2920): when no
recipient was accepted and DATA was all the same, an empty message ends it and
the session.

LMTP (RFC 2033) is the same with LHLO, and with one answer to the content for each
recipient that was accepted.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import assert_never

from mailproto.smtp.body import BodyType, Transfer
from mailproto.smtp.client_login import Login, exchange
from mailproto.smtp.client_parameters import dsn_of_mail, dsn_of_rcpt
from mailproto.smtp.client_replies import ReplyInvalid, ReplyReader
from mailproto.smtp.dsn_request import MESSAGE_DEFAULT, RECIPIENT_DEFAULT, MessageRequest, RecipientRequest
from mailproto.smtp.reply import Charset, Reply
from mailproto.smtp.wishes import By, ByMode, TlsWish


class Asked(Enum):
    """What a reply is the answer to."""

    GREETING = "greeting"
    EHLO = "EHLO"
    HELO = "HELO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    CONTENT = "content"
    RSET = "RSET"
    QUIT = "QUIT"


# RFC 5321 §4.5.3.2: how long to wait for each, in seconds.
TIMEOUT_SECONDS = {
    Asked.GREETING: 300.0,
    Asked.EHLO: 300.0,
    Asked.HELO: 300.0,
    Asked.STARTTLS: 300.0,
    Asked.AUTH: 180.0,
    Asked.MAIL: 300.0,
    Asked.RCPT: 300.0,
    Asked.DATA: 120.0,
    Asked.CONTENT: 600.0,
    Asked.RSET: 60.0,
    Asked.QUIT: 10.0,
}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to send: its envelope and what the server must know of it."""

    reverse_path: str
    forward_paths: tuple[str, ...]
    size_octets: int
    body: BodyType = BodyType.SEVEN_BIT
    header_charset: Charset = Charset.ASCII
    request: MessageRequest = MESSAGE_DEFAULT
    # For each forward-path, or none at all.
    recipient_requests: tuple[RecipientRequest, ...] = ()
    tls: TlsWish = TlsWish.USUAL
    by: By | None = None
    priority: int = 0

    @property
    def needs_smtputf8(self) -> bool:
        """Whether it cannot be sent without the extension (RFC 6531 §3.2)."""
        return self.header_charset is Charset.UTF_8 or not self.has_ascii_paths

    @property
    def has_ascii_paths(self) -> bool:
        """Whether the envelope is ASCII."""
        return self.reverse_path.isascii() and all(path.isascii() for path in self.forward_paths)


@dataclass(frozen=True, slots=True)
class Ready:
    """The session is open: `send` may be called. `extensions` by EHLO keyword, in upper case."""

    extensions: dict[str, str]


@dataclass(frozen=True, slots=True)
class TlsWanted:
    """Start TLS now, then call `tls_started`."""


@dataclass(frozen=True, slots=True)
class ContentWanted:
    """Send the content (`client_content.encode`), then call `content_sent`."""

    transfer: Transfer = Transfer.DATA


class Passed(Enum):
    """What became of the sender's wishes."""

    ON = "passed on"
    NOT_ON = "not passed on: we are the last who can tell"


@dataclass(frozen=True, slots=True)
class Finished:
    """The message is settled: for each forward-path, in order, the reply that decided.

    `dsn` says whether the server knows what the sender wants to be told, and will see to it (RFC 3461 §5.2); `by` the
    same of its time limit (RFC 2852).
    """

    replies: tuple[Reply, ...]
    dsn: Passed = Passed.ON
    by: Passed = Passed.ON


@dataclass(frozen=True, slots=True)
class Failed:
    """The session is over before the message was settled. `reply` is the server's, or ours for what it did."""

    asked: Asked
    reply: Reply


Event = Ready | TlsWanted | ContentWanted | Finished | Failed

NO_8BIT = Reply.of(554, "5.6.3", "The next system takes no 8-bit content")
NO_UTF8_PATH = Reply.of(550, "5.6.7", "The next system takes no addresses outside ASCII (SMTPUTF8)")
NO_UTF8_HEADER = Reply.of(554, "5.6.9", "The next system takes no header outside ASCII (SMTPUTF8)")
NO_BINARY = Reply.of(554, "5.6.3", "The next system takes no binary content")
NO_REQUIRETLS = Reply.of(550, "5.7.30", "REQUIRETLS support required")
# RFC 3463 X.3.3: the system is not capable of what is asked for.
NO_DELIVERBY = Reply.of(
    550, "5.3.3", "The next system does not promise to keep the sender's time limit (DELIVERBY)"
)
TOO_BIG = Reply.of(552, "5.3.4", "The message is bigger than the next system takes")
EMPTY_END = b".\r\n"


NO_LOGIN = Reply.of(535, "5.7.8", "The next system offers no way to log in that we know")

NO_TLS_FOR_LOGIN = Reply.of(451, "4.7.5", "The next system has no TLS, and gets no password in clear")


class Dialect(Enum):
    """Whom we speak with: a system that relays, or one that delivers. The value is how we say hello."""

    SMTP = "EHLO"
    LMTP = "LHLO"


@dataclass
class _Transaction:
    outgoing: Outgoing
    dsn: Passed
    by: Passed
    mail: Reply | None = None
    recipients: list[Reply] = field(default_factory=list)
    # LMTP: what each accepted recipient's delivery came to.
    delivered: list[Reply] = field(default_factory=list)

    @property
    def accepted_count(self) -> int:
        """Recipients."""
        return sum(reply.is_positive for reply in self.recipients)

    @property
    def transfer(self) -> Transfer:
        """Only what needs chunks is sent in one."""
        return Transfer.BDAT if self.outgoing.body is BodyType.BINARY else Transfer.DATA

    @property
    def accepted(self) -> bool:
        if self.mail is None or not self.mail.is_positive:
            return False
        return any(reply.is_positive for reply in self.recipients)

    def settle(self, last: Reply) -> Finished:
        """Recipients that were refused keep their own reply; the others get the last one."""
        if self.mail is not None and not self.mail.is_positive:
            last = self.mail
        if self.delivered:
            each = iter(self.delivered)
            fates = [next(each, last) if reply.is_positive else reply for reply in self.recipients]
            return Finished(tuple(fates), self.dsn, self.by)
        known = self.recipients + [last] * (len(self.outgoing.forward_paths) - len(self.recipients))
        mail_failed = self.mail is not None and not self.mail.is_positive
        return Finished(
            tuple(last if mail_failed or reply.is_positive else reply for reply in known), self.dsn, self.by
        )


class ClientMachine:
    """One session. With `wants_tls` STARTTLS is used where it is offered.

    With a login nothing is sent to who does not take it, and no password to who has no TLS though it is wanted.
    """

    def __init__(
        self,
        hostname: str,
        *,
        wants_tls: bool,
        login: Login | None = None,
        dialect: Dialect = Dialect.SMTP,
    ) -> None:
        self._hostname = hostname
        self._login = login
        self._dialect = dialect
        self._login_lines: deque[bytes] = deque()
        self._wants_tls = wants_tls
        self._replies = ReplyReader()
        self._expected: deque[Asked] = deque([Asked.GREETING])
        self._output: list[bytes] = []
        self._extensions: dict[str, str] = {}
        self._transaction: _Transaction | None = None
        self._unsent: deque[tuple[Asked, bytes]] = deque()
        self._queued: Finished | None = None
        self._over = False
        self.replies_taken = 0

    # -- octets

    def feed(self, data: bytes) -> None:
        """Take octets from the server."""
        self._replies.feed(data)

    def output(self) -> bytes:
        """What is to be sent; asked for once."""
        data = b"".join(self._output)
        self._output.clear()
        return data

    @property
    def has_output(self) -> bool:
        """Whether anything is to be sent."""
        return bool(self._output)

    @property
    def timeout_seconds(self) -> float:
        """How long to wait for what comes next."""
        return TIMEOUT_SECONDS[self._expected[0]] if self._expected else TIMEOUT_SECONDS[Asked.RSET]

    @property
    def waits_for(self) -> Asked | None:
        """What the next reply answers."""
        return self._expected[0] if self._expected else None

    @property
    def is_open(self) -> bool:
        """Whether another message may follow, once what `waits_for` says has been answered."""
        return not self._over and self._transaction is None

    # -- the driver's part

    def send(self, outgoing: Outgoing) -> None:
        """Begin a transaction; the session is Ready."""
        if self._expected or self._transaction is not None:
            raise RuntimeError("the session is not ready")
        transaction = self._transaction = _Transaction(
            outgoing, self._passed("DSN"), self._passed("DELIVERBY")
        )
        limit = self._extensions.get("SIZE", "")
        if limit.isdigit() and 0 < int(limit) < outgoing.size_octets:
            self._queued = transaction.settle(TOO_BIG)
            return
        if (refusal := self._cannot_take(outgoing)) is not None:
            self._queued = transaction.settle(refusal)
            return
        line = f"MAIL FROM:<{outgoing.reverse_path}>"
        if "SIZE" in self._extensions:
            line += f" SIZE={outgoing.size_octets}"
        if outgoing.body is not BodyType.SEVEN_BIT:
            line += f" BODY={outgoing.body.value}"
        if outgoing.needs_smtputf8:
            line += " SMTPUTF8"
        line += self._wishes(outgoing)
        requests: tuple[RecipientRequest, ...] = (RECIPIENT_DEFAULT,) * len(outgoing.forward_paths)
        if transaction.dsn is Passed.ON:
            line += dsn_of_mail(outgoing.request)
            requests = outgoing.recipient_requests or requests
        charset = Charset.UTF_8 if outgoing.needs_smtputf8 else Charset.ASCII
        group = [(Asked.MAIL, line)]
        for path, request in zip(outgoing.forward_paths, requests, strict=True):
            group.append((Asked.RCPT, f"RCPT TO:<{path}>" + dsn_of_rcpt(request, charset)))
        if transaction.transfer is Transfer.DATA:
            group.append((Asked.DATA, "DATA"))
        self._unsent = deque((asked, _line(text)) for asked, text in group)
        self._say_group()

    def _cannot_take(self, outgoing: Outgoing) -> Reply | None:
        """Why the server cannot take it as it is: nothing is rewritten on the way."""
        if outgoing.body is BodyType.EIGHT_BIT and "8BITMIME" not in self._extensions:
            # RFC 6152 §3
            return NO_8BIT
        if outgoing.body is BodyType.BINARY and not {"CHUNKING", "BINARYMIME"} <= self._extensions.keys():
            # RFC 3030 §3, the third way
            return NO_BINARY
        if (
            outgoing.tls is TlsWish.REQUIRED
            and "REQUIRETLS" not in self._extensions
            and outgoing.reverse_path
        ):
            # RFC 8689 §4.2.1; notices go on all the same (§5).
            return NO_REQUIRETLS
        if outgoing.by is not None and outgoing.by.mode is ByMode.RETURN:
            least = self._extensions.get("DELIVERBY")
            if least is None or (least.isdigit() and outgoing.by.seconds < int(least)):
                return NO_DELIVERBY
        if outgoing.needs_smtputf8 and "SMTPUTF8" not in self._extensions:
            # RFC 6531 §3.5
            return NO_UTF8_HEADER if outgoing.has_ascii_paths else NO_UTF8_PATH
        return None

    def _passed(self, extension: str) -> Passed:
        return Passed.ON if extension in self._extensions else Passed.NOT_ON

    def _wishes(self, outgoing: Outgoing) -> str:
        """How it is to travel, as far as the server knows of that."""
        words = ""
        if outgoing.tls is TlsWish.REQUIRED and "REQUIRETLS" in self._extensions:
            words += " REQUIRETLS"
        if outgoing.by is not None and "DELIVERBY" in self._extensions:
            words += f" BY={outgoing.by.value}"
        if outgoing.priority and "MT-PRIORITY" in self._extensions:
            words += f" MT-PRIORITY={outgoing.priority}"
        return words

    def _say_group(self) -> None:
        pipelining = "PIPELINING" in self._extensions
        while self._unsent and (pipelining or not self._expected):
            asked, line = self._unsent.popleft()
            self._say(asked, line)

    def tls_started(self) -> None:
        """TLS is there; what the server said before is forgotten."""
        self._wants_tls = False
        self._extensions = {}
        self._say_hello()

    def content_sent(self) -> None:
        """The content is on its way; its answer is awaited."""
        transaction = self._transaction
        is_lmtp = self._dialect is Dialect.LMTP and transaction is not None
        answers = transaction.accepted_count if is_lmtp and transaction is not None else 1
        self._expected.extend([Asked.CONTENT] * answers)

    def broken_off(self, reply: Reply) -> Finished | None:
        """The connection is gone: what is known of a message that some recipients have an answer to (LMTP).

        The others have this reply. None: nobody has any.
        """
        transaction = self._transaction
        if transaction is None or not transaction.delivered:
            return None
        self._over, self._transaction = True, None
        self._expected.clear()
        return transaction.settle(reply)

    def quit(self) -> None:
        """Say goodbye; the answer need not be awaited."""
        if not self._over:
            self._over = True
            self._output.append(b"QUIT\r\n")

    def _say_hello(self) -> None:
        self._say(Asked.EHLO, _line(f"{self._dialect.value} {self._hostname}"))

    def _say(self, asked: Asked, line: bytes) -> None:
        self._output.append(line)
        self._expected.append(asked)

    # -- events

    def next_event(self) -> Event | None:
        """What happened; None: send the output and read more."""
        if self._queued is not None:
            finished, self._queued, self._transaction = self._queued, None, None
            return finished
        while not self._over and self._expected:
            try:
                reply = self._replies.next_reply()
            except ReplyInvalid as error:
                reply = Reply.of(451, "4.5.0", f"The next system spoke no SMTP: {error}")
                return self.broken_off(reply) or self._fail(reply)
            if reply is None:
                return None
            self.replies_taken += 1
            event = self._answered(self._expected.popleft(), reply)
            if event is not None:
                return event
        return None

    def _fail(self, reply: Reply, asked: Asked | None = None) -> Failed:
        self._over = True
        return Failed(asked or self._expected[0], reply)

    def _answered(self, asked: Asked, reply: Reply) -> Event | None:
        if reply.code == 421 and not (asked is Asked.CONTENT and self._dialect is Dialect.LMTP):
            # RFC 5321 §3.8: the service closes, whatever was asked.
            return self._fail(reply, asked)
        match asked:
            case Asked.GREETING:
                if reply.code // 100 != 2:
                    return self._fail(reply, asked)
                self._say_hello()
            case Asked.EHLO:
                return self._hello(reply)
            case Asked.HELO:
                if reply.code // 100 != 2:
                    return self._fail(reply, asked)
                return self._ready()
            case Asked.STARTTLS:
                if reply.code != 220:
                    # Offered and refused: go on in clear, as if it had not been offered.
                    self._wants_tls = False
                    return Ready(self._extensions) if self._login is None else self._fail(reply, asked)
                if self._replies.has_unread:
                    text = "Octets came in clear after the answer to STARTTLS"
                    return self._fail(Reply.of(451, "4.7.5", text), asked)
                return TlsWanted()
            case Asked.AUTH:
                return self._login_answered(reply)
            case Asked.MAIL | Asked.RCPT | Asked.DATA | Asked.CONTENT:
                return self._transaction_answered(asked, reply)
            case Asked.RSET | Asked.QUIT:
                return None
            case _:
                assert_never(asked)
        return None

    def _hello(self, reply: Reply) -> Event | None:
        if reply.code // 100 != 2:
            if reply.code // 100 == 5 and self._dialect is Dialect.SMTP:
                # RFC 5321 §3.2: an old server; HELO it is.
                self._say(Asked.HELO, _line(f"HELO {self._hostname}"))
                return None
            return self._fail(reply, Asked.EHLO)
        words = (line.split(None, 1) for line in reply.lines[1:])
        self._extensions = {pair[0].upper(): pair[1] if len(pair) > 1 else "" for pair in words if pair}
        if self._wants_tls and "STARTTLS" in self._extensions:
            self._say(Asked.STARTTLS, b"STARTTLS\r\n")
            return None
        return self._ready()

    def _ready(self) -> Event | None:
        """Ready, after the login where there is one to make."""
        if self._login is None:
            return Ready(self._extensions)
        if self._wants_tls:
            return self._fail(NO_TLS_FOR_LOGIN, Asked.AUTH)
        lines = exchange(self._login, self._extensions.get("AUTH", ""))
        if lines is None:
            return self._fail(NO_LOGIN, Asked.AUTH)
        self._login_lines = lines
        self._say(Asked.AUTH, lines.popleft())
        return None

    def _login_answered(self, reply: Reply) -> Event | None:
        """RFC 4954 §4: 334 asks for more, 235 is the end."""
        if reply.code == 334 and self._login_lines:
            self._say(Asked.AUTH, self._login_lines.popleft())
            return None
        return Ready(self._extensions) if reply.code == 235 else self._fail(reply, Asked.AUTH)

    def _transaction_answered(self, asked: Asked, reply: Reply) -> Event | None:
        transaction = self._transaction
        assert transaction is not None
        if asked is Asked.MAIL:
            transaction.mail = reply
            if not reply.is_positive and self._unsent:
                self._unsent.clear()
                return self._settled(reply)
        elif asked is Asked.RCPT:
            transaction.recipients.append(reply)
            if len(transaction.recipients) == len(transaction.outgoing.forward_paths) and not self._expected:
                if not transaction.accepted:
                    # Only the content is left, and nobody to send it to.
                    self._unsent.clear()
                    return self._settled(reply)
                if transaction.transfer is Transfer.BDAT:
                    return ContentWanted(Transfer.BDAT)
        elif asked is Asked.DATA:
            if reply.code != 354:
                return self._settled(reply if reply.code >= 400 else _strange(reply))
            if transaction.accepted:
                return ContentWanted()
            # Everybody's fate is known; how the server likes the empty message changes nothing.
            self._output.append(EMPTY_END)
            self._over = True
            self._transaction = None
            return transaction.settle(reply)
        elif self._dialect is Dialect.LMTP:
            transaction.delivered.append(reply)
            if reply.code == 421:
                # RFC 2033 §4.2: who has been told has been told; the others have this answer.
                self._over = True
            elif Asked.CONTENT in self._expected:
                return None
            self._expected.clear()
            return self._settled(reply)
        else:
            return self._settled(reply)
        self._say_group()
        return None

    def _settled(self, last: Reply) -> Finished:
        transaction, self._transaction = self._transaction, None
        assert transaction is not None
        finished = transaction.settle(last)
        if last.code // 100 != 2 and not self._over:
            # A refused transaction may linger at the server; the next one begins afresh.
            self._say(Asked.RSET, b"RSET\r\n")
        return finished


def _strange(reply: Reply) -> Reply:
    return Reply.of(451, "4.5.0", f"The next system answered DATA with {reply.code}")


def _line(text: str) -> bytes:
    """A command line. Raises ValueError where a line break would make it two."""
    if "\r" in text or "\n" in text or "\0" in text:
        raise ValueError("a line break in a command")
    return text.encode("utf-8") + b"\r\n"
