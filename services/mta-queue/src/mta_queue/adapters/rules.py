"""Suspensions and schedules as rows: what the worker reads every moment, and what the operator sets."""

from datetime import datetime
from typing import Any

import asyncpg
from pgkit import OPERATOR, Connection, Pool, transaction
from servicekit import logs

from mta_queue.adapters.auditing import audit, tenant_meant
from mta_queue.adapters.egress import load_sources
from mta_queue.adapters.hooks import load_hooks
from mta_queue.adapters.items import scope_of
from mta_queue.adapters.looks import look
from mta_queue.adapters.routes import load_ways
from mta_queue.adapters.shapes import load_shapes
from mta_queue.core.destinations import domain_of
from mta_queue.core.records import Caller, Missing
from mta_queue.core.rules import Rules, Scope, Suspension
from mta_queue.core.schedule import Schedule
from mta_queue.core.shaping import is_site

LOG = logs.logger("mta_queue.rules")
# Lanes that a scope covers have their turn now.
WAKE = """UPDATE queue_lane SET turn_at = now()
          WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2 = '' OR domain = $2) AND turn_at > now()"""


class RuleBook:
    """Every method raises DatabaseUnavailable; those of the operator FilterInvalid."""

    def __init__(self, pool: Pool, default: Schedule) -> None:
        self._pool = pool
        self._default = default

    async def stamp(self) -> str:
        """Another one whenever any rule is another: what `load` says after it is as new or newer."""
        return str((await look(self._pool, "SELECT rules_stamp_1()"))[0])

    async def load(self) -> Rules:
        """All that hold now."""
        async with transaction(self._pool, OPERATOR) as connection:
            suspensions = await connection.fetch(
                "SELECT * FROM queue_suspension WHERE expires_at IS NULL OR expires_at > now()"
            )
            schedules = await connection.fetch("SELECT * FROM queue_schedule")
            ways = await load_ways(connection)
            sources = await load_sources(connection)
            shapes = await load_shapes(connection)
            hooks = await load_hooks(connection)
            suppresses = await connection.fetchval("SELECT EXISTS (SELECT FROM suppression)")
        return Rules(
            {_scope(row): _suspension(row) for row in suspensions},
            {_scope(row): schedule for row in schedules if (schedule := _sane(row)) is not None},
            self._default,
            ways=ways,
            sources=sources,
            shapes=shapes,
            suppresses=suppresses,
            hooks=hooks,
        )

    # -- suspensions

    async def suspend(
        self, caller: Caller, tenant_id: str, domain: str, reason: str, expires_at: datetime | None
    ) -> Suspension:
        """Stop a tenant's mail, a domain's, or a tenant's to a domain; again for a new reason or end."""
        tenant = tenant_meant(caller, tenant_id)
        async with transaction(self._pool, scope_of(caller)) as connection:
            row = await connection.fetchrow(
                """INSERT INTO queue_suspension (tenant_id, domain, reason, actor, expires_at)
                   VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT ON CONSTRAINT queue_suspension_once DO UPDATE
                   SET reason = excluded.reason, actor = excluded.actor, expires_at = excluded.expires_at,
                       created_at = now() RETURNING *""",
                tenant,
                _domain(domain),
                reason,
                caller.actor,
                expires_at,
            )
            assert row is not None
            change = {"expires_at": expires_at.isoformat() if expires_at is not None else ""}
            await _audit(connection, caller, row, "suspend", reason, change)
        return _suspension(row)

    async def resume(self, caller: Caller, tenant_id: str, domain: str) -> None:
        """Lift a suspension; what waits for it has its turn now. Raises Missing."""
        tenant = tenant_meant(caller, tenant_id)
        async with transaction(self._pool, scope_of(caller)) as connection:
            row = await connection.fetchrow(
                """DELETE FROM queue_suspension WHERE tenant_id IS NOT DISTINCT FROM $1 AND domain = $2 RETURNING *""",
                tenant,
                _domain(domain),
            )
            if row is None:
                raise Missing("there is no such suspension")
            # Which lanes lead to a site nobody knows but DNS.
            await connection.execute(WAKE, tenant, "" if is_site(domain) else _domain(domain))
            await _audit(connection, caller, row, "resume", row["reason"], {})

    async def suspensions(self, caller: Caller) -> list[Suspension]:
        """Those that hold now, oldest first."""
        async with transaction(self._pool, scope_of(caller)) as connection:
            rows = await connection.fetch(
                "SELECT * FROM queue_suspension WHERE expires_at IS NULL OR expires_at > now() ORDER BY created_at"
            )
        return [_suspension(row) for row in rows]

    # -- schedules

    async def set_schedule(self, caller: Caller, tenant_id: str, domain: str, schedule: Schedule) -> None:
        """For a tenant, a domain, a tenant's mail to a domain, or, with neither, for everything."""
        tenant = tenant_meant(caller, tenant_id)
        values = {
            "first_seconds": schedule.first_seconds,
            "longest_seconds": schedule.longest_seconds,
            "expire_seconds": schedule.expire_seconds,
            "jitter": schedule.jitter,
            "warn_seconds": schedule.warn_seconds,
        }
        async with transaction(self._pool, scope_of(caller)) as connection:
            row = await connection.fetchrow(
                """INSERT INTO queue_schedule
                       (tenant_id, domain, first_seconds, longest_seconds, expire_seconds, jitter, warn_seconds)
                   VALUES ($1, $2, $3, $4, $5, $6, $7)
                   ON CONFLICT ON CONSTRAINT queue_schedule_once DO UPDATE
                   SET first_seconds = excluded.first_seconds, longest_seconds = excluded.longest_seconds,
                       expire_seconds = excluded.expire_seconds, jitter = excluded.jitter,
                       warn_seconds = excluded.warn_seconds
                   RETURNING *""",
                tenant,
                _domain(domain),
                *values.values(),
            )
            assert row is not None
            await _audit(connection, caller, row, "schedule", "", values)

    async def delete_schedule(self, caller: Caller, tenant_id: str, domain: str) -> None:
        """Back to the next wider one. Raises Missing."""
        tenant = tenant_meant(caller, tenant_id)
        async with transaction(self._pool, scope_of(caller)) as connection:
            row = await connection.fetchrow(
                "DELETE FROM queue_schedule WHERE tenant_id IS NOT DISTINCT FROM $1 AND domain = $2 RETURNING *",
                tenant,
                _domain(domain),
            )
            if row is None:
                raise Missing("there is no such schedule")
            await _audit(connection, caller, row, "unschedule", "", {})

    async def schedules(self, caller: Caller) -> dict[Scope, Schedule]:
        """Those that were set, and for ("", "") the one that holds where none was."""
        async with transaction(self._pool, scope_of(caller)) as connection:
            rows = await connection.fetch("SELECT * FROM queue_schedule ORDER BY tenant_id, domain")
        found = {_scope(row): schedule for row in rows if (schedule := _sane(row)) is not None}
        return {("", ""): self._default, **found}


