"""Passwords: argon2id (RFC 9106), in threads, a bounded number at once, and right ones remembered briefly.

A login that does not exist costs the same hash as a wrong password, so that time
tells nobody who has an account here.
"""

import hashlib
import hmac
import os
from collections import OrderedDict

from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerifyMismatchError

REMEMBERED = 20_000


class Hasher:
    """argon2id with the parameters of the settings. The hash says which it was made with."""

    def __init__(self, memory_kib: int, passes: int) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._memory_kib = memory_kib
        self._passes = passes
        self._nobody = self._hasher.hash(os.urandom(16).hex())

    def hash(self, password: str) -> str:
        """A new hash; takes about 100 ms."""
        return self._hasher.hash(password)

    def verify(self, encoded: str | None, password: str) -> bool:
        """Whether this is the password; with None as long as for somebody, and False.

        Raises argon2's VerificationError where there is no memory for it: that is no answer.
        """
        try:
            right = self._hasher.verify(encoded or self._nobody, password)
        except (VerifyMismatchError, InvalidHashError):
            return False
        return right and encoded is not None

    def is_weak(self, encoded: str) -> bool:
        """Whether a hash was made with less memory or fewer passes than the settings want now."""
        made_with = extract_parameters(encoded)
        return made_with.memory_cost < self._memory_kib or made_with.time_cost < self._passes


class Verdicts:
    """Passwords that were right a moment ago, kept as keyed digests. `now` is in seconds, monotonic."""

    def __init__(self, kept_seconds: float) -> None:
        self._kept_seconds = kept_seconds
        self._key = os.urandom(32)
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def _digest(self, encoded: str, password: str) -> bytes:
        # The stored hash is part of it: a changed password is forgotten by itself.
        return hmac.digest(self._key, encoded.encode() + b"\0" + password.encode(), hashlib.sha256)

    def knows(self, encoded: str, password: str, now: float) -> bool:
        """Whether this password was right not long ago."""
        until = self._until.get(self._digest(encoded, password))
        return until is not None and now < until

    def remember(self, encoded: str, password: str, now: float) -> None:
        """It was right."""
        if self._kept_seconds <= 0:
            return
        digest = self._digest(encoded, password)
        self._until.pop(digest, None)
        self._until[digest] = now + self._kept_seconds
        while len(self._until) > REMEMBERED or next(iter(self._until.values())) < now:
            self._until.popitem(last=False)
            if not self._until:
                return
