"""Changes of items, in batches; each batch and its progress are one transaction.

A job goes over the items in the order of item_id, up to the newest that there
was when it was asked for. The lock on its row keeps two processes from the
same batch; a process that dies has done whole batches, and another goes on.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

import asyncpg
from pgkit import OPERATOR, Connection, DatabaseUnavailable, Pool, transaction
from servicekit import logs

from mta_queue.adapters.filtering import FREE, conditions
from mta_queue.adapters.items import plan_anew, scope_of
from mta_queue.adapters.looks import look
from mta_queue.adapters.queue import dues
from mta_queue.adapters.recording import reply_text
from mta_queue.adapters.telling import Telling, given_up
from mta_queue.core import change as changes
from mta_queue.core.change import (
    Bounce,
    Change,
    Delete,
    Expire,
    Hold,
    Notice,
    Release,
    Reroute,
    Retry,
    action_of,
    last_word,
    reason_of,
)
from mta_queue.core.events import Event
from mta_queue.core.item_filter import FilterInvalid, ItemFilter
from mta_queue.core.records import Caller, JobRecord, JobStatus, Missing
from mta_queue.ports import Due

LOG = logs.logger("mta_queue.changes")
BATCH = 1000
JOB = "SELECT job_id, tenant_id, status, change->>'action' AS action, changed, skipped, created_at, finished_at, error FROM queue_job WHERE job_id = $1"
GIVE_UP = " ".join(
    (
        "WITH gone AS (DELETE FROM queue_item WHERE item_id = ANY($1::bigint[]) AND",
        FREE,
        """RETURNING tenant_id, queue_id, reverse_path, payload, recipients),
    settled AS (
        INSERT INTO relay_outcome (tenant_id, queue_id, address, outcome, status, reply, host, notice_due)
        SELECT tenant_id, queue_id, unnest(recipients), $2, $3, $4, '',
               CASE WHEN reverse_path <> '' AND $5 THEN payload END FROM gone
        ON CONFLICT DO NOTHING RETURNING tenant_id, queue_id, address, status, reply, host, notice_due)
    SELECT 0 AS items, s.*, (SELECT g.reverse_path FROM gone g WHERE g.tenant_id = s.tenant_id
                             AND g.queue_id = s.queue_id LIMIT 1) AS reverse_path FROM settled s
    UNION ALL SELECT count(*), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM gone""",
    )
)


@dataclass(frozen=True, slots=True)
class Step:
    """One batch: how the job stands after it, and the notices that are due for it."""

    job: JobRecord
    dues: list[Due]


class Changes:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, pool: Pool, telling: Telling | None = None) -> None:
        self._pool = pool
        self._telling = telling or Telling()

    async def begin(self, caller: Caller, wanted: ItemFilter, change: Change) -> str:
        """A job, and the line in the audit that says who wants it. Returns its id. Raises FilterInvalid."""
        conditions(wanted)
        if caller.tenant_id and wanted.tenant_id not in ("", caller.tenant_id):
            raise FilterInvalid("there is no such tenant")
        if caller.tenant_id and isinstance(change, Reroute) and change.route:
            # As of routes (adapters.routes): it may be a host inside.
            raise FilterInvalid("hosts are the operator's to choose")
        # The tenant whose business it is: the one that asks, or the one that is asked about.
        tenant_id = caller.tenant_id or wanted.tenant_id
        tenant = UUID(tenant_id) if tenant_id else None
        texts = json.dumps(wanted.to_json()), json.dumps(changes.to_json(change))
        async with transaction(self._pool, scope_of(caller)) as connection:
            await plan_anew(connection)
            job_id: UUID = await connection.fetchval(
                """INSERT INTO queue_job (tenant_id, status, filter, change, ceiling)
                   SELECT $1, 'running', $2::jsonb, $3::jsonb, coalesce(max(item_id), 0) FROM queue_item
                   WHERE $1::uuid IS NULL OR tenant_id = $1 RETURNING job_id""",
                tenant,
                *texts,
            )
            await connection.execute(
                """INSERT INTO queue_audit (tenant_id, actor, client_address, action, reason, filter, change, job_id)
                   VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8)""",
                tenant,
                caller.actor,
                caller.client_address,
                action_of(change),
                reason_of(change),
                *texts,
                job_id,
            )
        return str(job_id)

    async def step(self, job_id: str | None = None) -> Step | None:
        """One batch of a job, or of any that runs. None: there is none, or another process has it."""
        tried: list[UUID] = []
        if job_id is None and not (await look(self._pool, "SELECT job_waits_1()"))[0]:
            return None
        try:
            return await self._step(job_id, tried)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            # A fault of ours must not be met again and again: this job ends, others go on.
            if not tried:
                raise
            LOG.exception("job_failed", job_id=str(tried[0]))
            async with transaction(self._pool, OPERATOR) as connection:
                await connection.execute(
                    "UPDATE queue_job SET status = 'failed', error = $2, finished_at = now() WHERE job_id = $1",
                    tried[0],
                    f"something went wrong here ({type(error).__name__}); it has been logged",
                )
                return Step(_job(await connection.fetchrow(JOB, tried[0])), [])

    async def _step(self, job_id: str | None, tried: list[UUID]) -> Step | None:
        events: list[Event] = []
        async with transaction(self._pool, OPERATOR) as connection:
            row = await connection.fetchrow(
                """SELECT * FROM queue_job WHERE status = 'running' AND ($1::uuid IS NULL OR job_id = $1)
                   ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED""",
                UUID(job_id) if job_id else None,
            )
            if row is None:
                return None
            tried.append(row["job_id"])
            try:
                change = changes.from_json(json.loads(row["change"]))
                wanted = ItemFilter.from_json(json.loads(row["filter"]))
            except (ValueError, KeyError) as error:
                # A later version's, asked for while both run.
                await _progress(connection, row, JobStatus.FAILED, row["done_to"], 0, 0, str(error))
                return Step(_job(await connection.fetchrow(JOB, row["job_id"])), [])
            found = conditions(wanted)
            if row["tenant_id"] is not None:
                found.add("tenant_id = {}", row["tenant_id"])
            found.add("item_id > {} AND item_id <= {}", row["done_to"], row["ceiling"])
            found.add("true ORDER BY item_id LIMIT {} FOR UPDATE", BATCH)
            await plan_anew(connection)
            ids = [
                each[0]
                for each in await connection.fetch(
                    " ".join(("SELECT item_id FROM queue_item WHERE", found.sql())), *found.values
                )
            ]
            changed, settled = await _apply(connection, change, ids) if ids else (0, [])
            if isinstance(change, Bounce):
                events = await self._telling.happened(connection, given_up(settled))
            over = len(ids) < BATCH
            await _progress(
                connection,
                row,
                JobStatus.DONE if over else JobStatus.RUNNING,
                ids[-1] if ids else row["ceiling"],
                changed,
                len(ids) - changed,
                "",
            )
            due = dues([each for each in settled if each["notice_due"] is not None])
            step = Step(_job(await connection.fetchrow(JOB, row["job_id"])), due)
        self._telling.told(events)
        return step

    async def job(self, caller: Caller, job_id: str) -> JobRecord:
        """Raises Missing."""
        async with transaction(self._pool, scope_of(caller)) as connection:
            return _job(await connection.fetchrow(JOB, _job_uuid(job_id)))

    async def cancel(self, caller: Caller, job_id: str) -> JobRecord:
        """No more batches. Raises Missing."""
        async with transaction(self._pool, scope_of(caller)) as connection:
            row = await connection.fetchrow(
                "UPDATE queue_job SET status = 'cancelled', finished_at = now() WHERE job_id = $1"
                " AND status = 'running' RETURNING tenant_id, filter, change",
                _job_uuid(job_id),
            )
            if row is not None:
                await connection.execute(
                    """INSERT INTO queue_audit (tenant_id, actor, client_address, action, reason, filter, change, job_id)
                       VALUES ($1, $2, $3, 'cancel', '', $4, $5, $6)""",
                    row["tenant_id"],
                    caller.actor,
                    caller.client_address,
                    row["filter"],
                    row["change"],
                    _job_uuid(job_id),
                )
            return _job(await connection.fetchrow(JOB, _job_uuid(job_id)))


# How many items were changed, and the recipients that were settled with them.
Applied = tuple[int, list[asyncpg.Record]]


async def _apply(connection: Connection, change: Change, ids: list[int]) -> Applied:
    match change:
        case Hold(reason, until):
            return await _update(
                connection,
                "status = 'held', hold_reason = $2, held_until = $3::timestamptz",
                # What is held already gets another end, where that is asked for.
                "(status = 'waiting' OR held_until IS DISTINCT FROM $3::timestamptz)",
                ids,
                reason,
                until,
            )
        case Release():
            return await _update(
                connection,
                # Two steps for what is both: who ends a hold does not mean that it is to go early.
                "status = 'waiting', hold_reason = '', held_until = NULL,"
                " next_attempt_at = CASE WHEN status = 'held' THEN greatest(release_at, now()) ELSE now() END,"
                # A held item does not expire: what would have meanwhile is tried once more.
                " expires_at = CASE WHEN status = 'held' THEN greatest(expires_at, now()) ELSE expires_at END,"
                " release_at = CASE WHEN status = 'held' AND release_at > now() THEN release_at END",
                "(status = 'held' OR release_at > now())",
                ids,
            )
        case Retry():
            return await _update(
                connection,
                "next_attempt_at = now()",
                "status = 'waiting' AND (release_at IS NULL OR release_at <= now()) AND " + FREE,
                ids,
            )
        case Reroute(route):
            return await _update(connection, "route = $2", "route <> $2", ids, route)
        case Expire(expires_at):
            return await _update(
                connection,
                "expires_at = $2, next_attempt_at = least(next_attempt_at, $2)",
                "expires_at <> $2",
                ids,
                expires_at,
            )
        case Bounce() | Delete():
            return await _give_up(connection, change, ids)
        case _:
            assert_never(change)


async def _update(
    connection: Connection, assignments: str, condition: str, ids: list[int], *values: str | datetime | None
) -> Applied:
    words = ("UPDATE queue_item SET", assignments, "WHERE item_id = ANY($1::bigint[]) AND", condition)
    done = await connection.execute(" ".join(words), ids, *values)
    return int(done.rpartition(" ")[2]), []


async def _give_up(connection: Connection, change: Bounce | Delete, ids: list[int]) -> Applied:
    reply = last_word(change)
    is_bounce = isinstance(change, Bounce)
    rows = await connection.fetch(
        GIVE_UP,
        ids,
        "failed" if is_bounce else "deleted",
        reply.enhanced,
        reply_text(reply),
        isinstance(change, Bounce) and change.notice is Notice.SENT,
    )
    return sum(row["items"] for row in rows), [row for row in rows if row["queue_id"] is not None]


async def _progress(
    connection: Connection,
    row: asyncpg.Record,
    status: JobStatus,
    done_to: int,
    changed: int,
    skipped: int,
    error: str,
) -> None:
    await connection.execute(
        """UPDATE queue_job SET status = $2, done_to = $3, changed = changed + $4, skipped = skipped + $5, error = $6,
                  finished_at = CASE WHEN $2 <> 'running' THEN now() END WHERE job_id = $1""",
        row["job_id"],
        status.value,
        done_to,
        changed,
        skipped,
        error,
    )


def _job_uuid(job_id: str) -> UUID:
    try:
        return UUID(job_id)
    except ValueError as error:
        raise Missing(f"there is no job {job_id}") from error


def _job(row: Any) -> JobRecord:
    if row is None:
        raise Missing("there is no such job")
    return JobRecord(
        job_id=str(row["job_id"]),
        action=row["action"],
        status=JobStatus(row["status"]),
        changed=row["changed"],
        skipped=row["skipped"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        error=row["error"],
    )
