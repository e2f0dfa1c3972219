"""The limits of a site, kept over all processes: who may begin now, and what a reply does to a site (core.shaping).

Where no rule has a limit and no site is stopped, nothing is asked of anybody. Else an attempt has a permit for the one
connection that it uses. A permit outlives its attempt for as long as the connection is kept for another message, so
that what is open is never more than what is allowed; it rests in `queue_site_use` for a minute at a time, renewed, and
what a process that died had is free again then. Rates are counted as even paces with a tenth of them at once, such
that in no minute or hour there are more than the rule says.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from dnslookup import DnsUnavailable, NoSuchDomain, NullMx, Resolver
from pgkit import OPERATOR, Connection, DatabaseUnavailable, Pool, transaction
from servicekit import logs

from mta_queue import metrics
from mta_queue.adapters import permits
from mta_queue.adapters.permits import Site
from mta_queue.adapters.recording import whole_reply
from mta_queue.core.attempt import Attempt
from mta_queue.core.route import parse_route
from mta_queue.core.rules import Rules, Suspension
from mta_queue.core.shaping import (
    BACK_OFF_LONGEST_SECONDS,
    DEFAULT,
    OPEN,
    Action,
    NotNow,
    Passage,
    Reaction,
    Shape,
    Shaped,
    Shapes,
)

LOG = logs.logger("mta_queue.shaping")
FULL_SECONDS = 1.0
FORGET_SECONDS = 2 * 3600
# A tenth of what a period may have may go at once.
BURST_SHARE = 10
NARROWER_KEPT = 20_000
# The actor of suspensions that nobody ordered.
ACTOR = "shaping"

# GCRA: `free_at` moves on by one message's share; it may lie ahead of now by the shares of a burst.
COUNT = """
INSERT INTO queue_site_rate AS rate (scope, site, period_seconds, free_at)
VALUES ($1, $2, $3, now() + make_interval(secs => $4))
ON CONFLICT (scope, site, period_seconds) DO UPDATE
SET free_at = greatest(rate.free_at, now()) + make_interval(secs => $4)
WHERE rate.free_at <= now() + make_interval(secs => $5)
RETURNING 1"""
FREE_AT = """
SELECT free_at - make_interval(secs => $4) FROM queue_site_rate
WHERE scope = $1 AND site = $2 AND period_seconds = $3"""
# The same reply again soon after the last pause doubles it; what somebody ordered stays as it is.
STOP = """
INSERT INTO queue_suspension AS known (tenant_id, domain, reason, actor, expires_at)
VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))
ON CONFLICT ON CONSTRAINT queue_suspension_once DO UPDATE
SET reason = excluded.reason, created_at = now(), actor = excluded.actor,
    expires_at = now() + CASE
        WHEN $6 AND known.actor = $4 AND known.expires_at + (known.expires_at - known.created_at) > now()
        THEN least(2 * (known.expires_at - known.created_at), make_interval(secs => greatest($5, $7)))
        ELSE make_interval(secs => $5) END
