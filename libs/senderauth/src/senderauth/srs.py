"""SRS: reverse-paths that survive forwarding (Sender Rewriting Scheme, M. Wong and S. Gwynne, 2004).

Who forwards a message sends it in his own name, or SPF fails at the next host; and he must find the way back for the
bounce. `joe@sender.example`, forwarded by us, becomes `SRS0=hash=day=sender.example=joe@ours.example`. An address that
somebody else has rewritten already becomes `SRS1=hash=first.example==...@ours.example`: the bounce then goes from us
straight to him who rewrote it first. The hash is ours, so nobody uses us as a relay for made-up bounces.

A local part may have 64 octets (RFC 5321 §4.5.3.1.1), and 16 of them go here; where the sender's address is too long
for that, there is no form that needs no store, and the caller must think of something else.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from senderauth.names import normal_name

MAX_AGE_DAYS = 21
"""Longer than anybody tries to deliver, shorter than a leaked address is worth."""

MAX_LOCAL_PART_OCTETS = 64

_HASH_LETTERS = 6
_DAYS = 1024
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SEPARATORS = "=-+"
_ATOM = re.compile(r"[!#-'*+\-/-9=?A-Z^-~\x80-\U0010ffff]+(?:\.[!#-'*+\-/-9=?A-Z^-~\x80-\U0010ffff]+)*")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)


class SrsFault(Enum):
    """Why an address cannot be rewritten, or leads nowhere."""

    NOT_OURS = "not an address that we rewrote"
    MALFORMED = "not as we write them"
    FORGED = "the hash is not ours"
    EXPIRED = "too old"
    TOO_LONG = "the local part would be longer than 64 octets"


@dataclass(frozen=True, slots=True)
class Srs:
    """Rewrites in the name of `domain`. The first of `secrets` signs, all of them are believed."""

    domain: str
    secrets: Sequence[bytes] = field(repr=False)

    def rewrite(self, reverse_path: str, *, now: datetime) -> str | SrsFault:
        """The reverse-path to forward with, or TOO_LONG. The empty one, and what is in our name already, stay."""
        local_part, at, domain = _split(reverse_path)
        if not at or domain == normal_name(self.domain):
            return reverse_path
        kind = local_part[:4].upper()
        if kind == "SRS0" and local_part[4:5] in _SEPARATORS and len(local_part) > 5:
            return self._first(domain, local_part[4:])
        if kind == "SRS1" and local_part[4:5] in _SEPARATORS:
            parts = local_part[5:].split("=", 2)
            if len(parts) == 3 and parts[1] and parts[2][:1] in _SEPARATORS and len(parts[2]) > 1:
                return self._first(parts[1], parts[2])
        day = _day(now)
        signed = f"{day}={domain}={local_part}"
        return self._join(f"SRS0={_hash(self.secrets[0], signed)}={signed}")

    def reverse(self, forward_path: str, *, now: datetime) -> str | SrsFault:
        """Where a bounce to one of our rewritten addresses goes."""
        local_part, at, domain = _split(forward_path)
        if not at or domain != normal_name(self.domain):
            return SrsFault.NOT_OURS
        kind = local_part[:5].upper()
        if kind not in ("SRS0=", "SRS1="):
            return SrsFault.NOT_OURS
        written_hash, equals, signed = local_part[5:].partition("=")
        if not equals:
            return SrsFault.MALFORMED
        if not self._is_ours(written_hash, signed):
            return SrsFault.FORGED
        if kind == "SRS1=":
            first_domain, equals, rest = signed.partition("=")
            return _address("SRS0" + rest, first_domain) if equals and rest else SrsFault.MALFORMED
        parts = signed.split("=", 2)
        if len(parts) != 3:
            return SrsFault.MALFORMED
        day, sender_domain, sender_local_part = parts
        age = _age_days(day, now)
        if age is None:
            return SrsFault.MALFORMED
        if age > MAX_AGE_DAYS:
            return SrsFault.EXPIRED
        return _address(sender_local_part, sender_domain)

    def _first(self, first_domain: str, rest: str) -> str | SrsFault:
        signed = f"{first_domain}={rest}"
        return self._join(f"SRS1={_hash(self.secrets[0], signed)}={signed}")

    def _join(self, local_part: str) -> str | SrsFault:
        address = _address(local_part, self.domain)
        written, _, _ = address.rpartition("@")
        return SrsFault.TOO_LONG if len(written.encode("utf-8")) > MAX_LOCAL_PART_OCTETS else address

    def _is_ours(self, written: str, signed: str) -> bool:
        encoded = written.upper().encode("utf-8", "replace")
        return any(
            hmac.compare_digest(encoded, _hash(secret, signed).encode("ascii")) for secret in self.secrets
        )


def _hash(secret: bytes, signed: str) -> str:
    # Lower case: some hosts change the case of local parts on the way.
    digest = hmac.new(secret, signed.lower().encode("utf-8"), hashlib.sha256).digest()
    return base64.b32encode(digest).decode("ascii")[:_HASH_LETTERS]


def _day(now: datetime) -> str:
    days = int(now.timestamp()) // 86_400 % _DAYS
    return _BASE32[days // 32] + _BASE32[days % 32]


def _age_days(day: str, now: datetime) -> int | None:
    letters = day.upper()
    if len(letters) != 2 or letters[0] not in _BASE32 or letters[1] not in _BASE32:
        return None
    then = _BASE32.index(letters[0]) * 32 + _BASE32.index(letters[1])
    return (int(now.timestamp()) // 86_400 - then) % _DAYS


def _split(path: str) -> tuple[str, str, str]:
    """Local part without its quoting, "@" or nothing, and the domain in normal form."""
    local_part, at, domain = path.rpartition("@")
    if len(local_part) > 1 and local_part.startswith('"') and local_part.endswith('"'):
        local_part = _QUOTED_PAIR.sub(r"\1", local_part[1:-1])
    return local_part, at, normal_name(domain)


def _address(local_part: str, domain: str) -> str:
    if _ATOM.fullmatch(local_part) is None:
        local_part = '"' + local_part.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{local_part}@{domain}"
