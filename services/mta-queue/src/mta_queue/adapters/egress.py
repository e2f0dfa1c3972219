"""Sources of connections as rows: the operator's orders, whose turn it is, how much of a warm-up is left."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import asyncpg
from mailproto.smtp.client_login import Login
from pgkit import OPERATOR, Connection, Pool, transaction
from servicekit import logs
from servicekit.sealing import Sealer, Unopened

from mta_queue.adapters.auditing import audit
from mta_queue.adapters.permits import Permits
from mta_queue.core.egress import Source, SourceInvalid, check_source, in_turn
from mta_queue.core.item_filter import FilterInvalid
from mta_queue.core.records import Caller, Missing

LOG = logs.logger("mta_queue.egress")
USE_KEPT = timedelta(days=30)
TAKE = """
INSERT INTO queue_egress_use AS used (address, proxy, day, messages) VALUES ($1, $2, $3, 1)
ON CONFLICT (address, proxy, day) DO UPDATE SET messages = used.messages + 1 WHERE used.messages < $4
RETURNING 1"""


SOURCES = """
SELECT e.*, coalesce(c.attempts_most, 0) AS attempts_most
FROM queue_egress e LEFT JOIN queue_egress_cap c USING (address, proxy) ORDER BY pool, address, proxy"""
BUSY = timedelta(seconds=1)


class NoSource(Exception):
    """Nothing leaves from there now; the text says why."""


class SourcesBusy(NoSource):
    """As many attempts as may use the sources at once do: soon there is a place again."""

    def __init__(self, text: str, until: datetime) -> None:
        super().__init__(text)
        self.until = until


@dataclass(frozen=True, slots=True)
class Used:
    """A source, and what it has sent today where it is limited."""

    source: Source
    messages: int


async def load_sources(connection: Connection) -> dict[str, tuple[Source, ...]]:
    """By pool."""
    found: dict[str, tuple[Source, ...]] = {}
    for row in await connection.fetch(SOURCES):
        source = Source(**row)
        try:
            check_source(source)
        except SourceInvalid as error:
            LOG.error("source_ignored", pool=source.pool, error=str(error))
            continue
        found[source.pool] = (*found.get(source.pool, ()), source)
    return found


class Egress:
    """Chooses. `sources` are the rules as they stand."""

    def __init__(
        self,
        pool: Pool,
        sources: Callable[[], Mapping[str, tuple[Source, ...]]],
        sealer: Sealer | None,
        chance: random.Random | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        permits: Permits | None = None,
    ) -> None:
        self._pool = pool
        self._permits = permits or Permits(pool, "source")
        self._sources = sources
        self._sealer = sealer
        self._chance = chance or random.Random()
        self._clock = clock

    async def choose(self, pool: str, destination: str) -> Source | None:
        """One of the pool's for a message to this address; None where no pool is named.

        It counts as a message where the source is limited, and as an attempt until it is `done`. Raises NoSource,
        SourcesBusy, DatabaseUnavailable.
        """
        if not pool:
            return None
        known = self._sources().get(pool, ())
        drawn = in_turn(known, destination, self._chance)
        if not drawn:
            raise NoSource(f"the pool {pool} has no source that reaches {destination}")
        today = self._clock().date()
        is_busy = False
        for source in drawn:
            if source.attempts_most and not await self._permits.take(source.name, source.attempts_most):
                is_busy = True
                continue
            limit = source.limit_on(today)
            is_taken = False
            try:
                is_taken = limit is None or await self._take(source, limit)
            finally:
                if not is_taken:
                    self.done(source)
            if is_taken:
                return source
        if is_busy:
            raise SourcesBusy(
                f"as many as may use the sources of the pool {pool} at once do", self._clock() + BUSY
            )
        raise NoSource(f"all sources of the pool {pool} have sent what their warm-up allows today")

    def done(self, source: Source) -> None:
        """The attempt is over."""
        if source.attempts_most:
            self._permits.give_back(source.name)

    async def close(self) -> None:
        """No attempt is under way any more."""
        await self._permits.close()

    async def _take(self, source: Source, limit: int) -> bool:
        async with transaction(self._pool, OPERATOR) as connection:
            taken = await connection.fetchval(TAKE, source.address, source.proxy, self._clock().date(), limit)
        return taken is not None

    def login_of(self, source: Source) -> Login | None:
        """Who we are at its proxy; None for nobody. Raises NoSource where the password cannot be opened."""
        if not source.username:
            return None
        if self._sealer is None:
            raise NoSource("there is no secret to open the proxy's password with")
        try:
            password = self._sealer.open(source.password_sealed, (source.proxy, source.username))
        except Unopened as error:
            raise NoSource(f"the proxy's password cannot be opened: {error}") from error
        return Login(source.username, password.decode())


class EgressBook:
    """The operator's orders. Every method raises DatabaseUnavailable and FilterInvalid."""

    def __init__(self, pool: Pool, sealer: Sealer | None) -> None:
        self._pool = pool
        self._sealer = sealer

    async def set(self, caller: Caller, source: Source, password: str) -> Source:
        """Add it to its pool, or change it. An empty password leaves the one that is kept. Raises SourceInvalid."""
        _operator_only(caller)
        check_source(source)
        sealed = b""
        if password:
            if self._sealer is None:
                raise FilterInvalid("there is no secret to keep passwords with: MTA_QUEUE_SECRET_FILE")
            if not source.username:
                raise FilterInvalid("a password needs a username")
            sealed = self._sealer.seal(password.encode(), (source.proxy, source.username))
        async with transaction(self._pool, OPERATOR) as connection:
            row = await connection.fetchrow(
                """INSERT INTO queue_egress AS known (pool, address, proxy, username, password_sealed, hello, weight,
                                                      warmup_first, warmup_began)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $8 > 0 THEN (now() AT TIME ZONE 'UTC')::date END)
                   ON CONFLICT (pool, address, proxy) DO UPDATE SET username = excluded.username, hello = excluded.hello,
                       password_sealed = CASE WHEN excluded.password_sealed = '' AND known.username = excluded.username
                                              THEN known.password_sealed ELSE excluded.password_sealed END,
                       weight = excluded.weight, warmup_first = excluded.warmup_first,
                       warmup_began = CASE WHEN excluded.warmup_first > 0
                                           THEN coalesce(known.warmup_began, excluded.warmup_began) END
                   RETURNING *""",
                source.pool,
                source.address,
                source.proxy,
                source.username,
                sealed,
                source.hello,
                source.weight,
                source.warmup_first,
            )
            assert row is not None
            made = replace(Source(**row), attempts_most=source.attempts_most)
            if source.attempts_most:
                await connection.execute(
                    """INSERT INTO queue_egress_cap (address, proxy, attempts_most) VALUES ($1, $2, $3)
                       ON CONFLICT (address, proxy) DO UPDATE SET attempts_most = excluded.attempts_most""",
                    source.address,
                    source.proxy,
                    source.attempts_most,
                )
            else:
                await connection.execute(
                    "DELETE FROM queue_egress_cap WHERE address = $1 AND proxy = $2",
                    source.address,
                    source.proxy,
                )
            if made.username and not made.password_sealed:
                raise FilterInvalid("a username needs a password")
            await _audited(connection, caller, made, "egress")
        return made

    async def delete(self, caller: Caller, pool: str, address: str, proxy: str) -> None:
        """Out of its pool. Raises Missing."""
        _operator_only(caller)
        async with transaction(self._pool, OPERATOR) as connection:
            row = await connection.fetchrow(
                "DELETE FROM queue_egress WHERE pool = $1 AND address = $2 AND proxy = $3 RETURNING *",
                pool,
                address,
                proxy,
            )
            if row is None:
                raise Missing("there is no such source")
            await connection.execute(
                """DELETE FROM queue_egress_cap c WHERE NOT EXISTS (
                       SELECT FROM queue_egress e WHERE e.address = c.address AND e.proxy = c.proxy)"""
            )
            await connection.execute(
                "DELETE FROM queue_egress_use WHERE day < $1", (datetime.now(UTC) - USE_KEPT).date()
            )
            await _audited(connection, caller, Source(**row), "unegress")

    async def listing(self, caller: Caller) -> list[Used]:
        """All, with what they have sent today."""
        _operator_only(caller)
        async with transaction(self._pool, OPERATOR) as connection:
            rows: list[asyncpg.Record] = await connection.fetch(
                """SELECT e.*, coalesce(c.attempts_most, 0) AS attempts_most, coalesce(u.messages, 0) AS messages
                   FROM queue_egress e LEFT JOIN queue_egress_cap c USING (address, proxy)
                   LEFT JOIN queue_egress_use u ON u.address = e.address AND u.proxy = e.proxy
                        AND u.day = (now() AT TIME ZONE 'UTC')::date
                   ORDER BY e.pool, e.address, e.proxy"""
            )
        return [
            Used(
                Source(**{name: value for name, value in row.items() if name != "messages"}), row["messages"]
            )
            for row in rows
        ]


def _operator_only(caller: Caller) -> None:
    if caller.tenant_id:
        raise FilterInvalid("where mail leaves from is the operator's to choose")


async def _audited(connection: Connection, caller: Caller, source: Source, action: str) -> None:
    change = {
        "address": source.address,
        "proxy": source.proxy,
        "weight": source.weight,
        "warmup_first": source.warmup_first,
        "attempts_most": source.attempts_most,
    }
    await audit(connection, caller, None, {"pool": source.pool}, action, "", change)
