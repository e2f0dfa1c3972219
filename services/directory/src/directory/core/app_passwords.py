"""App passwords: made by us, long enough that nobody guesses them, good for some doors, until some day.

24 characters of 32 make 120 bits, so a plain SHA-256 keeps them as well as argon2id keeps what a person thought of,
and an account may have many of them without any login costing more.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from directory.core.names import NameInvalid, check_text

SCOPES = ("smtp", "imap", "pop3", "sieve", "jmap")
"""The doors to mail that take passwords, by their names in Authenticate."""
ADMIN = "admin"
"""The admin API, for accounts with a role. Only who asks for it by its name gets it."""
DOORS = (*SCOPES, ADMIN)
MOST_OF_AN_ACCOUNT = 50
NAME_LENGTH = 100

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_GROUPS = 6
_GROUP_LETTERS = 4
_SHAPE = re.compile(rf"[{_LETTERS}]{{{_GROUPS * _GROUP_LETTERS}}}")
_SEPARATORS = str.maketrans("", "", "- ")


@dataclass(frozen=True, slots=True)
class AppCredential:
    """The app password that a login gave, as it is stored."""

    credential_id: str
    scopes: tuple[str, ...]
    expires_at: datetime | None

    def opens(self, door: str, now: datetime) -> bool:
        """Whether it is good for this door now."""
        return door in self.scopes and (self.expires_at is None or now < self.expires_at)

    def seconds_left(self, now: datetime) -> float | None:
        """Until it expires; None where it does not."""
        return None if self.expires_at is None else (self.expires_at - now).total_seconds()


def make() -> str:
    """A new one, in groups that can be typed: `abcd-efgh-...`."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LETTERS)) for _ in range(_GROUPS))


def verifier(password: str) -> str | None:
    """What is stored of an app password, or None for what cannot be one.

    Blanks, dashes and capitals make no difference: people copy them from a page.
    """
    if len(password) > 100:
        return None
    plain = password.translate(_SEPARATORS).lower()
    if not _SHAPE.fullmatch(plain):
        return None
    return "sha256$" + hashlib.sha256(plain.encode()).hexdigest()


def scopes(asked: Sequence[str]) -> list[str]:
    """Those asked for in our order, all doors to mail where none is. Raises NameInvalid."""
    for each in asked:
        if each not in DOORS:
            raise NameInvalid(f"{each or 'nothing'} is no scope; there are {_listed(DOORS)}")
    return [each for each in DOORS if each in (asked or SCOPES)]


def name(text: str) -> str:
    """What its owner calls it. Raises NameInvalid."""
    check_text(text)
    text = text.strip()
    if not 1 <= len(text) <= NAME_LENGTH:
        raise NameInvalid(f"an app password has a name of 1 to {NAME_LENGTH} characters")
    return text


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
