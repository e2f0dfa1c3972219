"""Whether somebody may enter: the one decision behind every door's Authenticate.

    limits (core/limits.py): must this attempt wait? -> an app password, found by its digest, costs no hash
    -> a right password of a moment ago costs none either -> one argon2id, whether the login exists or not
    -> a failure is counted before it is told

Attempts for one login from one prefix take turns, and a prefix has a few turns at once, so that nobody gains by
guessing in parallel. A wrong password that is given again by the same program is no new guess: it is refused without
being counted, so that an old password in somebody's telephone slows nobody down. What a login leaves behind is noted,
and written later.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from pgkit import DatabaseUnavailable

from directory import metrics
from directory.adapters.journal import Journal, Use
from directory.core import app_passwords, limits, names
from directory.core.client_address import canonical
from directory.core.limits import Rules, Standing
from directory.core.passwords import Hasher, Verdicts
from directory.edge.hashing import Crowded, Hashing
from directory.edge.turns import Turns
from directory.ports import Attempted, Login, LoginLimits, LookUps, SignInRecord

ATTEMPTS_OF_A_PREFIX = 8
CROWDED_SECONDS = 5.0
MISTAKE_SECONDS = 3600.0
# How often it is written that a pair is still familiar.
FAMILIAR_AGAIN = timedelta(days=1)


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


@dataclass(frozen=True, slots=True)
class Denied:
    """A no, of any kind."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """The password was not looked at; it may be given again after so many seconds."""

    retry_after_seconds: float


Decision: TypeAlias = Entry | Denied | Throttled
OUTCOMES = {Entry: "granted", Denied: "denied", Throttled: "throttled"}


class SigningIn:
    """Decides about attempts."""

    def __init__(
        self,
        lookups: LookUps,
        login_limits: LoginLimits,
        rules: Rules,
        hasher: Hasher,
        verdicts: Verdicts,
        hashing: Hashing,
        journal: Journal,
        secret: bytes,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._lookups = lookups
        self._limits = login_limits
        self._rules = rules
        self._hasher = hasher
        self._verdicts = verdicts
        self._mistakes = Verdicts(MISTAKE_SECONDS)
        self._hashing = hashing
        self._journal = journal
        self._secret = secret
        self._clock = clock
        self._pairs = Turns(1)
        self._prefixes = Turns(ATTEMPTS_OF_A_PREFIX)

    async def decide(self, attempt: Attempt) -> Decision:
        """Raises DatabaseUnavailable: that is no answer."""
        door = attempt.door if attempt.door in app_passwords.SCOPES else "other"
        key = names.split(attempt.login)
        name = "@".join(key) if key is not None else attempt.login
        prefix = limits.prefix_of(attempt.client_address)
        counts_prefix = prefix != "" and not limits.is_own_machine(attempt.client_address)
        async with AsyncExitStack() as turns:
            await turns.enter_async_context(self._pairs.of(f"{prefix} {name}"))
            if counts_prefix:
                await turns.enter_async_context(self._prefixes.of(prefix))
            app_verifier = app_passwords.verifier(attempt.password) or ""
            login = await self._lookups.login(*key, app_verifier) if key is not None else None
            attempted = Attempted(
                subject=login.account_id if login is not None else self._nobody(name),
                prefix=prefix,
                counts_prefix=counts_prefix,
                tenant_id=login.tenant_id if login is not None else None,
                account_id=login.account_id if login is not None else None,
            )
            decision = await self._judge(attempt, door, login, attempted)
        outcome = OUTCOMES[type(decision)]
        metrics.LOGINS.labels(door, outcome).inc()
        if login is not None:
            address, now = canonical(attempt.client_address), self._clock()
            self._journal.came(SignInRecord(login.account_id, door, address, outcome, now, now, times=1))
        return decision

    def _nobody(self, name: str) -> str:
        """What stands for a login that does not exist: people type passwords where the name belongs."""
        return "?" + hashlib.blake2b(name.encode(), key=self._secret, digest_size=16).hexdigest()

    async def _judge(
        self, attempt: Attempt, door: str, login: Login | None, attempted: Attempted
    ) -> Decision:
        now = self._clock()
        standing = await self._limits.standing(attempted, now)
        if wait_seconds := standing.wait_seconds(now, self._rules):
            return Throttled(wait_seconds)
        remember_seconds = None
        right = False
        if login is not None and login.app is not None and login.app.opens(door, now):
            right = True
            remember_seconds = login.app.seconds_left(now)
        else:
            key = f"{login.verifier if login is not None else None} {attempted.subject} {attempted.prefix}"
            if self._mistakes.knows(key, attempt.password, time.monotonic()):
                return Denied()
            rank = self._rank(standing, now)
            try:
                right = await self._is_password(login, attempt.password, rank)
            except Crowded:
                return Throttled(CROWDED_SECONDS)
            if not right:
                self._mistakes.remember(key, attempt.password, time.monotonic())
        if not right or login is None or login.suspended:
            await self._limits.failed(attempted, now)
            return Denied()
        self._note_use(login, now, door, attempt.client_address)
        if (
            standing.pair.failures
            or standing.succeeded_at is None
            or now - standing.succeeded_at > FAMILIAR_AGAIN
        ):
            await self._limits.succeeded(attempted, now)
        return Entry(login, remember_seconds)

    def _note_use(self, login: Login, now: datetime, door: str, client_address: str) -> None:
        if login.app is not None and login.app.opens(door, now):
            self._journal.used(Use(login.app.credential_id, now, door, canonical(client_address)))

    def _rank(self, standing: Standing, now: datetime) -> int:
        """Who came in from there before goes first; then the prefixes with the fewest failures."""
        if standing.is_familiar(now):
            return 0
        return 1 + standing.prefix.current(now, self._rules.prefix.forgotten_seconds)

    async def _is_password(self, login: Login | None, password: str, rank: int) -> bool:
        verifier = login.verifier if login is not None else None
        now = time.monotonic()
        if verifier is not None and self._verdicts.knows(verifier, password, now):
            return True
        with metrics.HASH_SECONDS.time():
            right = await self._hashing.run(
                rank, self._hasher.verify, verifier, password[: names.PASSWORD_OCTETS + 1]
            )
        if right and login is not None and verifier is not None:
            if self._hasher.is_weak(verifier):
                verifier = await self._hashing.run(rank, self._hasher.hash, password)
                with suppress(DatabaseUnavailable):  # The next login does it, then.
                    await self._lookups.replace_verifier(login, verifier)
            self._verdicts.remember(verifier, password, now)
        return right
