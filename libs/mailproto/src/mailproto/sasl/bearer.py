"""OAUTHBEARER (RFC 7628) and XOAUTH2 as an AUTH exchange of base64 lines: an access token in place of a password.

    exchange.first_challenge()              an empty one, for a client that gave no initial response
    exchange.answer(line)                   Bearer: ask whom the token lets in; or what is wrong
    exchange.refused(refusal)               Challenge: why not, as JSON, where it lets nobody in
    exchange.answer(any line)               Fault.REFUSED: now the exchange fails (RFC 7628 §3.2.3)

A token is worth a password: it is taken where a password would be, and shown nowhere.
"""

import binascii
import json
import re
from dataclasses import dataclass, field

from mailproto.sasl.exchange import Challenge, Fault, text

OAUTHBEARER, XOAUTH2 = b"OAUTHBEARER", b"XOAUTH2"
BEARER_MECHANISMS = (OAUTHBEARER, XOAUTH2)
# RFC 4954 §4: what a line of AUTH may have.
MESSAGE_OCTETS = 12_288
# b64token of RFC 6750 §2.1, after the word Bearer (RFC 7235: in any case, any number of spaces)
BEARER = re.compile(r"Bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)
KEY = re.compile(r"[A-Za-z]+")
# value = *(VCHAR / SP / HTAB / CR / LF)
VALUE = re.compile(r"[!-~ \t\r\n]*")
# gs2-header: no channel binding here, so n and y; saslname with = only as =2C and =3D
GS2 = re.compile(r"[ny],(?:a=((?:[^,=\0\x01]|=2C|=3D)+))?,")


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who the client says that it is ("" where only the token says that), and its token."""

    login: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenRefusal:
    """Why a token lets nobody in, and where one that does may be had; "" for what is not known."""

    status: str = "invalid_token"
    scope: str = ""
    openid_configuration: str = ""


class BearerExchange:
    """One exchange; `mechanism` is one of BEARER_MECHANISMS."""

    def __init__(self, mechanism: bytes) -> None:
        self._mechanism = mechanism
        self._is_refused = False

    def first_challenge(self) -> Challenge:
        """For a client that gave no initial response."""
        return Challenge(b"")

    def answer(self, line: bytes) -> Bearer | Fault:
        """The client's next line; `*` cancels, `=` is the empty answer (RFC 5034 §4)."""
        if self._is_refused:
            # Whatever it says: %x01, nothing, or that it cancels.
            return Fault.REFUSED
        if line == b"*":
            return Fault.CANCELLED
        try:
            octets = b"" if line == b"=" else binascii.a2b_base64(line, strict_mode=True)
        except binascii.Error:
            return Fault.NO_BASE64
        message = text(octets) if len(octets) <= MESSAGE_OCTETS else None
        if message is None:
            return Fault.NO_BEARER
        return _bearer(message) if self._mechanism == OAUTHBEARER else _xoauth2(message)

    def refused(self, refusal: TokenRefusal) -> Challenge:
        """The error, as the mechanism has it (RFC 7628 §3.2.2); the client answers with a line of no meaning."""
        self._is_refused = True
        if self._mechanism == OAUTHBEARER:
            found = {
                "status": refusal.status,
                "scope": refusal.scope,
                "openid-configuration": refusal.openid_configuration,
            }
        else:
            found = {"status": "401", "schemes": "bearer", "scope": refusal.scope}
        document = json.dumps({key: value for key, value in found.items() if value}, separators=(",", ":"))
        return Challenge(binascii.b2a_base64(document.encode("ascii"), newline=False))


def _bearer(message: str) -> Bearer | Fault:
    """client-resp = gs2-header kvsep *kvpair kvsep"""
    header = GS2.match(message)
    if header is None:
        return Fault.NO_BEARER
    login = (header[1] or "").replace("=2C", ",").replace("=3D", "=")
    rest = message[header.end() :]
    if not rest.startswith("\x01") or not rest.endswith("\x01\x01"):
        return Fault.NO_BEARER
    auth = None
    for pair in rest[1:-2].split("\x01"):
        key, equals, value = pair.partition("=")
        if not equals or not KEY.fullmatch(key) or not VALUE.fullmatch(value):
            return Fault.NO_BEARER
        if key.lower() == "auth":
            if auth is not None:
                return Fault.NO_BEARER
            auth = value
    return _token(login, auth)


def _xoauth2(message: str) -> Bearer | Fault:
    """ "user=" login ^A "auth=Bearer " token ^A ^A"""
    fields = message.split("\x01")
    if len(fields) != 4 or fields[2:] != ["", ""]:
        return Fault.NO_BEARER
    if not fields[0].startswith("user=") or not fields[1].startswith("auth="):
        return Fault.NO_BEARER
    return _token(fields[0][5:], fields[1][5:])


def _token(login: str, auth: str | None) -> Bearer | Fault:
    match = BEARER.fullmatch(auth or "")
    return Fault.NO_BEARER if match is None else Bearer(login, match[1])
