"""Whether somebody may enter: the one decision behind every door's Authenticate.

    limits (core/limits.py): must this attempt wait? -> an app password, found by its digest, costs no hash
    -> a right password of a moment ago costs none either -> the SCRAM keys, or where there are none argon2id, whether
    the login exists or not
    -> a failure is counted before it is told

Attempts for one login from one prefix take turns, and a prefix has a few turns at once, so that nobody gains by
guessing in parallel. A wrong password that is given again by the same program is no new guess: it is refused without
being counted, so that an old password in somebody's telephone slows nobody down. What a login leaves behind is noted,
and written later.
"""

import hashlib
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import structlog
from pgkit import DatabaseUnavailable

from directory import metrics
from directory.adapters.journal import Journal, Use
from directory.core import app_passwords, guests, limits, names, scram
from directory.core.client_address import canonical
from directory.core.lately import Lately
from directory.core.ldap import LdapSource
from directory.core.limits import Rules, Standing
from directory.core.openid import Provider, TokenWrong
from directory.core.passwords import Hasher, Verdicts
from directory.core.scram import ScramMaterial
from directory.edge.certificates import CertificateLogins
from directory.edge.hashing import Crowded, Hashing
from directory.edge.ldap import ElsewherePasswords
from directory.edge.tokens import Tokens
from directory.edge.turns import Turns
from directory.ports import Attempted, Login, LoginLimits, LookUps, SignInRecord

ATTEMPTS_OF_A_PREFIX = 8
CROWDED_SECONDS = 5.0
MISTAKE_SECONDS = 3600.0
# Where others keep the passwords nobody tells us of a new one, nor that an account is unlocked.
MISTAKE_ELSEWHERE_SECONDS = 60.0
WRONG_TOKEN_SECONDS = 60.0
NOBODYS_SALT = bytes(scram.SALT_OCTETS)
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
    # A door that asks for the second factor next: a right password is half of the way there.
    second_step_follows: bool = False


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of a SCRAM exchange at a door: the credential whose proof was right; "" where none was."""

    login: str
    credential_id: str
    door: str
    client_address: str


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token of an OpenID provider. `login` is "" where the token itself says who it is."""

    login: str
    token: str = field(repr=False)
    door: str
    client_address: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A client's certificate (DER), whose key it has. `login` is "" where the certificate itself says who it is."""

    login: str
    certificate: bytes = field(repr=False)
    door: str
    client_address: str


@dataclass(frozen=True, slots=True)
class SecondStep:
    """What followed a right password; `is_right` is asked at most once, and only if it may be looked at now."""

    login: str
    door: str
    client_address: str
    is_right: Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Half:
    """The password was right; the second factor is still to come. Lets nobody in."""

    login: Login


@dataclass(frozen=True, slots=True)
class Entry:
    """A yes. `remember_seconds` is how long it may be remembered at most; None: as long as the door likes."""

    login: Login
    remember_seconds: float | None = None
    new_device: bool = False
    suspicious: bool = False
    # core/guests.py
    credential: str = ""


@dataclass(frozen=True, slots=True)
class Denied:
    """A no, of any kind."""


@dataclass(frozen=True, slots=True)
class Throttled:
    """The password was not looked at; it may be given again after so many seconds."""

    retry_after_seconds: float


