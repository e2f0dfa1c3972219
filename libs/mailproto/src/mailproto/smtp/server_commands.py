"""Command lines of a client (RFC 5321 §4.1.1), parsed. Whose fault an error is, is clear: the peer's.

A line comes without its CRLF. Verbs are case-insensitive.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from mailproto.smtp.address import HELO_NAME, AddressInvalid, parse_forward_path, parse_reverse_path
from mailproto.smtp.dsn_request import RECIPIENT_DEFAULT, RecipientRequest
from mailproto.smtp.reply import Charset, Reply
from mailproto.smtp.server_parameters import (
    NO_PARAMETERS,
    MailParameters,
    ParameterInvalid,
    parse_mail_parameters,
    parse_rcpt_parameters,
)


@dataclass(frozen=True, slots=True)
class Hello:
    """EHLO or HELO, or LHLO (RFC 2033 §4.1), which is an EHLO of its own."""

    name: str
    is_extended: bool
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class Mail:
    """MAIL FROM. `reverse_path` is "" for <>."""

    reverse_path: str
    given: MailParameters = NO_PARAMETERS


@dataclass(frozen=True, slots=True)
class Rcpt:
    """RCPT TO. `request` is what the sender wants to be told of this recipient."""

    forward_path: str
    request: RecipientRequest = RECIPIENT_DEFAULT


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH mechanism [initial-response]; the response is still base64, None where absent."""

    mechanism: bytes
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class Vrfy:
    """VRFY string. `charset` is what the answer may hold (RFC 6531 §3.7.4.2)."""

    text: str
    charset: Charset


@dataclass(frozen=True, slots=True)
class Expn:
    """EXPN string. `charset` as in Vrfy."""

    text: str
    charset: Charset


@dataclass(frozen=True, slots=True)
class Help:
    """HELP [string]; "" where it is absent."""

    topic: str


@dataclass(frozen=True, slots=True)
class Bdat:
    """BDAT. `octets` is None where it cannot be known where the chunk ends."""

    octets: int | None
    is_last: bool


@dataclass(frozen=True, slots=True)
class Xclient:
    """XCLIENT, not parsed yet: only who may say it is told what is wrong with it."""

    argument: str


class Plain(Enum):
    """Commands without an argument that matters."""

    DATA = "DATA"
    RSET = "RSET"
    NOOP = "NOOP"
    QUIT = "QUIT"
    STARTTLS = "STARTTLS"


Command = Hello | Mail | Rcpt | Auth | Vrfy | Expn | Help | Bdat | Xclient | Plain

# A browser can be made to send a form here, with commands in it: it is not listened to.
HTTP_METHODS = frozenset(
    (b"CONNECT", b"DELETE", b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"POST", b"PUT", b"TRACE")
)
ANOTHER_PROTOCOL = Reply.of(421, "4.7.0", "This is SMTP")
UNKNOWN_COMMAND = Reply.of(500, "5.5.2", "Unknown command")
# RFC 6531 §3.5
NON_ASCII_SENDER = Reply.of(550, "5.6.7", "An address outside ASCII needs MAIL with SMTPUTF8")
NON_ASCII_RECIPIENT = Reply.of(553, "5.6.7", "An address outside ASCII needs MAIL with SMTPUTF8")


def _syntax(form: str) -> Reply:
    return Reply.of(501, "5.5.4", f"Syntax: {form}")


def parse(line: bytes) -> Command | Reply:
    """The command of a line, or the reply that says what is wrong with it."""
    verb, _, argument = line.partition(b" ")
    parser = PARSERS.get(verb.upper())
    if parser is None:
        return ANOTHER_PROTOCOL if verb.upper() in HTTP_METHODS else UNKNOWN_COMMAND
    return parser(argument)


def _hello(argument: bytes, verb: str) -> Command | Reply:
    name = argument.strip()
    if not name or len(name) > 255 or not HELO_NAME.fullmatch(name):
        return _syntax(f"{verb} hostname")
    return Hello(name.decode("ascii"), verb != "HELO", verb == "LHLO")


