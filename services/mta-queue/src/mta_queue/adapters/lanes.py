"""Taking what is due, lane by lane (core.turns), under leases.

One process takes at a time, so that caps hold over all of them: a take is some
index probes, whatever waits. Tenants are visited in a ring from where the last
take ended; of each, the lanes whose turn came first. A lane that was visited goes
to the tail where it has more that is due, else to the moment of its next item.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
from pgkit import OPERATOR, Connection, Pool, transaction
from servicekit import logs
from spool import Malformed, decode

from mta_queue.adapters.looks import look
from mta_queue.core.rules import Rules
from mta_queue.core.turns import Caps, Lane, UnderWay, share
from mta_queue.ports import Item, Taken

LOG = logs.logger("mta_queue.lanes")
# Any number, the same for all: who takes holds this advisory lock until it commits.
TAKING = 7_264_612
LANES_SEEN = 128
LANES_OF_A_TENANT = 16
# A suspension that ends early is noticed within so long even where nobody says so.
SUSPENDED_SECONDS = 60.0
FIRST_TENANT, LAST_TENANT = UUID(int=0), UUID(int=2**128 - 1)

# A plan that was made when the table was empty must not read all of it when it is full.
LOCK = """
SELECT pg_try_advisory_xact_lock($1) AS is_ours, (SELECT coalesce(max(audit_id), 0) FROM queue_audit) AS last_order
FROM set_config('enable_seqscan', 'off', true)"""

DUE_LANES = """
WITH RECURSIVE tenant (tenant_id) AS (
    (SELECT tenant_id FROM queue_lane WHERE tenant_id > $1 ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT next.tenant_id FROM queue_lane next WHERE next.tenant_id > tenant.tenant_id
            ORDER BY next.tenant_id LIMIT 1)
    FROM tenant WHERE tenant.tenant_id IS NOT NULL)
SELECT lane.tenant_id, lane.domain, lane.turn_at FROM tenant CROSS JOIN LATERAL (
    SELECT tenant_id, domain, turn_at FROM queue_lane
    WHERE tenant_id = tenant.tenant_id AND turn_at <= $3
    ORDER BY turn_at LIMIT $4 FOR UPDATE SKIP LOCKED) lane
WHERE tenant.tenant_id <= $2 LIMIT $5"""

LEASE = """
UPDATE queue_item q SET lease_until = $2::timestamptz, fencing = q.fencing + 1
FROM (SELECT due.item_id FROM unnest($3::uuid[], $4::text[], $5::int[]) AS lane(tenant_id, domain, places)
      CROSS JOIN LATERAL (
          SELECT head.item_id FROM (VALUES (1::smallint), (0::smallint), (-1::smallint)) AS line(urgency)
          CROSS JOIN LATERAL (
              SELECT i.item_id, i.urgency, i.next_attempt_at FROM queue_item i
              WHERE i.tenant_id = lane.tenant_id AND i.domain = lane.domain AND i.status = 'waiting'
                AND i.urgency = line.urgency
                AND i.next_attempt_at <= $1 AND (i.lease_until IS NULL OR i.lease_until <= $1)
              ORDER BY i.next_attempt_at LIMIT lane.places FOR UPDATE SKIP LOCKED) head
          ORDER BY head.urgency DESC, head.next_attempt_at LIMIT lane.places) due) due
WHERE q.item_id = due.item_id
RETURNING q.*"""

# What the lane waits for now: its next item, or the end of a lease. greatest() sends it to the tail.
WAITS_FOR = """
WITH seen AS (
    SELECT lane.tenant_id, lane.domain,
        (SELECT i.next_attempt_at FROM queue_item i
         WHERE i.tenant_id = lane.tenant_id AND i.domain = lane.domain AND i.status = 'waiting'
           AND (i.lease_until IS NULL OR i.lease_until <= $1) ORDER BY i.next_attempt_at LIMIT 1) AS next_at,
        lane.leased_until
    FROM unnest($2::uuid[], $3::text[], $4::timestamptz[]) AS lane(tenant_id, domain, leased_until)),
