"""AUTH's exchange of challenges and answers (RFC 5034), for the mechanisms PLAIN (RFC 4616) and LOGIN.

Give each line of the client to `SaslExchange.answer`; what comes back is a challenge to send, the credentials, or the
fault that ended the exchange.
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field
from enum import Enum

MECHANISMS = (b"PLAIN", b"LOGIN")


@dataclass(frozen=True, slots=True)
class Challenge:
    """Send this line after `+ ` and wait for the client's answer."""

    line: bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the client says it is."""

    login: str
    password: str = field(repr=False)


class Fault(Enum):
    """Why an exchange ended without credentials."""

    CANCELLED = "Cancelled"
    NO_BASE64 = "That is no base64"
    NO_MESSAGE = "That is no PLAIN message"
    NO_NAME = "That is no name"
    NO_BEARER = "That is no message with a token"
    # Said like a wrong password: nobody may act for another here, and an empty name or password is never right.
    REFUSED = "Authentication failed"


class SaslExchange:
    """One exchange."""

    def __init__(self, mechanism: bytes) -> None:
        """`mechanism` is one of MECHANISMS."""
        self._mechanism = mechanism
        self._login: str | None = None
        self._login_known = False

    def first_challenge(self) -> Challenge:
        """For a client that gave no initial response."""
        return _challenge(b"" if self._mechanism == b"PLAIN" else b"Username:")

    def answer(self, line: bytes) -> Challenge | Credentials | Fault:
        """The client's next line; `*` cancels, `=` is the empty answer (RFC 5034 §4)."""
        if line == b"*":
            return Fault.CANCELLED
        try:
            octets = b"" if line == b"=" else binascii.a2b_base64(line, strict_mode=True)
        except binascii.Error:
            return Fault.NO_BASE64
        if self._mechanism == b"PLAIN":
            return _plain(octets)
        if not self._login_known:
            self._login, self._login_known = text(octets), True
            return _challenge(b"Password:")
        return _credentials(self._login, text(octets))


def text(octets: bytes) -> str | None:
    """Octets as text (UTF-8, RFC 6856 §2.2); None for what is none."""
    try:
        decoded = octets.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in decoded else decoded


def _challenge(words: bytes) -> Challenge:
    return Challenge(binascii.b2a_base64(words, newline=False))


def _plain(octets: bytes) -> Credentials | Fault:
    """message = [authzid] NUL authcid NUL passwd (RFC 4616 §2)."""
    fields = octets.split(b"\0")
    if len(fields) != 3:
        return Fault.NO_MESSAGE
    authzid, authcid, password = fields
    if authzid and authzid != authcid:
        return Fault.REFUSED
    return _credentials(text(authcid), text(password))


def _credentials(login: str | None, password: str | None) -> Credentials | Fault:
    return Credentials(login, password) if login and password else Fault.REFUSED
