"""What a sender asks to be told (RFC 3461 §4): of the message RET and ENVID, of a recipient NOTIFY and ORCPT.

ENVID and ORCPT are kept as they came, because they go on as they came (§5.2.1); what they say decoded is free of
controls, so that a notice can show it.
"""

import re
from dataclasses import dataclass
from enum import Enum, Flag

from mailproto.smtp import xtext

ENVID_CHARACTERS = 100
ORCPT_CHARACTERS = 500
ADDRESS_TYPE = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+")
# EmbeddedUnicodeChar (RFC 6533 §3), with the limits of HEXPOINT's ABNF left to chr().
EMBEDDED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")


class RequestInvalid(ValueError):
    """The value is none; the message says what one looks like."""


class Ret(Enum):
    """How much of the message a failure notice brings back."""

    FULL = "FULL"
    HEADERS = "HDRS"


class Notify(Flag):
    """When to tell. NEVER stands alone."""

    NEVER = 1
    SUCCESS = 2
    FAILURE = 4
    DELAY = 8


@dataclass(frozen=True, slots=True)
class MessageRequest:
    """RET and ENVID; None and "" where they were not given. `envelope_id` is xtext."""

    ret: Ret | None = None
    envelope_id: str = ""

    @property
    def shown_envelope_id(self) -> str:
        """For Original-Envelope-Id of a notice (RFC 3464 §2.2.1)."""
        return xtext.decode(self.envelope_id) or ""


@dataclass(frozen=True, slots=True)
class RecipientRequest:
    """NOTIFY and ORCPT; None and "" where they were not given. `original_recipient` is `type;address`, encoded."""

    notify: Notify | None = None
    original_recipient: str = ""

    @property
    def shown_original_recipient(self) -> str:
        """For Original-Recipient of a notice (RFC 3464 §2.3.1): `type;address`."""
        kind, _, address = self.original_recipient.partition(";")
        return f"{kind};{_decoded(kind, address) or ''}" if kind else ""

    def wants(self, occasion: Notify) -> bool:
        """Whether the sender is to be told. Who did not say is told of failures (§5.2.6)."""
        if self.notify is None:
            return occasion is Notify.FAILURE
        return occasion in self.notify

    def without_success(self) -> "RecipientRequest":
        """For all but one of the places behind one address, so that success is told once (§5.2.7.3)."""
        if self.notify is None or Notify.SUCCESS not in self.notify:
            return self
        rest = self.notify & ~Notify.SUCCESS
        return RecipientRequest(rest or Notify.NEVER, self.original_recipient)


MESSAGE_DEFAULT = MessageRequest()
RECIPIENT_DEFAULT = RecipientRequest()


def parse_ret(value: str) -> Ret:
    """Raises RequestInvalid."""
    try:
        return Ret(value.upper())
    except ValueError as error:
        raise RequestInvalid("RET=FULL or RET=HDRS") from error


def parse_envelope_id(value: str) -> str:
    """Raises RequestInvalid."""
    decoded = xtext.decode(value)
    if decoded is None or len(value) > ENVID_CHARACTERS or not xtext.is_printable(decoded):
        raise RequestInvalid(f"ENVID=xtext, at most {ENVID_CHARACTERS} printable characters")
    return value


def parse_notify(value: str) -> Notify:
    """Raises RequestInvalid."""
    found = Notify(0)
    for word in value.upper().split(","):
        if word not in Notify.__members__:
            raise RequestInvalid("NOTIFY=NEVER, or some of SUCCESS,FAILURE,DELAY")
        found |= Notify[word]
    if Notify.NEVER in found and found is not Notify.NEVER:
        raise RequestInvalid("NOTIFY=NEVER stands alone")
    return found


def notify_words(notify: Notify) -> str:
    """As it goes out."""
    return ",".join(word for word, member in Notify.__members__.items() if member in notify)


def parse_original_recipient(value: str) -> str:
    """Raises RequestInvalid."""
    kind, semicolon, address = value.partition(";")
    if not semicolon or len(value) > ORCPT_CHARACTERS or not ADDRESS_TYPE.fullmatch(kind):
        raise RequestInvalid(f"ORCPT=type;xtext, at most {ORCPT_CHARACTERS} characters")
    if _decoded(kind, address) is None:
        raise RequestInvalid("ORCPT=type;xtext, printable")
    return value


def ascii_original_recipient(value: str) -> str:
    """The form for systems without SMTPUTF8 (RFC 6533 §3)."""
    return "".join(each if each.isascii() else f"\\x{{{ord(each):X}}}" for each in value)


def _decoded(kind: str, address: str) -> str | None:
    """What stands behind it; None for what cannot be shown."""
    if kind.lower() == "utf-8":
        return _decoded_unicode(address)
    decoded = xtext.decode(address)
    return decoded if decoded is not None and xtext.is_printable(decoded) else None


def _decoded_unicode(address: str) -> str | None:
    """utf-8-addr-xtext, utf-8-addr-unitext, utf-8-address (RFC 6533 §3)."""
    bare = EMBEDDED.sub("", address)
    if not address or "\\" in bare or not all(each > " " and each not in "+=\x7f" for each in bare):
        return None
    try:
        decoded = EMBEDDED.sub(lambda match: chr(int(match[1], 16)), address)
        decoded.encode("utf-8")
    except (ValueError, OverflowError):
        return None
    return decoded if decoded.isprintable() else None