def _mail(argument: bytes) -> Command | Reply:
    if argument[:5].upper() != b"FROM:":
        return _syntax("MAIL FROM:<address>")
    try:
        parsed = parse_reverse_path(argument[5:].lstrip(b" "))
        given = parse_mail_parameters(parsed.rest)
    except AddressInvalid as error:
        return Reply.of(501, "5.1.7", f"Bad sender address: {error}")
    except ParameterInvalid as error:
        return error.reply
    if given.charset is Charset.ASCII and not parsed.address.isascii():
        return NON_ASCII_SENDER
    return Mail(parsed.address, given)


def _rcpt(argument: bytes) -> Command | Reply:
    if argument[:3].upper() != b"TO:":
        return _syntax("RCPT TO:<address>")
    try:
        parsed = parse_forward_path(argument[3:].lstrip(b" "))
        return Rcpt(parsed.address, parse_rcpt_parameters(parsed.rest))
    except AddressInvalid as error:
        return Reply.of(501, "5.1.3", f"Bad recipient address: {error}")
    except ParameterInvalid as error:
        return error.reply


def _auth(argument: bytes) -> Command | Reply:
    words = argument.split()
    if not 1 <= len(words) <= 2:
        return _syntax("AUTH mechanism [initial-response]")
    return Auth(words[0].upper(), words[1] if len(words) == 2 else None)


def _vrfy(argument: bytes) -> Command | Reply:
    asked = _string(argument)
    return _syntax("VRFY address [SMTPUTF8]") if asked is None else Vrfy(*asked)


def _expn(argument: bytes) -> Command | Reply:
    asked = _string(argument)
    return _syntax("EXPN address [SMTPUTF8]") if asked is None else Expn(*asked)


def _string(argument: bytes) -> tuple[str, Charset] | None:
    """String [ SP "SMTPUTF8" ] (RFC 6531 §3.7.4.2)."""
    text, charset = argument.strip(), Charset.ASCII
    front, space, last = text.rpartition(b" ")
    if space and last.upper() == b"SMTPUTF8":
        text, charset = front.rstrip(), Charset.UTF_8
    if not text or (charset is Charset.ASCII and not text.isascii()):
        return None
    try:
        return text.decode("utf-8"), charset
    except UnicodeDecodeError:
        return None


def _bdat(argument: bytes) -> Command | Reply:
    """bdat-cmd = "BDAT" SP 1*DIGIT [ SP "LAST" ]"""
    words = argument.split()
    if not words or not words[0].isdigit() or len(words[0]) > 20 or len(words) > 2:
        return Bdat(None, False)
    if len(words) == 2 and words[1].upper() != b"LAST":
        return Bdat(None, False)
    return Bdat(int(words[0]), len(words) == 2)


def _xclient(argument: bytes) -> Command | Reply:
    return Xclient(argument.decode("ascii", "replace"))


def _help(argument: bytes) -> Command | Reply:
    return Help(argument.strip().decode("ascii", "replace"))


def _bare(command: Plain) -> Callable[[bytes], Command | Reply]:
    def parse_bare(argument: bytes) -> Command | Reply:
        # RFC 5321 §4.1.1: these take no argument; NOOP may have one that is ignored.
        if argument.strip() and command is not Plain.NOOP:
            return _syntax(command.value)
        return command

    return parse_bare


PARSERS: dict[bytes, Callable[[bytes], Command | Reply]] = {
    b"EHLO": lambda argument: _hello(argument, "EHLO"),
    b"HELO": lambda argument: _hello(argument, "HELO"),
    b"LHLO": lambda argument: _hello(argument, "LHLO"),
    b"MAIL": _mail,
    b"RCPT": _rcpt,
    b"AUTH": _auth,
    b"VRFY": _vrfy,
    b"BDAT": _bdat,
    b"XCLIENT": _xclient,
    b"EXPN": _expn,
    b"HELP": _help,
    **{command.value.encode(): _bare(command) for command in Plain},
}