moved AS (
    UPDATE queue_lane lane SET turn_at = greatest(least(seen.next_at, seen.leased_until), $1) FROM seen
    WHERE lane.tenant_id = seen.tenant_id AND lane.domain = seen.domain
      AND (seen.next_at IS NOT NULL OR seen.leased_until IS NOT NULL))
DELETE FROM queue_lane lane USING seen
WHERE lane.tenant_id = seen.tenant_id AND lane.domain = seen.domain
  AND seen.next_at IS NULL AND seen.leased_until IS NULL"""


class Lanes:
    """Satisfies ports.Lanes."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._last_tenant = FIRST_TENANT
        # No lane had its turn the last time.
        self._is_quiet = False

    async def take(
        self, room: int, firsts: UnderWay, caps: Caps, rules: Rules, lease_seconds: float, now: datetime
    ) -> Taken | None:
        if self._is_quiet:
            seen = await look(self._pool, "SELECT * FROM turns_1($1)", now)
            if not seen["is_due"]:
                return Taken([], False, False, seen["last_order"])
        async with transaction(self._pool, OPERATOR) as connection:
            begun = await connection.fetchrow(LOCK, TAKING)
            if begun is None or not begun["is_ours"]:
                return None
            last_order: int = begun["last_order"]
            lanes = await self._due_lanes(connection, now)
            self._is_quiet = not lanes
            if not lanes:
                return Taken([], False, False, last_order)
            stopped = {
                lane: suspension
                for lane in lanes
                if (suspension := rules.suspension_of(lane.tenant_id, lane.domain, now)) is not None
            }
            leased = await _leases(connection, now)
            under_way = firsts.copy()
            for lane, (count, _) in leased.items():
                under_way.by_domain[lane.domain] += count
                under_way.by_tenant[lane.tenant_id] += count
            given = share([lane for lane in lanes if lane not in stopped], room, under_way, caps)
            until = now + timedelta(seconds=lease_seconds)
            rows = await _lease(connection, given, now, until)
            ends = {lane: end for lane, (_, end) in leased.items()}
            for row in rows:
                ends.setdefault(Lane(str(row["tenant_id"]), row["domain"]), until)
            items = await _readable(connection, rows)
            if given:
                self._last_tenant = UUID(next(lane for lane in reversed(lanes) if lane in given).tenant_id)
                await connection.execute(
                    WAITS_FOR, now, *_columns(list(given)), [ends.get(lane) for lane in given]
                )
            if stopped:
                longest = now + timedelta(seconds=SUSPENDED_SECONDS)
                await connection.execute(
                    """UPDATE queue_lane lane SET turn_at = stopped.until
                       FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS stopped(tenant_id, domain, until)
                       WHERE lane.tenant_id = stopped.tenant_id AND lane.domain = stopped.domain""",
                    *_columns(list(stopped)),
                    [min(each.expires_at or longest, longest) for each in stopped.values()],
                )
        fullest = max(Counter(lane.tenant_id for lane in lanes).values())
        is_part = len(lanes) >= LANES_SEEN or fullest >= LANES_OF_A_TENANT
        return Taken(items, 0 in given.values(), is_part, last_order)

    async def _due_lanes(self, connection: Connection, now: datetime) -> list[Lane]:
        """In a ring over the tenants, from the one after the last; locked."""
        rows = await connection.fetch(
            DUE_LANES, self._last_tenant, LAST_TENANT, now, LANES_OF_A_TENANT, LANES_SEEN
        )
        if len(rows) < LANES_SEEN and self._last_tenant != FIRST_TENANT:
            rows += await connection.fetch(
                DUE_LANES, FIRST_TENANT, self._last_tenant, now, LANES_OF_A_TENANT, LANES_SEEN - len(rows)
            )
        return [Lane(str(row["tenant_id"]), row["domain"]) for row in rows]

    async def renew(self, items: Sequence[Item], until: datetime) -> None:
        async with transaction(self._pool, OPERATOR) as connection:
            await connection.execute(
                """UPDATE queue_item q SET lease_until = $3
                   FROM unnest($1::bigint[], $2::bigint[]) AS mine(item_id, fencing)
                   WHERE q.item_id = mine.item_id AND q.fencing = mine.fencing AND q.lease_until IS NOT NULL""",
                [item.item_id for item in items],
                [item.fencing for item in items],
                until,
            )

    async def pause(
        self, domain: str, until: datetime, tenant_id: str = "", but_of: Sequence[str] = ()
    ) -> None:
        """What is given up meanwhile is given up by the sweep."""
        async with transaction(self._pool, OPERATOR) as connection:
            await connection.execute(
                """UPDATE queue_lane SET turn_at = $2 WHERE domain = $1 AND turn_at < $2
                   AND ($3::uuid IS NULL OR tenant_id = $3) AND NOT tenant_id = ANY($4::uuid[])""",
                domain,
                until,
                UUID(tenant_id) if tenant_id else None,
                [UUID(each) for each in but_of],
            )

    async def put_back(self, item: Item, until: datetime) -> None:
        """It was not tried: its destination's site has all that it may have. The lane waits with it."""
        tenant = item.letter.envelope.tenant_id
        async with transaction(self._pool, tenant) as connection:
            await connection.execute(
                """UPDATE queue_item SET lease_until = NULL, next_attempt_at = greatest(next_attempt_at, $3)
                   WHERE item_id = $1 AND fencing = $2""",
                item.item_id,
                item.fencing,
                until,
            )
            await connection.execute(
                "UPDATE queue_lane SET turn_at = $3 WHERE tenant_id = $1 AND domain = $2 AND turn_at < $3",
                UUID(tenant),
                item.domain,
                until,
            )


