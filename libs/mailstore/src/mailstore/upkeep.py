"""What grows and must be cut back, and what a respool asks.

The mda's housekeeping does it every few hours, from several processes where there are several.

`orphans`, `unused_objects` and `settle_orphans` say which objects no message refers to any more. Whether one may go they
do not know: a packed object may hold a message that is still to be relayed.

`prune` forgets deliveries (a repetition after that would be filed again, so a
respool must not look at objects that are older) and vanished UIDs (a client
that was away for longer is told every UID that is not there, which RFC 7162
§3.2.6 allows: correct, only longer).
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pgkit import OPERATOR, Pool, transaction

DELIVERY_KEPT = timedelta(days=30)
VANISHED_KEPT = timedelta(days=90)
# A transaction stays short.
PRUNED_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Orphan:
    """An object whose last message went."""

    tenant_id: str
    object_key: str
    since: datetime


async def orphans(pool: Pool, kept: timedelta, at_once: int) -> AsyncIterator[list[Orphan]]:
    """Those that are older than this, in pieces; each once, whatever becomes of it meanwhile. Raises StoreUnavailable."""
    after: tuple[datetime, str] = (datetime.min.replace(tzinfo=UTC), "")
    while True:
        async with transaction(pool, OPERATOR) as connection:
            found = await connection.fetch(
                """SELECT tenant_id, object_key, since FROM orphan_object
                   WHERE since < now() - $1::interval AND (since, object_key) > ($2, $3)
                   ORDER BY since, object_key LIMIT $4""",
                kept,
                *after,
                at_once,
            )
        if not found:
            return
        after = (found[-1]["since"], found[-1]["object_key"])
        yield [Orphan(str(row["tenant_id"]), row["object_key"], row["since"]) for row in found]


async def unused_objects(pool: Pool, keys: Sequence[str]) -> set[str]:
    """Those of these objects that no message refers to. Raises StoreUnavailable."""
    async with transaction(pool, OPERATOR) as connection:
        found = await connection.fetch(
            """SELECT key FROM unnest($1::text[]) AS wanted(key)
               WHERE NOT EXISTS (SELECT FROM message m WHERE m.object_key = wanted.key OFFSET 0)""",
            list(keys),
        )
    return {row["key"] for row in found}


async def settle_orphans(pool: Pool, settled_: Sequence[Orphan]) -> None:
    """These are removed, or shown again: one that became an orphan anew meanwhile has a later date, and stays."""
    async with transaction(pool, OPERATOR) as connection:
        await connection.execute(
            """DELETE FROM orphan_object o USING unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS done(t, k, s)
               WHERE o.tenant_id = done.t AND o.object_key = done.k AND o.since = done.s""",
            [UUID(each.tenant_id) for each in settled_],
            [each.object_key for each in settled_],
            [each.since for each in settled_],
        )


async def prune(
    pool: Pool, delivery_kept: timedelta = DELIVERY_KEPT, vanished_kept: timedelta = VANISHED_KEPT
) -> int:
    """Forget delivery records and vanished UIDs that are older than this; how many rows. Raises StoreUnavailable."""
    forgotten = 0
    while True:
        async with transaction(pool, OPERATOR) as connection:
            done = await connection.execute(
                """DELETE FROM delivery WHERE ctid = ANY(ARRAY(
                       SELECT ctid FROM delivery WHERE filed_at < now() - $1::interval LIMIT $2
                       FOR UPDATE SKIP LOCKED))""",
                delivery_kept,
                PRUNED_ROWS,
            )
        rows = int(done.split()[1])
        forgotten += rows
        if rows < PRUNED_ROWS:
            break
    async with transaction(pool, OPERATOR) as connection:
        done = await connection.execute("DELETE FROM sieve_memory WHERE kept_until <= now()")
    forgotten += int(done.split()[1])
    return forgotten + await _prune_vanished(pool, vanished_kept)


async def _prune_vanished(pool: Pool, kept: timedelta) -> int:
    forgotten = 0
    async with transaction(pool, OPERATOR) as connection:
        accounts = await connection.fetch(
            "SELECT DISTINCT tenant_id, account_id FROM vanished WHERE vanished_at < now() - $1::interval",
            kept,
        )
    for tenant_id, account_id in accounts:
        async with transaction(pool, str(tenant_id)) as connection:
            await connection.execute("SELECT FROM account WHERE account_id = $1 FOR UPDATE", account_id)
            forgotten += await connection.fetchval(
                """WITH gone AS (
                       DELETE FROM vanished WHERE account_id = $1 AND vanished_at < now() - $2::interval
                       RETURNING mailbox_id, modseq),
                   latest AS (SELECT mailbox_id, max(modseq) AS modseq FROM gone GROUP BY mailbox_id),
                   noted AS (
                       UPDATE mailbox m SET forgotten_modseq = greatest(m.forgotten_modseq, latest.modseq)
                       FROM latest WHERE m.account_id = $1 AND m.mailbox_id = latest.mailbox_id)
                   SELECT count(*) FROM gone""",
                account_id,
                kept,
            )
    return forgotten


async def settled(pool: Pool, queue_ids: Sequence[str]) -> set[tuple[str, str]]:
    """Which (queue id, recipient) of these queue ids are filed. Ask for many at once."""
    async with transaction(pool, OPERATOR) as connection:
        found = await connection.fetch(
            "SELECT queue_id, recipient FROM delivery WHERE queue_id = ANY($1::text[])", list(queue_ids)
        )
    return {(row["queue_id"], row["recipient"]) for row in found}
