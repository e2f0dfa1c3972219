"""Permits that are counted over all processes: rows of `queue_site_use`, leased for a minute and renewed.

What a process that died had is free again when its lease is over.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from uuid import uuid4

from pgkit import OPERATOR, Connection, DatabaseUnavailable, Pool, transaction
from servicekit import logs

LOG = logs.logger("mta_queue.permits")
LEASE_SECONDS = 60.0
RENEW_SECONDS = 20.0

ENTER = """
INSERT INTO queue_site_use AS mine (scope, site, process, connections, until)
SELECT $1, $2, $3, 1, now() + make_interval(secs => $5)
WHERE (SELECT coalesce(sum(connections), 0) FROM queue_site_use
       WHERE scope = $1 AND site = $2 AND until > now()) < $4
ON CONFLICT (scope, site, process) DO UPDATE
SET connections = CASE WHEN mine.until > now() THEN mine.connections ELSE 0 END + 1, until = excluded.until
RETURNING 1"""
LEAVE = """
UPDATE queue_site_use SET connections = connections - 1
WHERE scope = $1 AND site = $2 AND process = $3 AND connections > 0"""
RENEW = """
INSERT INTO queue_site_use (scope, site, process, connections, until)
SELECT scope, site, $3, connections, now() + make_interval(secs => $5)
FROM unnest($1::text[], $2::text[], $4::int[]) AS each(scope, site, connections)
ON CONFLICT (scope, site, process) DO UPDATE
SET connections = excluded.connections, until = excluded.until"""
# Scope and name of what is counted.
Site = tuple[str, str]


async def lock(connection: Connection, site: Site) -> None:
    """One at a time for one site, over all processes, until the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || $2, 5))", *site)


async def enter(connection: Connection, site: Site, process: str, most: int) -> bool:
    """One more, where there are fewer than that; the site is locked."""
    return await connection.fetchval(ENTER, *site, process, most, LEASE_SECONDS) is not None


async def renew(connection: Connection, process: str, held: Mapping[Site, int]) -> None:
    """What a process has stays its for another while; what is long over is forgotten."""
    await connection.execute(
        RENEW,
        [site[0] for site in held],
        [site[1] for site in held],
        process,
        list(held.values()),
        LEASE_SECONDS,
    )
    await connection.execute("DELETE FROM queue_site_use WHERE until < now() OR connections <= 0")


class Permits:
    """Of one process, for one kind of thing (`scope`)."""

    def __init__(self, pool: Pool, scope: str) -> None:
        self._pool = pool
        self._scope = scope
        self._process = str(uuid4())
        self._held: Counter[Site] = Counter()
        self._leaving: set[asyncio.Task[None]] = set()

    async def take(self, name: str, most: int) -> bool:
        """One more, where there are fewer than that over all processes. Raises DatabaseUnavailable."""
        site = (self._scope, name)
        async with transaction(self._pool, OPERATOR) as connection:
            await lock(connection, site)
            taken = await enter(connection, site, self._process, most)
        if taken:
            self._held[site] += 1
        return taken

    def give_back(self, name: str) -> None:
        """Soon; nobody waits for it."""
        task = asyncio.create_task(self._leave((self._scope, name)))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _leave(self, site: Site) -> None:
        self._held[site] -= 1
        if self._held[site] <= 0:
            del self._held[site]
        try:
            async with transaction(self._pool, OPERATOR) as connection:
                await connection.execute(LEAVE, *site, self._process)
        except DatabaseUnavailable as error:
            # The lease ends without us.
            LOG.warning("permit_not_returned", site=site[1], error=str(error))

    async def keep(self, draining: asyncio.Event) -> None:
        """Renew what this process has, until the drain."""
        while not draining.is_set():
            try:
                async with asyncio.timeout(RENEW_SECONDS):
                    await draining.wait()
            except TimeoutError:
                await self.renew()

    async def renew(self) -> None:
        """What this process has stays its for another while."""
        if not self._held:
            return
        try:
            async with transaction(self._pool, OPERATOR) as connection:
                await renew(connection, self._process, self._held)
        except DatabaseUnavailable as error:
            LOG.warning("permits_not_renewed", error=str(error))

    async def close(self) -> None:
        """Give back what is left."""
        await asyncio.gather(*self._leaving, return_exceptions=True)
        self._held.clear()
        try:
            async with transaction(self._pool, OPERATOR) as connection:
                await connection.execute("DELETE FROM queue_site_use WHERE process = $1", self._process)
        except DatabaseUnavailable as error:
            LOG.warning("permit_not_returned", error=str(error))
