"""Who may use a URL, until when, and what proves it (RFC 5092 §6.1, RFC 4467 §3): what stands behind the message's place.

`;EXPIRE=2026-01-02T03:04:05Z;URLAUTH=user+bob%40mail.test:internal:01ab…`; without mechanism and token it is the rump,
which is what is signed.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from urllib.parse import unquote_to_bytes

from mailproto.imap.urls import MessageUrl, UrlInvalid

# iurlauth = iurlauth-rump iua-verifier; iurlauth-rump = [expire] ";URLAUTH=" access; enc-urlauth = 32*HEXDIG
ACCESS = re.compile(
    r"(?:;EXPIRE=(?P<expires>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})))?"
    r";URLAUTH=(?P<kind>submit\+|user\+|authuser|anonymous)(?P<name>(?<=\+)[^;:/?#]+)?"
    r"(?P<verifier>:(?P<mechanism>[A-Z0-9.-]+):(?P<token>[0-9A-F]{32,1024}))?",
    re.IGNORECASE,
)
# What an answer repeats must be printable.
URL = re.compile(r"[!#-\[\]-~]+")


class Grantee(Enum):
    """Who may use the URL (RFC 5092 §6.1.1.3)."""

    ANONYMOUS = "anonymous"
    ANY_USER = "authuser"
    USER = "user+"
    SUBMISSION = "submit+"


@dataclass(frozen=True, slots=True)
class UrlAccess:
    """`name` is a user with USER and SUBMISSION; `mechanism`, in upper case, and `token` are empty in a rump."""

    grantee: Grantee
    name: str
    expires: datetime | None
    rump: str
    mechanism: str = ""
    token: bytes = b""


def parse_access(text: str, url: MessageUrl) -> UrlAccess:
    """`url` is what parse_url has made of the whole text. Raises UrlInvalid."""
    found = ACCESS.fullmatch(url.rest)
    if found is None or URL.fullmatch(text) is None or not url.user or not url.mailbox:
        raise UrlInvalid("no access is given")
    grantee = Grantee(found["kind"].lower())
    try:
        name = unquote_to_bytes(found["name"] or "").decode("utf-8")
        expires = datetime.fromisoformat(found["expires"].upper()) if found["expires"] else None
    except ValueError as error:
        raise UrlInvalid("neither a name nor a time") from error
    if (grantee in (Grantee.USER, Grantee.SUBMISSION)) is not bool(name):
        raise UrlInvalid("no name, or one too many")
    return UrlAccess(
        grantee,
        name,
        expires,
        text[: len(text) - len(found["verifier"] or "")],
        (found["mechanism"] or "").upper(),
        bytes.fromhex(found["token"]) if found["token"] and not len(found["token"]) % 2 else b"",
    )
