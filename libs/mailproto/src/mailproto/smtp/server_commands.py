"""Command lines of a client (RFC 5321 §4.1.1), parsed. Whose fault an error is, is clear: the peer's.

A line comes without its CRLF. Verbs are case-insensitive.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from mailproto.smtp.address import HELO_NAME, AddressInvalid, parse_forward_path, parse_reverse_path
from mailproto.smtp.body import BodyType
from mailproto.smtp.reply import Charset, Reply


@dataclass(frozen=True, slots=True)
class Hello:
    """EHLO or HELO."""

    name: str
    is_extended: bool


@dataclass(frozen=True, slots=True)
class Mail:
    """MAIL FROM. `reverse_path` is "" for <>; `size_octets` is None where SIZE= was not given.

    `charset` is UTF_8 where SMTPUTF8 was (RFC 6531 §3.4): of addresses and of the message's header.
    """

    reverse_path: str
    size_octets: int | None = None
    body: BodyType = BodyType.SEVEN_BIT
    charset: Charset = Charset.ASCII


@dataclass(frozen=True, slots=True)
class Rcpt:
    """RCPT TO."""

    forward_path: str


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


class Plain(Enum):
    """Commands without an argument that matters."""

    DATA = "DATA"
    RSET = "RSET"
    NOOP = "NOOP"
    QUIT = "QUIT"
    STARTTLS = "STARTTLS"


Command = Hello | Mail | Rcpt | Auth | Vrfy | Expn | Help | Bdat | Plain

# RFC 6531 §3.5
NON_ASCII_SENDER = Reply.of(550, "5.6.7", "An address outside ASCII needs MAIL with SMTPUTF8")
NON_ASCII_RECIPIENT = Reply.of(553, "5.6.7", "An address outside ASCII needs MAIL with SMTPUTF8")
UNKNOWN_PARAMETER = Reply.of(555, "5.5.4", "Unknown parameter")
# xtext of AUTH= (RFC 4954 §5), already decoded characters excluded
XTEXT = re.compile(rb"(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})+")


def _syntax(form: str) -> Reply:
    return Reply.of(501, "5.5.4", f"Syntax: {form}")


def parse(line: bytes) -> Command | Reply:
    """The command of a line, or the reply that says what is wrong with it."""
    verb, _, argument = line.partition(b" ")
    parser = PARSERS.get(verb.upper())
    if parser is None:
        return Reply.of(500, "5.5.2", "Unknown command")
    return parser(argument)


def _hello(argument: bytes, is_extended: bool) -> Command | Reply:
    name = argument.strip()
    if not name or len(name) > 255 or not HELO_NAME.fullmatch(name):
        return _syntax("EHLO hostname" if is_extended else "HELO hostname")
    return Hello(name.decode("ascii"), is_extended)


def _mail(argument: bytes) -> Command | Reply:
    if argument[:5].upper() != b"FROM:":
        return _syntax("MAIL FROM:<address>")
    try:
        parsed = parse_reverse_path(argument[5:].lstrip(b" "))
    except AddressInvalid as error:
        return Reply.of(501, "5.1.7", f"Bad sender address: {error}")
    size: int | None = None
    body = BodyType.SEVEN_BIT
    charset = Charset.ASCII
    seen = set()
    for word in parsed.rest.split():
        key, equals, value = word.partition(b"=")
        key = key.upper()
        if key in seen:
            return Reply.of(501, "5.5.4", "A parameter is given twice")
        seen.add(key)
        if key == b"SIZE":
            if not value.isdigit() or len(value) > 20:
                return _syntax("SIZE=octets")
            size = int(value)
        elif key == b"BODY":
            try:
                body = BodyType(value.upper().decode("ascii", "replace"))
            except ValueError:
                return _syntax("BODY=7BIT, BODY=8BITMIME or BODY=BINARYMIME")
        elif key == b"AUTH":
            # Who submitted it first (RFC 4954 §5): we trust nobody with that and keep nothing of it.
            if not XTEXT.fullmatch(value):
                return _syntax("AUTH=xtext")
        elif key == b"SMTPUTF8":
            if equals:
                return _syntax("SMTPUTF8 without a value")
            charset = Charset.UTF_8
        else:
            return UNKNOWN_PARAMETER
    if charset is Charset.ASCII and not parsed.address.isascii():
        return NON_ASCII_SENDER
    if parsed.rest and not parsed.rest.startswith(b" "):
        return _syntax("MAIL FROM:<address>")
    return Mail(parsed.address, size, body, charset)


def _rcpt(argument: bytes) -> Command | Reply:
    if argument[:3].upper() != b"TO:":
        return _syntax("RCPT TO:<address>")
    try:
        parsed = parse_forward_path(argument[3:].lstrip(b" "))
    except AddressInvalid as error:
        return Reply.of(501, "5.1.3", f"Bad recipient address: {error}")
    if parsed.rest.strip():
        return UNKNOWN_PARAMETER if parsed.rest.startswith(b" ") else _syntax("RCPT TO:<address>")
    return Rcpt(parsed.address)


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
    b"EHLO": lambda argument: _hello(argument, True),
    b"HELO": lambda argument: _hello(argument, False),
    b"MAIL": _mail,
    b"RCPT": _rcpt,
    b"AUTH": _auth,
    b"VRFY": _vrfy,
    b"BDAT": _bdat,
    b"EXPN": _expn,
    b"HELP": _help,
    **{command.value.encode(): _bare(command) for command in Plain},
}
