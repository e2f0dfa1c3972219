"""The notification method "mailto" (RFC 5436): what a mailto URI (RFC 2368) says about the notification."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from sieve.addresses import is_address

MAX_URI_OCTETS = 4096
MAX_RECIPIENTS = 4
MAX_FIELDS = 16

_URI = re.compile(rb"mailto:([^?#]*)(?:\?([^#]*))?\Z", re.IGNORECASE)
# Everything of RFC 3986 §2 but "#" and "?", and percent signs only before two hexadecimal digits.
_SIGNS = re.compile(rb"(?:[A-Za-z0-9\-._~:/\[\]@!$&'()*+,;=?]|%[0-9A-Fa-f]{2})*\Z")
_FIELD_NAME = re.compile(rb"[A-Za-z0-9-]{1,60}\Z")
_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_IGNORED = re.compile(
    r"from|sender|auto-submitted|received|message-id|date|return-path|bcc|apparently-to|resent-.*|content-.*|"
    r"mime-version|delivered-to|dkim-.*|arc-.*|authentication-results"
)


@dataclass(frozen=True, slots=True)
class MailTo:
    """A notification's recipients and contents. `header` are further fields, first letters upper case."""

    recipients: tuple[str, ...]
    copies: tuple[str, ...]
    subject: str | None
    body: str | None
    header: tuple[tuple[str, str], ...]


def parse_mailto(uri: bytes) -> MailTo | None:
    """The parts of the URI, or None where it is no mailto URI that a notification can go to.

    Fields that a URI may not set (RFC 5436 §2.7) are left out.
    """
    found = _URI.match(uri)
    if found is None or len(uri) > MAX_URI_OCTETS or _SIGNS.match(uri) is None:
        return None
    recipients = _addresses(found[1].split(b",")) if found[1] else []
    copies: list[str] = []
    subject = body = None
    header: list[tuple[str, str]] = []
    pairs = (found[2] or b"").split(b"&") if found[2] else []
    if len(pairs) > MAX_FIELDS or recipients is None:
        return None
    for pair in pairs:
        name_octets, equals, value_octets = pair.partition(b"=")
        name_octets = unquote_to_bytes(name_octets)
        if not equals or _FIELD_NAME.match(name_octets) is None:
            return None
        name = name_octets.decode("ascii").lower()
        value = unquote_to_bytes(value_octets).decode("utf-8", "replace")
        if name != "body" and _UNFIT.search(value) is not None:
            return None
        if name in ("to", "cc"):
            more = _addresses(
                value_octets.split(b",")
                if b"," in value_octets
                else unquote_to_bytes(value_octets).split(b",")
            )
            if more is None:
                return None
            (recipients if name == "to" else copies).extend(more)
        elif name == "subject":
            subject = value
        elif name == "body":
            body = value
        elif _IGNORED.fullmatch(name) is None:
            header.append(("-".join(word.capitalize() for word in name.split("-")), value))
    everybody = (
        list(dict.fromkeys(recipients)),
        [copy for copy in dict.fromkeys(copies) if copy not in recipients],
    )
    if not recipients or sum(len(group) for group in everybody) > MAX_RECIPIENTS:
        return None
    return MailTo(tuple(everybody[0]), tuple(everybody[1]), subject, body, tuple(header))


def _addresses(pieces: list[bytes]) -> list[str] | None:
    found: list[str] = []
    for piece in pieces:
        address = unquote_to_bytes(piece).decode("utf-8", "replace").strip()
        if not is_address(address):
            return None
        found.append(address)
    return found
