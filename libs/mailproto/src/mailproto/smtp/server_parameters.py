"""Parameters of MAIL and RCPT (RFC 5321 §4.1.2, Mail-parameters), parsed into what they mean.

One of each at most. A parameter that nobody offered is 555.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mailproto.smtp import xtext
from mailproto.smtp.body import BodyType
from mailproto.smtp.dsn_request import (
    MESSAGE_DEFAULT,
    RECIPIENT_DEFAULT,
    MessageRequest,
    RecipientRequest,
    RequestInvalid,
    parse_envelope_id,
    parse_notify,
    parse_original_recipient,
    parse_ret,
)
from mailproto.smtp.reply import Charset, Reply
from mailproto.smtp.wishes import (
    By,
    Hold,
    TlsWish,
    WishInvalid,
    parse_by,
    parse_hold_for,
    parse_hold_until,
    parse_priority,
)


class ParameterInvalid(Exception):
    """What the peer is told."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.text)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class MailParameters:
    """Of MAIL. `size_octets` is None where SIZE= was not given (RFC 1870).

    `charset` is UTF_8 where SMTPUTF8 was given (RFC 6531 §3.4): of addresses and of the message's header.
    `by`, `priority` and `hold` are None where they were not given.
    """

    size_octets: int | None = None
    body: BodyType = BodyType.SEVEN_BIT
    charset: Charset = Charset.ASCII
    request: MessageRequest = MESSAGE_DEFAULT
    tls: TlsWish = TlsWish.USUAL
    by: By | None = None
    priority: int | None = None
    hold: Hold | None = None


NO_PARAMETERS = MailParameters()
UNKNOWN_PARAMETER = Reply.of(555, "5.5.4", "Unknown parameter")


def parse_mail_parameters(rest: bytes) -> MailParameters:
    """What follows the reverse-path. Raises ParameterInvalid."""
    given = NO_PARAMETERS
    if not rest:
        return given
    for key, value in _words(rest, "MAIL FROM:<address>"):
        match key:
            case "SIZE":
                if value is None or not (value.isascii() and value.isdigit()) or len(value) > 20:
                    raise _syntax("SIZE=octets")
                given = replace(given, size_octets=int(value))
            case "BODY":
                given = replace(given, body=_body(value))
            case "AUTH":
                # Who submitted it first (RFC 4954 §5): we trust nobody with that and keep nothing of it.
                decoded = xtext.decode(value or "")
                if decoded is None or not xtext.is_printable(decoded):
                    raise _syntax("AUTH=xtext")
            case "SMTPUTF8":
                if value is not None:
                    raise _syntax("SMTPUTF8 without a value")
                given = replace(given, charset=Charset.UTF_8)
            case "RET" | "ENVID":
                given = replace(given, request=_message_request(given.request, key, value or ""))
            case "REQUIRETLS" | "BY" | "MT-PRIORITY" | "HOLDFOR" | "HOLDUNTIL":
                given = _wish(given, key, value)
            case _:
                raise ParameterInvalid(UNKNOWN_PARAMETER)
    return given


def parse_rcpt_parameters(rest: bytes) -> RecipientRequest:
    """What follows the forward-path. Raises ParameterInvalid."""
    request = RECIPIENT_DEFAULT
    if not rest:
        return request
    for key, value in _words(rest, "RCPT TO:<address>"):
        try:
            match key:
                case "NOTIFY":
                    request = replace(request, notify=parse_notify(value or ""))
                case "ORCPT":
                    request = replace(request, original_recipient=parse_original_recipient(value or ""))
                case _:
                    raise ParameterInvalid(UNKNOWN_PARAMETER)
        except RequestInvalid as error:
            raise _syntax(str(error)) from error
    return request


def _words(rest: bytes, form: str) -> Iterator[tuple[str, str | None]]:
    """esmtp-param = esmtp-keyword ["=" esmtp-value]; None where there is no value."""
    if rest and not rest.startswith(b" "):
        raise _syntax(form)
    seen = set()
    for word in rest.split(b" "):
        if not word:
            continue
        try:
            key, equals, value = word.decode("utf-8").partition("=")
        except UnicodeDecodeError as error:
            raise _syntax("parameters in UTF-8") from error
        key = key.upper()
        if key in seen:
            raise ParameterInvalid(Reply.of(501, "5.5.4", "A parameter is given twice"))
        seen.add(key)
        yield key, value if equals else None


def _body(value: str | None) -> BodyType:
    try:
        return BodyType((value or "").upper())
    except ValueError as error:
        raise _syntax("BODY=7BIT, BODY=8BITMIME or BODY=BINARYMIME") from error


def _message_request(request: MessageRequest, key: str, value: str) -> MessageRequest:
    try:
        if key == "RET":
            return replace(request, ret=parse_ret(value))
        return replace(request, envelope_id=parse_envelope_id(value))
    except RequestInvalid as error:
        raise _syntax(str(error)) from error


def _wish(given: MailParameters, key: str, value: str | None) -> MailParameters:
    try:
        match key:
            case "REQUIRETLS":
                if value is not None:
                    raise WishInvalid("REQUIRETLS without a value")
                return replace(given, tls=TlsWish.REQUIRED)
            case "BY":
                return replace(given, by=parse_by(value or ""))
            case "MT-PRIORITY":
                return replace(given, priority=parse_priority(value or ""))
        if given.hold is not None:
            raise WishInvalid("HOLDFOR= or HOLDUNTIL=, not both")
        parse_hold = parse_hold_for if key == "HOLDFOR" else parse_hold_until
        return replace(given, hold=parse_hold(value or ""))
    except WishInvalid as error:
        raise _syntax(str(error)) from error


def _syntax(form: str) -> ParameterInvalid:
    return ParameterInvalid(Reply.of(501, "5.5.4", f"Syntax: {form}"))