def _domain(domain: str) -> str:
    """As items have it; "" stays ""."""
    if is_site(domain):
        return domain.lower()
    return domain_of("@" + domain) if domain else ""


def _scope(row: asyncpg.Record) -> Scope:
    return str(row["tenant_id"] or ""), row["domain"]


def _suspension(row: asyncpg.Record) -> Suspension:
    return Suspension(
        suspension_id=str(row["suspension_id"]),
        tenant_id=str(row["tenant_id"] or ""),
        domain=row["domain"],
        reason=row["reason"],
        actor=row["actor"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )


def _sane(row: asyncpg.Record) -> Schedule | None:
    """None for a row that was not written by us, so that it stops nobody's mail."""
    try:
        return _schedule(row)
    except ValueError as error:
        LOG.error("schedule_ignored", tenant_id=str(row["tenant_id"]), domain=row["domain"], error=str(error))
        return None


def _schedule(row: asyncpg.Record) -> Schedule:
    return Schedule(
        row["first_seconds"],
        row["longest_seconds"],
        row["expire_seconds"],
        row["jitter"],
        row["warn_seconds"],
    )


async def _audit(
    connection: Connection,
    caller: Caller,
    row: asyncpg.Record,
    action: str,
    reason: str,
    change: dict[str, Any],
) -> None:
    await audit(connection, caller, row["tenant_id"], {"domain": row["domain"]}, action, reason, change)
