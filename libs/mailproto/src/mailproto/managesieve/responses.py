"""What the server writes (RFC 5804 §1.3, §4): status lines with response codes, strings."""

from __future__ import annotations

from enum import Enum

LONGEST_QUOTED_OCTETS = 1024


class Code(Enum):
    """Response codes (RFC 5804 §1.3)."""

    AUTH_TOO_WEAK = "AUTH-TOO-WEAK"
    ENCRYPT_NEEDED = "ENCRYPT-NEEDED"
    QUOTA = "QUOTA"
    QUOTA_MAXSCRIPTS = "QUOTA/MAXSCRIPTS"
    QUOTA_MAXSIZE = "QUOTA/MAXSIZE"
    TRYLATER = "TRYLATER"
    ACTIVE = "ACTIVE"
    NONEXISTENT = "NONEXISTENT"
    ALREADYEXISTS = "ALREADYEXISTS"
    WARNINGS = "WARNINGS"


def string(octets: bytes) -> bytes:
    """Quoted where that may be, else a literal."""
    if len(octets) <= LONGEST_QUOTED_OCTETS and not any(octet in octets for octet in (b"\r", b"\n", b"\0")):
        return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return b"{%d}\r\n" % len(octets) + octets


def status(word: bytes, text: str, code: bytes | None = None) -> bytes:
    """OK, NO or BYE with a code and words."""
    front = word if code is None else word + b" (" + code + b")"
    return front + (b" " + string(text.encode()) if text else b"") + b"\r\n"