def _columns(lanes: Sequence[Lane]) -> tuple[list[UUID], list[str]]:
    return [UUID(lane.tenant_id) for lane in lanes], [lane.domain for lane in lanes]


async def _leases(connection: Connection, now: datetime) -> dict[Lane, tuple[int, datetime]]:
    """Of all processes: how many in each lane, and when the first of them ends."""
    rows = await connection.fetch(
        """SELECT tenant_id, domain, count(*) AS items, min(lease_until) AS first_end FROM queue_item
           WHERE lease_until IS NOT NULL AND lease_until > $1 GROUP BY tenant_id, domain""",
        now,
    )
    return {Lane(str(row["tenant_id"]), row["domain"]): (row["items"], row["first_end"]) for row in rows}


async def _lease(
    connection: Connection, given: dict[Lane, int], now: datetime, until: datetime
) -> list[asyncpg.Record]:
    places = {lane: count for lane, count in given.items() if count}
    if not places:
        return []
    return await connection.fetch(LEASE, now, until, *_columns(list(places)), list(places.values()))


async def _readable(connection: Connection, rows: Sequence[asyncpg.Record]) -> list[Item]:
    items: list[Item] = []
    for row in rows:
        try:
            items.append(
                Item(
                    item_id=row["item_id"],
                    letter=decode(row["payload"]),
                    payload=row["payload"],
                    domain=row["domain"],
                    recipients=tuple(row["recipients"]),
                    attempts=row["attempts"],
                    expires_at=row["expires_at"],
                    fencing=row["fencing"],
                    route=row["route"],
                )
            )
        except Malformed as error:
            # One row that cannot be read must not stop the others; the operator sees it among the held.
            LOG.error("item_unreadable", queue_id=row["queue_id"], error=str(error))
            await connection.execute(
                "UPDATE queue_item SET status = 'held', lease_until = NULL, hold_reason = $2 WHERE item_id = $1",
                row["item_id"],
                f"its envelope cannot be read: {error}",
            )
    return items
