"""What the operator sees of the queue: lists, one message, the audit."""

import asyncpg
from pgkit import OPERATOR, Connection, Pool, transaction
from pgkit.tenancy import Scope

from mta_queue.adapters.filtering import SENDING, Conditions, conditions, tenant_uuid
from mta_queue.core.item_filter import ItemFilter, Status, SummaryKey
from mta_queue.core.records import (
    AttemptRecord,
    AuditRecord,
    Caller,
    GroupRecord,
    ItemRecord,
    MessageRecord,
    Missing,
    SettledRecord,
)

ITEM = " ".join(
    (
        "SELECT item_id, tenant_id, queue_id, domain, CASE WHEN",
        SENDING,
        "THEN 'sending' ELSE status END AS status, reverse_path, recipients, replies, attempts, created_at, tried_at,",
        "next_attempt_at, expires_at, last_reply, last_host, hold_reason, held_until, route, release_at, priority FROM queue_item WHERE",
    )
)
KEYS = {
    SummaryKey.TENANT: "tenant_id::text AS key,",
    SummaryKey.DOMAIN: "domain AS key,",
    SummaryKey.STATUS: " ".join(("CASE WHEN", SENDING, "THEN 'sending' ELSE status END AS key,")),
    SummaryKey.SENDER: "reverse_path AS key,",
    SummaryKey.REPLY: "last_reply AS key,",
}
GROUP = (
    "count(*) AS items, count(*) FILTER (WHERE status = 'held') AS held, min(created_at) AS oldest_at,"
    " min(next_attempt_at) FILTER (WHERE status = 'waiting') AS next_attempt_at FROM queue_item WHERE"
)
# A message of thousands of attempts is shown by its last ones.
ATTEMPTS_SHOWN = 500


def scope_of(caller: Caller) -> Scope | str:
    """The rows that this caller may see. Raises FilterInvalid."""
    return str(tenant_uuid(caller.tenant_id)) if caller.tenant_id else OPERATOR


async def plan_anew(connection: Connection) -> None:
    """Plans fit to the values: one tenant may have nearly all rows and another one."""
    await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")


class Items:
    """Every method raises DatabaseUnavailable and FilterInvalid."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def listing(self, caller: Caller, wanted: ItemFilter, after: int, limit: int) -> list[ItemRecord]:
        """Those after an item id, oldest first."""
        found = conditions(wanted)
        found.add("item_id > {}", after)
        found.add("true ORDER BY item_id LIMIT {}", limit)
        async with transaction(self._pool, scope_of(caller)) as connection:
            await plan_anew(connection)
            rows = await connection.fetch(" ".join((ITEM, found.sql())), *found.values)
        return [_item(row) for row in rows]

    async def summary(
        self, caller: Caller, wanted: ItemFilter, key: SummaryKey, limit: int
    ) -> list[GroupRecord]:
        """The largest groups first."""
        found = conditions(wanted)
        found.add("true GROUP BY 1 ORDER BY items DESC, key LIMIT {}", limit)
        async with transaction(self._pool, scope_of(caller)) as connection:
            await plan_anew(connection)
            rows = await connection.fetch(" ".join(("SELECT", KEYS[key], GROUP, found.sql())), *found.values)
        return [GroupRecord(**row) for row in rows]

    async def message(self, caller: Caller, queue_id: str) -> MessageRecord:
        """Raises Missing."""
        async with transaction(self._pool, scope_of(caller)) as connection:
            items = await connection.fetch(" ".join((ITEM, "queue_id = $1 ORDER BY item_id")), queue_id)
            settled = await connection.fetch(
                """SELECT address, outcome, status, reply, host, settled_at, notice_due IS NOT NULL AS notice_due
                   FROM relay_outcome WHERE queue_id = $1 ORDER BY settled_at, address""",
                queue_id,
            )
            attempts = await connection.fetch(
                """SELECT domain, started_at, duration_ms, host, address, tls, reply, delivered, deferred, failed
                   FROM queue_attempt WHERE queue_id = $1 ORDER BY attempt_id DESC LIMIT $2""",
                queue_id,
                ATTEMPTS_SHOWN,
            )
        if not (items or settled or attempts):
            raise Missing(f"nothing is known of a message {queue_id}")
        return MessageRecord(
            [_item(row) for row in items],
            [SettledRecord(**row) for row in settled],
            [AttemptRecord(**row) for row in reversed(attempts)],
        )

    async def audit(self, caller: Caller, tenant_id: str, before: int, limit: int) -> list[AuditRecord]:
        """Newest first; those before an audit id, 0 for all."""
        found = Conditions()
        if tenant_id:
            found.add("a.tenant_id = {}", tenant_uuid(tenant_id))
        if before:
            found.add("a.audit_id < {}", before)
        found.add("true ORDER BY a.audit_id DESC LIMIT {}", limit)
        select = (
            "SELECT a.*, coalesce(j.changed, 0) AS changed, coalesce(j.skipped, 0) AS skipped"
            " FROM queue_audit a LEFT JOIN queue_job j ON j.job_id = a.job_id WHERE"
        )
        async with transaction(self._pool, scope_of(caller)) as connection:
            rows = await connection.fetch(" ".join((select, found.sql())), *found.values)
        return [
            AuditRecord(
                audit_id=row["audit_id"],
                tenant_id=str(row["tenant_id"] or ""),
                at=row["at"],
                actor=row["actor"],
                client_address=row["client_address"],
                action=row["action"],
                reason=row["reason"],
                filter=row["filter"],
                change=row["change"],
                job_id=str(row["job_id"] or ""),
                changed=row["changed"],
                skipped=row["skipped"],
            )
            for row in rows
        ]


def _item(row: asyncpg.Record) -> ItemRecord:
    recipients = tuple(row["recipients"])
    replies = tuple(row["replies"])
    return ItemRecord(
        item_id=row["item_id"],
        tenant_id=str(row["tenant_id"]),
        queue_id=row["queue_id"],
        domain=row["domain"],
        status=Status(row["status"]),
        reverse_path=row["reverse_path"],
        recipients=recipients,
        # Rows of a version that kept one reply for all.
        replies=replies if len(replies) == len(recipients) else (row["last_reply"],) * len(recipients),
        attempts=row["attempts"],
        entered_at=row["created_at"],
        tried_at=row["tried_at"],
        next_attempt_at=row["next_attempt_at"],
        expires_at=row["expires_at"],
        last_reply=row["last_reply"],
        last_host=row["last_host"],
        hold_reason=row["hold_reason"],
        held_until=row["held_until"],
        route=row["route"],
        release_at=row["release_at"],
        priority=row["priority"],
    )