WHERE known.expires_at <= now()
RETURNING expires_at"""


class Shaping:
    """Of one process. `narrower` goes into the caps: what is known of destinations with few connections."""

    def __init__(self, pool: Pool, resolver: Resolver, *, keep_seconds: float) -> None:
        self._pool = pool
        self._resolver = resolver
        self._keep_seconds = keep_seconds
        self._process = str(uuid4())
        self._held: Counter[Site] = Counter()
        self._idle: dict[Site, list[asyncio.TimerHandle]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self.narrower: dict[str, int] = {}

    async def enter(self, rules: Rules, tenant_id: str, domain: str, route: str = "") -> Passage:
        """Before an attempt. Raises NotNow, DatabaseUnavailable."""
        shapes = rules.shapes
        if shapes.is_empty and not rules.suspends_sites:
            return OPEN
        hosts = await self._hosts(domain, route)
        if hosts is None:
            # The attempt will say what is wrong.
            return OPEN
        shaped = shapes.rule_for(tenant_id, domain, hosts)
        now = datetime.now(UTC)
        stopped = _stopped(rules, shaped, now)
        if stopped is not None:
            metrics.SHAPED.labels("suspended").inc()
            longest = now + timedelta(seconds=permits.LEASE_SECONDS)
            raise NotNow(min(stopped.expires_at or longest, longest), stopped.reason)
        self._remember(domain, shaped)
        shape = shaped.shape
        if not (shape.connections or shape.rates):
            return Passage(shaped)
        site = (shaped.tenant_id, shaped.site)
        # What a rule allowed that is another now ends by itself: who has no permit gives none back.
        reused = bool(shape.connections and self._idle.get(site))
        if reused:
            self._idle[site].pop().cancel()
        try:
            await self._take(site, shape, needs_connection=bool(shape.connections) and not reused)
        except BaseException:
            if reused:
                self._keep(site)
            raise
        return Passage(shaped, bool(shape.connections))

    def leave(self, passage: Passage) -> None:
        """After the attempt, whatever it came to. The permit is kept as long as the connection may be."""
        if passage.has_permit and passage.shaped is not None:
            self._keep((passage.shaped.tenant_id, passage.shaped.site))

    async def heard(self, passage: Passage, domain: str, route: str, attempts: Sequence[Attempt]) -> bool:
        """What the replies do to the site; True where it is stopped for them. Raises DatabaseUnavailable."""
        refusals = [text for each in attempts if each.reply.code >= 400 for text in _texts(each)]
        if not refusals:
            return False
        shaped = passage.shaped
        if shaped is None:
            if not any(DEFAULT.reaction_to(each) for each in refusals):
                return False
            hosts = await self._hosts(domain, route)
            if hosts is None:
                return False
            shaped = Shapes().rule_for("", domain, hosts)
        for text in refusals:
            if (reaction := shaped.shape.reaction_to(text)) is not None:
                return await self._stop(shaped, reaction, text)
        return False

    async def _hosts(self, domain: str, route: str) -> tuple[str, ...] | None:
        if route:
            return (parse_route(route).host,)
        if domain.startswith("["):
            return ()
        try:
            return tuple(host.name for host in await self._resolver.mail_hosts(domain))
        except (NoSuchDomain, NullMx, DnsUnavailable):
            return None

    def _remember(self, domain: str, shaped: Shaped) -> None:
        if shaped.shape.connections and not shaped.tenant_id:
            if len(self.narrower) >= NARROWER_KEPT:
                self.narrower.clear()
            self.narrower[domain] = shaped.shape.connections
        else:
            self.narrower.pop(domain, None)

    async def _take(self, site: Site, shape: Shape, *, needs_connection: bool) -> None:
        """A connection and one message's share of each rate: all or none."""
        if not (needs_connection or shape.rates):
            return
        async with transaction(self._pool, OPERATOR) as connection:
            await permits.lock(connection, site)
            if needs_connection and not await permits.enter(
                connection, site, self._process, shape.connections
            ):
                metrics.SHAPED.labels("connections").inc()
                raise NotNow(_in(FULL_SECONDS), "all its connections are in use")
            for period, count in shape.rates.items():
                await self._count(connection, site, period, count)
        if needs_connection:
            self._held[site] += 1

    async def _count(self, connection: Connection, site: Site, period: int, count: int) -> None:
        burst = max(1, count // BURST_SHARE)
        share = period / max(1, count - burst)
        ahead = share * (burst - 1)
        if await connection.fetchval(COUNT, *site, period, share, ahead) is None:
            free_at = await connection.fetchval(FREE_AT, *site, period, ahead)
            metrics.SHAPED.labels("rate").inc()
            raise NotNow(max(free_at, _in(0.05)), f"{count} messages in {period} s have been sent")

    def _keep(self, site: Site) -> None:
        timer = asyncio.get_running_loop().call_later(self._keep_seconds, self._expire, site)
        self._idle.setdefault(site, []).append(timer)

    def _expire(self, site: Site) -> None:
        # The oldest: timers of one length end in order.
        self._idle[site].pop(0)
        if not self._idle[site]:
            del self._idle[site]
        task = asyncio.create_task(self._give_up(site))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _give_up(self, site: Site) -> None:
        self._held[site] -= 1
        if self._held[site] <= 0:
            del self._held[site]
        try:
            async with transaction(self._pool, OPERATOR) as connection:
                await connection.execute(permits.LEAVE, *site, self._process)
        except DatabaseUnavailable as error:
            # The lease ends without us.
            LOG.warning("permit_not_returned", site=site[1], error=str(error))

    async def keep_permits(self, draining: asyncio.Event) -> None:
        """Renew what this process has, and forget what is long over, until the drain."""
        while not draining.is_set():
            try:
                async with asyncio.timeout(permits.RENEW_SECONDS):
                    await draining.wait()
            except TimeoutError:
                await self.renew()

    async def renew(self) -> None:
        """What this process has stays its for another while."""
        try:
            async with transaction(self._pool, OPERATOR) as connection:
                await permits.renew(connection, self._process, self._held)
                await connection.execute(
                    "DELETE FROM queue_site_rate WHERE free_at < now() - make_interval(secs => $1)",
                    FORGET_SECONDS,
                )
        except DatabaseUnavailable as error:
            LOG.warning("permits_not_renewed", error=str(error))

    async def close(self) -> None:
        """Give back what is left."""
        for timers in self._idle.values():
            for timer in timers:
                timer.cancel()
        self._idle.clear()
        self._held.clear()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        try:
            async with transaction(self._pool, OPERATOR) as connection:
                await connection.execute("DELETE FROM queue_site_use WHERE process = $1", self._process)
        except DatabaseUnavailable as error:
            LOG.warning("permit_not_returned", error=str(error))

    async def _stop(self, shaped: Shaped, reaction: Reaction, text: str) -> bool:
        tenant = UUID(shaped.tenant_id) if shaped.tenant_id else None
        async with transaction(self._pool, OPERATOR) as connection:
            expires_at = await connection.fetchval(
                STOP,
                tenant,
                shaped.site,
                f"{reaction.action.value} after: {text}"[:500],
                ACTOR,
                reaction.seconds,
                reaction.action is Action.BACK_OFF,
                BACK_OFF_LONGEST_SECONDS,
            )
            if expires_at is None:
                # It is stopped already.
                return False
        metrics.SHAPED.labels(reaction.action.value).inc()
        LOG.warning(
            "site_stopped", site=shaped.site, action=reaction.action.value, reply=text, until=str(expires_at)
        )
        return True


def _stopped(rules: Rules, shaped: Shaped, now: datetime) -> Suspension | None:
    found = rules.suspensions.get((shaped.tenant_id, shaped.site))
    return found if found is not None and (found.expires_at is None or found.expires_at > now) else None


def _texts(attempt: Attempt) -> list[str]:
    """The reply, and what the host itself said where we put it into words of our own (adapters.relay)."""
    text = whole_reply(attempt.reply)
    said = text.partition(f"{attempt.host} said ")[2] if attempt.host else ""
    return [text, said] if said else [text]


def _in(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
