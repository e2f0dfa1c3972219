"""Webhooks as rows: who is to be told, what waits to be told, and what nobody wanted to hear.

What is to be told is written in the transaction that settles what happened, so that neither is without the other. One
process at a time tells a webhook: its `next_at` is moved on while it does, and to the time of the next try after a
failure. What failed for `GIVE_UP` is dead: it stays for two weeks, to be looked at or sent again.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
from pgkit import OPERATOR, Connection, Pool, transaction
from servicekit.sealing import Sealer

from mta_queue.adapters.auditing import audit
from mta_queue.adapters.filtering import tenant_uuid
from mta_queue.adapters.items import scope_of
from mta_queue.adapters.looks import look
from mta_queue.core.events import Event
from mta_queue.core.hooks import Hook, HookInvalid, check_events, check_url
from mta_queue.core.item_filter import FilterInvalid
from mta_queue.core.records import Caller, Missing

A_TENANT = 20
CLAIM_SECONDS = 90.0
GIVE_UP = timedelta(days=3)
KEPT_DEAD = timedelta(days=14)
# Of what waits for one webhook; what comes then is dead at once.
WAITING_MOST = 200_000


@dataclass(frozen=True, slots=True)
class Told:
    """Events for one webhook, oldest first."""

    tenant_id: str
    webhook_id: str
    url: str
    secret: bytes
    failures: int
    delivery_ids: tuple[int, ...]
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """One that could not be told."""

    delivery_id: int
    webhook_id: str
    event: str
    attempts: int
    dead_at: datetime
    last_error: str


async def load_hooks(connection: Connection) -> Mapping[str, tuple[Hook, ...]]:
    """By tenant."""
    found: dict[str, tuple[Hook, ...]] = {}
    for row in await connection.fetch("SELECT tenant_id, webhook_id, events FROM webhook"):
        hook = Hook(str(row["webhook_id"]), frozenset(row["events"]))
        found[str(row["tenant_id"])] = (*found.get(str(row["tenant_id"]), ()), hook)
    return found


async def enqueue(
    connection: Connection, hooks: Mapping[str, Sequence[Hook]], events: Sequence[Event]
) -> None:
    """What these webhooks are to be told, in the transaction that settles it."""
    rows = [
        (UUID(each["tenant_id"]), UUID(hook.webhook_id), json.dumps(each, separators=(",", ":")))
        for each in events
        for hook in hooks.get(each["tenant_id"], ())
        if hook.wants(each["type"])
    ]
    if rows:
        # One that was removed a moment ago hears nothing more.
        await connection.execute(
            """INSERT INTO webhook_delivery (tenant_id, webhook_id, event)
               SELECT each.* FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS each(tenant_id, webhook_id, event)
               WHERE EXISTS (SELECT FROM webhook h WHERE h.tenant_id = each.tenant_id
                             AND h.webhook_id = each.webhook_id FOR KEY SHARE)""",
            [row[0] for row in rows],
            [row[1] for row in rows],
            [row[2] for row in rows],
        )


class Hooks:
    """Every method raises DatabaseUnavailable; those of the operator FilterInvalid and HookInvalid."""

    def __init__(self, pool: Pool, sealer: Sealer | None) -> None:
        self._pool = pool
        self._sealer = sealer

    # -- telling

    async def claim(self, limit: int, but_of: Sequence[str] = ()) -> Told | None:
        """The webhook whose turn it is, with what it is to be told first. None: nobody waits for us.

        Those of the tenants `but_of` have none now.
        """
        if self._sealer is None or not (await look(self._pool, "SELECT webhook_waits_1()"))[0]:
            return None
        async with transaction(self._pool, OPERATOR) as connection:
            hook = await connection.fetchrow(
                """UPDATE webhook SET next_at = now() + make_interval(secs => $1)
                   WHERE webhook_id = (
                       SELECT h.webhook_id FROM webhook h WHERE h.next_at <= now()
                       AND NOT h.tenant_id = ANY($2::uuid[]) AND EXISTS (
                           SELECT FROM webhook_delivery d WHERE d.webhook_id = h.webhook_id AND d.dead_at IS NULL)
                       ORDER BY h.next_at LIMIT 1 FOR UPDATE SKIP LOCKED)
                   RETURNING *""",
                CLAIM_SECONDS,
                [UUID(each) for each in but_of],
            )
            if hook is None:
                return None
            rows = await connection.fetch(
                """SELECT delivery_id, event FROM webhook_delivery
                   WHERE webhook_id = $1 AND dead_at IS NULL ORDER BY delivery_id LIMIT $2""",
                hook["webhook_id"],
                limit,
            )
        tenant_id, webhook_id = str(hook["tenant_id"]), str(hook["webhook_id"])
        return Told(
            tenant_id,
            webhook_id,
            hook["url"],
            self._sealer.open(hook["secret_sealed"], (tenant_id, webhook_id)),
            hook["failures"],
            tuple(row["delivery_id"] for row in rows),
            tuple(row["event"] for row in rows),
        )

    async def told(self, told: Told) -> None:
        """It was heard; the next may be told at once."""
        async with transaction(self._pool, told.tenant_id) as connection:
            await connection.execute(
                "DELETE FROM webhook_delivery WHERE webhook_id = $1 AND delivery_id = ANY($2::bigint[])",
                UUID(told.webhook_id),
                list(told.delivery_ids),
            )
            await connection.execute(
                "UPDATE webhook SET next_at = now(), failures = 0, last_error = '' WHERE webhook_id = $1",
                UUID(told.webhook_id),
            )

    async def failed(self, told: Told, error: str, again_seconds: float) -> int:
        """It was not; again after so long. What is too old is given up; returns how many were."""
        async with transaction(self._pool, told.tenant_id) as connection:
            dead = await connection.fetchval(
                """WITH tried AS (
                       UPDATE webhook_delivery SET attempts = attempts + 1, last_error = $3,
                              dead_at = CASE WHEN created_at < now() - $4::interval THEN now() END
                       WHERE webhook_id = $1 AND delivery_id = ANY($2::bigint[]) RETURNING dead_at)
                   SELECT count(dead_at) FROM tried""",
                UUID(told.webhook_id),
                list(told.delivery_ids),
                error[:500],
                GIVE_UP,
            )
            await connection.execute(
                """UPDATE webhook SET next_at = now() + make_interval(secs => $2), failures = failures + 1,
                          last_error = $3 WHERE webhook_id = $1""",
                UUID(told.webhook_id),
                again_seconds,
                error[:500],
            )
        return int(dead)

    async def upkeep(self) -> None:
        """What is dead for long is forgotten, and no webhook keeps more waiting than it may."""
        async with transaction(self._pool, OPERATOR) as connection:
            await connection.execute(
                "DELETE FROM webhook_delivery WHERE dead_at < now() - $1::interval", KEPT_DEAD
            )
            await connection.execute(
                """UPDATE webhook_delivery d SET dead_at = now(), last_error = 'too much waits for this webhook'
                   FROM webhook h CROSS JOIN LATERAL (
                       SELECT delivery_id FROM webhook_delivery w
                       WHERE w.webhook_id = h.webhook_id AND w.dead_at IS NULL
                       ORDER BY delivery_id DESC OFFSET $1 LIMIT 1) over
                   WHERE d.webhook_id = h.webhook_id AND d.dead_at IS NULL AND d.delivery_id <= over.delivery_id""",
                WAITING_MOST,
            )

    # -- the operator

    async def add(
        self, caller: Caller, tenant_id: str, url: str, events: Sequence[str]
    ) -> tuple[asyncpg.Record, str]:
        """Its row, and its secret, which is told this once."""
        if self._sealer is None:
            raise FilterInvalid("there is no secret to keep webhooks' secrets with: MTA_QUEUE_SECRET_FILE")
        check_url(url)
        check_events(events)
        tenant = _tenant(caller, tenant_id)
        webhook_id, secret = uuid4(), secrets.token_urlsafe(32)
        async with transaction(self._pool, scope_of(caller)) as connection:
            count = await connection.fetchval("SELECT count(*) FROM webhook WHERE tenant_id = $1", tenant)
            if count >= A_TENANT:
                raise HookInvalid(f"a tenant has at most {A_TENANT} webhooks")
            row = await connection.fetchrow(
                """INSERT INTO webhook (tenant_id, webhook_id, url, secret_sealed, events)
                   VALUES ($1, $2, $3, $4, $5) RETURNING *, 0 AS waiting, 0 AS dead""",
                tenant,
                webhook_id,
                url,
                self._sealer.seal(secret.encode(), (str(tenant), str(webhook_id))),
                sorted(set(events)),
            )
            assert row is not None
            change = {"url": url, "events": sorted(set(events))}
            await audit(connection, caller, tenant, {"webhook": str(webhook_id)}, "webhook", "", change)
        return row, secret

    async def remove(self, caller: Caller, webhook_id: str) -> None:
        """With all that waits for it. Raises Missing."""
        async with transaction(self._pool, scope_of(caller)) as connection:
            row = await connection.fetchrow(
                "DELETE FROM webhook WHERE webhook_id = $1 RETURNING *", _hook(webhook_id)
            )
            if row is None:
                raise Missing("there is no such webhook")
            what = {"webhook": str(row["webhook_id"])}
            await audit(connection, caller, row["tenant_id"], what, "unhook", "", {"url": row["url"]})

    async def listing(self, caller: Caller, tenant_id: str) -> list[asyncpg.Record]:
        """With how much waits for each and is dead."""
        tenant = tenant_uuid(tenant_id or caller.tenant_id) if tenant_id or caller.tenant_id else None
        async with transaction(self._pool, scope_of(caller)) as connection:
            return await connection.fetch(
                """SELECT h.*, (SELECT count(*) FROM webhook_delivery d WHERE d.webhook_id = h.webhook_id
                                AND d.dead_at IS NULL) AS waiting,
                          (SELECT count(*) FROM webhook_delivery d WHERE d.webhook_id = h.webhook_id
                           AND d.dead_at IS NOT NULL) AS dead
                   FROM webhook h WHERE $1::uuid IS NULL OR h.tenant_id = $1 ORDER BY h.created_at""",
                tenant,
            )

    async def dead(self, caller: Caller, webhook_id: str, after: int, limit: int) -> list[DeadEvent]:
        """What could not be told, oldest first."""
        async with transaction(self._pool, scope_of(caller)) as connection:
            rows = await connection.fetch(
                """SELECT * FROM webhook_delivery WHERE webhook_id = $1 AND dead_at IS NOT NULL AND delivery_id > $2
                   ORDER BY delivery_id LIMIT $3""",
                _hook(webhook_id),
                after,
                limit,
            )
        return [
            DeadEvent(
                row["delivery_id"],
                str(row["webhook_id"]),
                row["event"],
                row["attempts"],
                row["dead_at"],
                row["last_error"],
            )
            for row in rows
        ]

    async def again(self, caller: Caller, webhook_id: str) -> int:
        """All that is dead is told again, now. Returns how many."""
        async with transaction(self._pool, scope_of(caller)) as connection:
            hook = await connection.fetchrow(
                "UPDATE webhook SET next_at = now(), failures = 0 WHERE webhook_id = $1 RETURNING tenant_id",
                _hook(webhook_id),
            )
            if hook is None:
                raise Missing("there is no such webhook")
            done = await connection.execute(
                """UPDATE webhook_delivery SET dead_at = NULL, created_at = now()
                   WHERE webhook_id = $1 AND dead_at IS NOT NULL""",
                _hook(webhook_id),
            )
            count = int(done.rpartition(" ")[2])
            what = {"webhook": webhook_id}
            await audit(connection, caller, hook["tenant_id"], what, "tell-again", "", {"events": count})
        return count


def _tenant(caller: Caller, tenant_id: str) -> UUID:
    if caller.tenant_id and tenant_id not in ("", caller.tenant_id):
        raise FilterInvalid("there is no such tenant")
    chosen = tenant_id or caller.tenant_id
    if not chosen:
        raise FilterInvalid("say whose webhook: a tenant's")
    return tenant_uuid(chosen)


def _hook(webhook_id: str) -> UUID:
    try:
        return UUID(webhook_id)
    except ValueError as error:
        raise Missing("there is no such webhook") from error
