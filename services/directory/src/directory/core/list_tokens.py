"""Tokens of mailing lists' members: who has one has got the list's mail. They are signed, and nothing is kept of them.

A member's number is given once, so a token is of one membership: who comes back has another one. Of what is mailed to an
address that wants to be a member, the token says until when it may be used.
"""

import base64
import hashlib
import hmac
import re
from datetime import datetime, timedelta
from uuid import UUID

NUMBER_OCTETS = 5
SIGNATURE_OCTETS = 10
MEMBER_CHARACTERS = 24
LIST_CHARACTERS = 26
SHORT = "l-"
# All of it must stand there: an account's id alone is no address.
COPY = re.compile(r"a-([a-z2-7]{26})\+v-[0-9a-hjkmnp-tv-z]{26}[a-z2-7]{4}")
DAY_OCTETS = 2
CONFIRMATION_CHARACTERS = 20
CONFIRMATION_DAYS = 7
_EPOCH_DAY = timedelta(days=1)


class ListTokens:
    """`secret` is the one that all processes of the directory share."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"mailing lists", hashlib.sha256)

    def _signature(self, purpose: bytes, list_id: str, what: bytes) -> bytes:
        text = b"\0".join((purpose, UUID(list_id).bytes, what))
        return hmac.digest(self._key, text, hashlib.sha256)[:SIGNATURE_OCTETS]

    def of_member(self, list_id: str, number: int) -> str:
        """24 small letters and digits."""
        octets = number.to_bytes(NUMBER_OCTETS)
        return _text(octets + self._signature(b"member", list_id, octets))

    def member(self, list_id: str, token: str) -> int | None:
        """The member's number; None where the token is not of this list."""
        octets = _octets(token, MEMBER_CHARACTERS)
        if octets is None:
            return None
        number, signature = octets[:NUMBER_OCTETS], octets[NUMBER_OCTETS:]
        if not hmac.compare_digest(signature, self._signature(b"member", list_id, number)):
            return None
        return int.from_bytes(number)

    def membership(self, token: str) -> tuple[str, int] | None:
        """Of a token with the list's id before it: that id, and the member's number."""
        octets = _octets(token[:LIST_CHARACTERS], LIST_CHARACTERS)
        if octets is None:
            return None
        list_id = str(UUID(bytes=octets))
        number = self.member(list_id, token[LIST_CHARACTERS:])
        return None if number is None else (list_id, number)

    def of_asked(self, list_id: str, address: str, now: datetime) -> str:
        """20 small letters and digits, for an address that is to confirm that it wants to be a member."""
        day = (int(now.timestamp() // _EPOCH_DAY.total_seconds()) + CONFIRMATION_DAYS).to_bytes(DAY_OCTETS)
        return _text(day + self._signature(b"join", list_id, day + address.lower().encode()))

    def is_asked(self, list_id: str, address: str, token: str, now: datetime) -> bool:
        """Whether this address was given this token, and not too long ago."""
        octets = _octets(token, CONFIRMATION_CHARACTERS)
        if octets is None:
            return False
        day, signature = octets[:DAY_OCTETS], octets[DAY_OCTETS:]
        right = self._signature(b"join", list_id, day + address.lower().encode())
        is_in_time = int.from_bytes(day) >= now.timestamp() // _EPOCH_DAY.total_seconds()
        return hmac.compare_digest(signature, right) and is_in_time


def list_text(list_id: str) -> str:
    """A list's id as it stands before a member's token where nothing else names the list."""
    return _text(UUID(list_id).bytes)


def short_name(list_id: str) -> str:
    """Stands before the @ as the list's own name does: 28 octets, so that there is room for a detail and a member's token."""
    return SHORT + list_text(list_id)


def list_of_short_name(local_part: str) -> str | None:
    """The list's id that a short name says; whether there is such a list is another question."""
    octets = _octets(local_part[len(SHORT) :], LIST_CHARACTERS) if local_part.startswith(SHORT) else None
    return None if octets is None else str(UUID(bytes=octets))


def account_of_copy(local_part: str) -> str | None:
    """The account's id in the reverse-path of a copy whose sender's name leaves no room (spool.verp makes it)."""
    found = COPY.fullmatch(local_part)
    octets = None if found is None else _octets(found[1], LIST_CHARACTERS)
    return None if octets is None else str(UUID(bytes=octets))


def _text(octets: bytes) -> str:
    return base64.b32encode(octets).decode().rstrip("=").lower()


def _octets(text: str, characters: int) -> bytes | None:
    """In any case: what stands before an @ may have been changed so on the way. None for what is none of ours."""
    if len(text) != characters or not text.isascii():
        return None
    try:
        octets = base64.b32decode(text.upper() + "=" * (-characters % 8))
    except ValueError:
        return None
    # Bits that mean nothing have one value.
    return octets if _text(octets) == text.lower() else None
