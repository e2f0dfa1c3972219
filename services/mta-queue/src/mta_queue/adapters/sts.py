"""MTA-STS policies (RFC 8461): found, fetched, kept in PostgreSQL for all processes, kept fresh.

The record in DNS says which policy is current; the policy comes over HTTPS. One that is known counts until its max_age is
over, whatever happens to the record or the web server meanwhile (§5.1): that is what protects from those who suppress
them. A fetch that failed is not tried again for five minutes (§3.3), by no process.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

import asyncpg
from dnslookup import DnsUnavailable, NoSuchDomain, Resolver
from pgkit import OPERATOR, DatabaseUnavailable, Pool, transaction
from senderauth import mtasts
from senderauth.mtasts import StsFault, StsMode, StsPolicy
from servicekit import logs

from mta_queue.adapters.https import CertificateInvalid, Https, HttpsFailed
from mta_queue.adapters.tls_policies import StsFailed
from mta_queue.core.tls import Fault

LOG = logs.logger("mta_queue.sts")
REMEMBERED_SECONDS = 60.0
MOST_REMEMBERED = 10_000
RETRY_WAIT = timedelta(minutes=5)
# What is used is fetched anew once a day, so that it never runs out while the domain has one (§3.3).
REFRESH_AFTER = timedelta(days=1)
UNUSED_AFTER = timedelta(days=30)
REFRESHED_AT_ONCE = 20
NO_FAULT = ""


class Wanted(Enum):
    """Why a policy was fetched."""

    NOW = "there is mail for the domain"
    STILL = "there was, some days ago"


@dataclass(frozen=True, slots=True)
class Kept:
    """A row: the policy, if one was ever had, and what the last fetch came to."""

    policy_id: str
    policy: StsPolicy | None
    expires_at: datetime | None
    asked_at: datetime
    fault: StsFailed | None

    def holds(self, now: datetime) -> StsPolicy | None:
        """The policy while it counts."""
        return self.policy if self.expires_at is not None and self.expires_at > now else None


class StsPolicies:
    """`policy_of` is tls_policies.StsLookup."""

    def __init__(
        self,
        pool: Pool,
        resolver: Resolver,
        https: Https,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._resolver = resolver
        self._https = https
        self._clock = clock
        self._remembered: dict[tuple[str, str], tuple[float, StsPolicy | StsFailed | None]] = {}
        self._under_way: dict[tuple[str, str], asyncio.Task[StsPolicy | StsFailed | None]] = {}

    async def policy_of(self, domain: str) -> StsPolicy | StsFailed | None:
        """None where the domain has none. Raises DatabaseUnavailable: without the table an attacker could strip it."""
        key = domain, await self._current_id(domain)
        known = self._remembered.get(key)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._look(*key))
            task.add_done_callback(lambda done: self._looked(key, done))
        return await asyncio.shield(task)

    def _looked(self, key: tuple[str, str], task: "asyncio.Task[StsPolicy | StsFailed | None]") -> None:
        del self._under_way[key]
        if task.cancelled() or task.exception() is not None:
            return
        if len(self._remembered) >= MOST_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[key] = time.monotonic() + REMEMBERED_SECONDS, task.result()

    async def _current_id(self, domain: str) -> str:
        """ "" where DNS names no policy, or cannot be asked."""
        try:
            return mtasts.policy_id(await self._resolver.records(mtasts.record_name(domain), "TXT")) or ""
        except (NoSuchDomain, DnsUnavailable):
            return ""

    async def _look(self, domain: str, policy_id: str) -> StsPolicy | StsFailed | None:
        async with transaction(self._pool, OPERATOR) as connection:
            row = await connection.fetchrow("SELECT * FROM sts_policy WHERE domain = $1", domain)
        now = self._clock()
        kept = None if row is None else _kept(row)
        holds = kept.holds(now) if kept is not None else None
        if not policy_id or (kept is not None and holds is not None and kept.policy_id == policy_id):
            return holds
        if kept is not None and kept.fault is not None and now - kept.asked_at < RETRY_WAIT:
            return holds or kept.fault
        fetched = await self._fetch(domain)
        await self._keep(domain, policy_id, fetched, Wanted.NOW)
        return fetched if isinstance(fetched, StsPolicy) else holds or fetched

    async def _fetch(self, domain: str) -> StsPolicy | StsFailed:
        host, _, target = mtasts.policy_url(domain).removeprefix("https://").partition("/")
        try:
            answer = await self._https.get(host, "/" + target, mtasts.MAX_POLICY_OCTETS)
        except CertificateInvalid as error:
            return StsFailed(Fault.STS_WEBPKI_INVALID, str(error))
        except HttpsFailed as error:
            return StsFailed(Fault.STS_POLICY_FETCH_ERROR, str(error))
        if answer.status != 200:
            return StsFailed(Fault.STS_POLICY_FETCH_ERROR, f"{host} answered {answer.status}")
        if answer.media_type != "text/plain":
            return StsFailed(Fault.STS_POLICY_INVALID, f"{host} sends {answer.media_type or 'no type'}")
        policy = mtasts.parse_policy(answer.body)
        if isinstance(policy, StsFault):
            return StsFailed(Fault.STS_POLICY_INVALID, policy.reason)
        return policy

    async def _keep(
        self, domain: str, policy_id: str, fetched: StsPolicy | StsFailed, wanted: Wanted
    ) -> None:
        now = self._clock()
        is_used = wanted is Wanted.NOW
        async with transaction(self._pool, OPERATOR) as connection:
            if isinstance(fetched, StsFailed):
                LOG.info("sts_policy_not_fetched", domain=domain, error=fetched.text)
                await connection.execute(
                    """INSERT INTO sts_policy (domain, asked_at, used_at, fault, fault_text) VALUES ($1, $2, $2, $3, $4)
                       ON CONFLICT (domain) DO UPDATE SET asked_at = excluded.asked_at,
                           used_at = CASE WHEN $5 THEN excluded.used_at ELSE sts_policy.used_at END,
                           fault = excluded.fault, fault_text = excluded.fault_text""",
                    domain,
                    now,
                    fetched.fault.value,
                    fetched.text[:500],
                    is_used,
                )
                return
            await connection.execute(
                """INSERT INTO sts_policy (domain, policy_id, mode, hosts, max_age_seconds, expires_at, asked_at, used_at)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
                   ON CONFLICT (domain) DO UPDATE SET policy_id = excluded.policy_id, mode = excluded.mode,
                       hosts = excluded.hosts, max_age_seconds = excluded.max_age_seconds,
                       expires_at = excluded.expires_at, asked_at = excluded.asked_at,
                       used_at = CASE WHEN $8 THEN excluded.used_at ELSE sts_policy.used_at END,
                       fault = '', fault_text = ''""",
                domain,
                policy_id,
                fetched.mode.value,
                list(fetched.hosts),
                fetched.max_age_seconds,
                now + timedelta(seconds=fetched.max_age_seconds),
                now,
                is_used,
            )

    async def refresh(self) -> int:
        """Fetch anew what was fetched a day ago and is used; forget what is not. Returns how many were asked for.

        Raises DatabaseUnavailable.
        """
        now = self._clock()
        # Since the last time: then what was over was forgotten.
        in_use = [domain for domain, _ in self._remembered]
        over = [key for key, (until, _) in self._remembered.items() if until <= time.monotonic()]
        for key in over:
            del self._remembered[key]
        async with transaction(self._pool, OPERATOR) as connection:
            await connection.execute(
                "UPDATE sts_policy SET used_at = $2 WHERE domain = ANY($1::text[]) AND used_at < $2::timestamptz - interval '1 day'",
                in_use,
                now,
            )
            await connection.execute(
                "DELETE FROM sts_policy WHERE used_at < $1 AND (expires_at IS NULL OR expires_at < $2)",
                now - UNUSED_AFTER,
                now,
            )
            # Claimed by being asked: no two processes fetch the same.
            rows = await connection.fetch(
                """UPDATE sts_policy SET asked_at = $1 WHERE domain IN (
                       SELECT domain FROM sts_policy
                       WHERE policy_id <> '' AND asked_at < $2 AND used_at > $3 LIMIT $4 FOR UPDATE SKIP LOCKED)
                   RETURNING domain""",
                now,
                now - REFRESH_AFTER,
                now - UNUSED_AFTER,
                REFRESHED_AT_ONCE,
            )
        # Side by side: a web server that takes its time keeps no other policy from being fetched.
        await asyncio.gather(*(self._anew(row["domain"]) for row in rows))
        return len(rows)

    async def _anew(self, domain: str) -> None:
        if policy_id := await self._current_id(domain):
            # Whoever had mail once would be asked for ever, if that were a use.
            await self._keep(domain, policy_id, await self._fetch(domain), Wanted.STILL)

    async def run(self, draining: asyncio.Event) -> None:
        """Keep what is used fresh, until the drain."""
        while not draining.is_set():
            try:
                while await self.refresh() == REFRESHED_AT_ONCE and not draining.is_set():
                    continue
            except DatabaseUnavailable as error:
                LOG.warning("sts_refresh_failed", error=str(error))
            try:
                async with asyncio.timeout(300.0):
                    await draining.wait()
            except TimeoutError:
                continue


def _kept(row: asyncpg.Record) -> Kept:
    policy = None
    if row["policy_id"]:
        policy = StsPolicy(StsMode(row["mode"]), row["max_age_seconds"], tuple(row["hosts"]))
    fault = StsFailed(Fault(row["fault"]), row["fault_text"]) if row["fault"] else None
    return Kept(row["policy_id"], policy, row["expires_at"], row["asked_at"], fault)
