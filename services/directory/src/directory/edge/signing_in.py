"""Whether somebody may enter: the one decision behind every door's Authenticate.

An app password is found by its digest and costs no hash; everything else costs one argon2id, whether the login exists
or not. Hashes run in threads. What a login leaves behind is noted, and written later.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pgkit import DatabaseUnavailable

from directory import metrics
from directory.adapters.journal import Journal, Use
from directory.core import app_passwords, names
from directory.core.client_address import canonical
from directory.core.passwords import Hasher, Verdicts
from directory.ports import Login, LookUps


def utc_now() -> datetime:
    """The time, as everything here takes it."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a door asks."""

    login: str
    password: str = field(repr=False)
    door: str
    client_address: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A yes. `remember_seconds` is how long it may be remembered at most; None: as long as the door likes."""

    login: Login
    remember_seconds: float | None = None


class SigningIn:
    """Decides about attempts."""

    def __init__(
        self,
        lookups: LookUps,
        hasher: Hasher,
        verdicts: Verdicts,
        threads: ThreadPoolExecutor,
        journal: Journal,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._lookups = lookups
        self._hasher = hasher
        self._verdicts = verdicts
        self._threads = threads
        self._journal = journal
        self._clock = clock

    async def decide(self, attempt: Attempt) -> Entry | None:
        """None for every kind of no. Raises DatabaseUnavailable."""
        door = attempt.door if attempt.door in app_passwords.SCOPES else "other"
        entry = await self._enter(attempt, door)
        metrics.LOGINS.labels(door, "denied" if entry is None else "granted").inc()
        return entry

    async def _enter(self, attempt: Attempt, door: str) -> Entry | None:
        key = names.split(attempt.login)
        app_verifier = app_passwords.verifier(attempt.password) or ""
        login = await self._lookups.login(*key, app_verifier) if key is not None else None
        now = self._clock()
        if login is not None and login.app is not None and login.app.opens(door, now):
            if login.suspended:
                return None
            address = canonical(attempt.client_address)
            self._journal.used(Use(login.app.credential_id, now, door, address))
            return Entry(login, login.app.seconds_left(now))
        if not await self._is_password(login, attempt.password) or login is None or login.suspended:
            return None
        return Entry(login)

    async def _is_password(self, login: Login | None, password: str) -> bool:
        verifier = login.verifier if login is not None else None
        now = time.monotonic()
        if verifier is not None and self._verdicts.knows(verifier, password, now):
            return True
        loop = asyncio.get_running_loop()
        with metrics.HASH_SECONDS.time():
            right = await loop.run_in_executor(
                self._threads, self._hasher.verify, verifier, password[: names.PASSWORD_OCTETS + 1]
            )
        if right and login is not None and verifier is not None:
            if self._hasher.is_weak(verifier):
                verifier = await loop.run_in_executor(self._threads, self._hasher.hash, password)
                with suppress(DatabaseUnavailable):  # The next login does it, then.
                    await self._lookups.replace_verifier(login, verifier)
            self._verdicts.remember(verifier, password, now)
        return right