Evidence: TypeAlias = Attempt | Proof | Bearer | Shown | SecondStep
Decision: TypeAlias = Entry | Half | Denied | Throttled
OUTCOMES = {Entry: "granted", Half: "challenged", Denied: "denied", Throttled: "throttled"}


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
        scram_iterations: int,
        clock: Callable[[], datetime] = utc_now,
        tokens: Tokens | None = None,
        certificates: CertificateLogins | None = None,
        elsewhere: ElsewherePasswords | None = None,
        notice: Callable[[Login, SignInRecord], None] | None = None,
    ) -> None:
        self._notice = notice
        self._elsewhere = elsewhere
        self._certificates = certificates
        self._tokens = tokens
        self._wrong_tokens = Verdicts(WRONG_TOKEN_SECONDS)
        self._lookups = lookups
        self._limits = login_limits
        self._rules = rules
        self._hasher = hasher
        self._verdicts = verdicts
        self._mistakes = Verdicts(MISTAKE_SECONDS)
        self._mistakes_elsewhere = Verdicts(MISTAKE_ELSEWHERE_SECONDS)
        self._hashing = hashing
        self._journal = journal
        self._secret = secret
        self._scram_iterations = scram_iterations
        self._clock = clock
        self._pairs = Turns(1)
        self._prefixes = Turns(ATTEMPTS_OF_A_PREFIX)
        self._lately = Lately()

    async def decide(self, attempt: Evidence) -> Decision:
        """Raises DatabaseUnavailable, IssuerUnavailable: that is no answer."""
        if isinstance(attempt, Bearer) and not attempt.login and self._tokens is not None:
            attempt = replace(attempt, login=await self._tokens.login_of(attempt.token))
        elif isinstance(attempt, Shown) and not attempt.login and self._certificates is not None:
            attempt = replace(attempt, login=await self._certificates.login_of(attempt.certificate))
        door = door_of(attempt.door)
        key, name = _named(attempt.login)
        prefix = limits.prefix_of(attempt.client_address)
        counts_prefix = prefix != "" and not limits.is_own_machine(attempt.client_address)
        tries = self._lately.tries(prefix if counts_prefix else f"{prefix} {name}", time.monotonic())
        async with AsyncExitStack() as turns:
            await turns.enter_async_context(self._pairs.of(f"{prefix} {name}"))
            if counts_prefix:
                await turns.enter_async_context(self._prefixes.of(prefix))
            login = await self._look_up(key, attempt) if key is not None else None
            attempted = self._attempted(name, prefix, counts_prefix, login)
            decision = await self._judge(attempt, door, login, attempted, tries)
        outcome = OUTCOMES[type(decision)]
        metrics.LOGINS.labels(door, outcome).inc()
        if login is not None:
            address, now = canonical(attempt.client_address), self._clock()
            record = SignInRecord(login.account_id, door, address, outcome, now, now, times=1)
            if isinstance(decision, Entry) and (decision.new_device or decision.suspicious):
                record = replace(record, new_device=decision.new_device, suspicious=decision.suspicious)
                if self._notice is not None:
                    self._notice(login, record)
            self._journal.came(record)
        return decision

    async def providers(self, login: str) -> list[Provider]:
        """Whose tokens are good for a login. Raises DatabaseUnavailable."""
        return await self._tokens.providers(login) if self._tokens is not None else []

    async def scram(self, login: str, door: str, client_address: str) -> ScramMaterial | Throttled:
        """What a SCRAM exchange begins with. Raises DatabaseUnavailable.

        Many may begin at once; what each comes to is decided one after the other, and a proof that comes when the
        pair must wait already is not heard, right or wrong.
        """
        key, name = _named(login)
        prefix = limits.prefix_of(client_address)
        counts_prefix = prefix != "" and not limits.is_own_machine(client_address)
        now = self._clock()
        found = await self._lookups.login(*key, "") if key is not None else None
        standing = await self._limits.standing(self._attempted(name, prefix, counts_prefix, found), now)
        if wait_seconds := standing.wait_seconds(now, self._rules):
            return Throttled(wait_seconds)
        material = await self._lookups.scram(*key, door_of(door), now) if key is not None else None
        nobody = scram.nobody(name, self._secret, self._scram_iterations)
        if material is None:
            return nobody
        return material if material.candidates else ScramMaterial(material.salt, nobody.iterations)

    async def _look_up(self, key: tuple[str, str], attempt: Evidence) -> Login | None:
        if isinstance(attempt, Attempt):
            return await self._lookups.login(*key, app_passwords.verifier(attempt.password) or "")
        if isinstance(attempt, Proof) and names.is_id(attempt.credential_id):
            return await self._lookups.login_of_credential(*key, attempt.credential_id)
        return await self._lookups.login(*key, "")

    def _attempted(self, name: str, prefix: str, counts_prefix: bool, login: Login | None) -> Attempted:
        if login is None:
            return Attempted(self._nobody(name), prefix, counts_prefix)
        return Attempted(login.account_id, prefix, counts_prefix, login.tenant_id, login.account_id)

    def _nobody(self, name: str) -> str:
        """What stands for a login that does not exist: people type passwords where the name belongs."""
        return "?" + hashlib.blake2b(name.encode(), key=self._secret, digest_size=16).hexdigest()

    async def _judge(
        self, attempt: Evidence, door: str, login: Login | None, attempted: Attempted, tries: int
    ) -> Decision:
        now = self._clock()
        standing = await self._limits.standing(attempted, now)
        if wait_seconds := standing.wait_seconds(now, self._rules):
            return Throttled(wait_seconds)
        remember_seconds = None
        if login is not None and login.app is not None and login.app.opens(door, now):
            right: bool | None = True
            remember_seconds = login.app.seconds_left(now)
        elif isinstance(attempt, Proof):
            right = login is not None and login.is_password and not login.has_second_factor
            right = right and await self._source_of(attempt.login) is None
        elif isinstance(attempt, Shown):
            if login is not None and self._certificates is not None:
                remember_seconds = await self._certificates.seconds_granted(
                    attempt.certificate, login, attempt.login, now
                )
            right = remember_seconds is not None
        elif isinstance(attempt, SecondStep):
            right = await attempt.is_right()
        elif isinstance(attempt, Bearer):
            if self._wrong_tokens.knows(attempted.subject, attempt.token, time.monotonic()):
                return Denied()
            remember_seconds = await self._seconds_granted(attempt, login, now)
            right = remember_seconds is not None
            if not right:
                self._wrong_tokens.remember(attempted.subject, attempt.token, time.monotonic())
        else:
            try:
                rank = rank_of(standing, tries, now, self._rules)
                right = await self._is_right(login, attempt, attempted, rank)
            except Crowded:
                return Throttled(CROWDED_SECONDS)
            if right is None:
                return Denied()
            if right and login is not None and not login.suspended and login.has_second_factor:
                if attempt.second_step_follows:
                    return Half(login)
                # To the world it is a wrong one, in all that follows: nobody learns here that it is not.
                self._remember_mistake(
                    login, attempt, attempted, await self._source_of(attempt.login), time.monotonic()
                )
                right = False
        if not right or login is None or login.suspended:
            if standing.pair.current(now, self._rules.pair.forgotten_seconds) >= self._rules.pair.free:
                # From here on the pair has to wait by itself: it is one who insists, and not one who tries many.
                attempted = replace(attempted, counts_prefix=False)
            await self._limits.failed(attempted, now)
            return Denied()
        self._note_use(login, now, door, attempt.client_address)
        # The first one of all is no news.
        new_device = not standing.is_familiar(now) and await self._limits.came_before(login.account_id)
        if (
            standing.pair.failures
            or standing.succeeded_at is None
            or now - standing.succeeded_at > FAMILIAR_AGAIN
        ):
            await self._limits.succeeded(attempted, now)
        credential = await self._credential(attempt, login, door, now)
        return Entry(
            login, remember_seconds, new_device, standing.is_suspicious(now, self._rules), credential
        )

    async def _credential(self, attempt: Evidence, login: Login, door: str, now: datetime) -> str:
        """With what it came in."""
        if login.app is not None and login.app.opens(door, now):
            return guests.by_app_password(login.app.credential_id)
        if isinstance(attempt, Shown) and self._certificates is not None:
            return await self._certificates.credential_of(attempt.certificate, login)
        if isinstance(attempt, Attempt | Proof) and login.password_set_at is not None:
            return guests.by_password(login.password_set_at)
        return ""

    async def _is_right(
        self, login: Login | None, attempt: Attempt, attempted: Attempted, rank: int
    ) -> bool | None:
        """Whether it is the account's password; None for one that was wrong a while ago already."""
        source, now = await self._source_of(attempt.login), time.monotonic()
        mistakes = self._mistakes if source is None else self._mistakes_elsewhere
        if mistakes.knows(_of(login, attempt, attempted, source), attempt.password, now):
            return None
        if source is not None and self._elsewhere is not None:
            # The spelling that we keep; of a login that is not here, the one that was given.
            address = login.address if login is not None else attempt.login[: names.ADDRESS_OCTETS]
            right = await self._elsewhere.is_right(source, address, attempt.password) and login is not None
        else:
            right = await self._is_password(login, attempt.password, rank)
        if not right:
            self._remember_mistake(login, attempt, attempted, source, now)
        return right

    async def _source_of(self, login: str) -> LdapSource | None:
        """Who keeps the passwords of this login's tenant; None: we."""
        key = names.split(login)
        return (
            await self._elsewhere.source_of(key[1])
            if key is not None and self._elsewhere is not None
            else None
        )

    def _remember_mistake(
        self,
        login: Login | None,
        attempt: Attempt,
        attempted: Attempted,
        source: LdapSource | None,
        now: float,
    ) -> None:
        mistakes = self._mistakes if source is None else self._mistakes_elsewhere
        mistakes.remember(_of(login, attempt, attempted, source), attempt.password, now)

    async def _seconds_granted(self, attempt: Bearer, login: Login | None, now: datetime) -> float | None:
        """How long the token still lets this account in; None: not at all."""
        if self._tokens is None:
            return None
        try:
            providers = await self._tokens.providers(attempt.login)
            grant = await self._tokens.grant(attempt.token, providers, now)
        except TokenWrong as error:
            structlog.get_logger().info("token_refused", door=door_of(attempt.door), reason=str(error))
            return None
        key = names.split(grant.address)
        named = await self._lookups.login(*key, "") if key is not None else None
        if login is None or named is None or named.account_id != login.account_id:
            return None
        return max(0.0, (grant.expires_at - now).total_seconds())

    def _note_use(self, login: Login, now: datetime, door: str, client_address: str) -> None:
        if login.app is not None and login.app.opens(door, now):
            self._journal.used(Use(login.app.credential_id, now, door, canonical(client_address)))

    async def _is_password(self, login: Login | None, password: str, rank: int) -> bool:
        verifier = login.verifier if login is not None else None
        now = time.monotonic()
        if verifier is not None and self._verdicts.knows(verifier, password, now):
            return True
        given = password[: names.PASSWORD_OCTETS + 1]
        with metrics.HASH_SECONDS.time():
            if self._scram_iterations and (login is None or verifier is None or login.scram is not None):
                salt, keys = (login.scram_salt, login.scram) if login is not None else (NOBODYS_SALT, None)
                right = await self._hashing.run(
                    rank, scram.is_password, given, salt, keys, self._scram_iterations
                )
            else:
                right = await self._hashing.run(rank, self._hasher.verify, verifier, given)
        if right and login is not None and verifier is not None:
            with suppress(DatabaseUnavailable):  # The next login does it, then.
                verifier = await self._renew(login, verifier, password, rank)
            self._verdicts.remember(verifier, password, now)
        return right

    async def _renew(self, login: Login, verifier: str, password: str, rank: int) -> str:
        """What is kept of a password, as it is kept now: argon2id with today's parameters, SCRAM keys."""
        if self._hasher.is_weak(verifier):
            anew = await self._hashing.run(rank, self._hasher.hash, password)
            await self._lookups.replace_verifier(login, anew)
            verifier = anew
        iterations = login.scram.iterations if login.scram is not None else 0
        if iterations != self._scram_iterations and self._scram_iterations:
            made = await self._hashing.run(
                rank, scram.keys, password, login.scram_salt, self._scram_iterations
            )
            if made is not None:
                await self._lookups.add_scram(login, verifier, made)
        return verifier


def _of(login: Login | None, attempt: Attempt, attempted: Attempted, source: LdapSource | None) -> str:
    """Where a wrong password was given: to which credential, from where, and whether it would have been enough."""
    verifier, enough = None, True
    if login is not None:
        verifier, enough = login.verifier, attempt.second_step_follows or not login.has_second_factor
    kept_by = "" if source is None else f" {source.url} {source.base_dn} {source.filter}"
    return f"{verifier} {enough} {attempted.subject} {attempted.prefix}{kept_by}"


def rank_of(standing: Standing, tries: int, now: datetime, rules: Rules) -> int:
    """Who came in from there before goes first; then whose prefix has failed and tried the least."""
    if standing.is_familiar(now):
        return 0
    return 1 + max(tries, standing.prefix.current(now, rules.prefix.forgotten_seconds))


def door_of(name: str) -> str:
    """A door that we know, or "other"."""
    return name if name in app_passwords.DOORS or name == "web" else "other"


def _named(login: str) -> tuple[tuple[str, str] | None, str]:
    """(local part, domain) where it is an address, and the name that its attempts are counted under."""
    key = names.split(login)
    return key, "@".join(key) if key is not None else login
