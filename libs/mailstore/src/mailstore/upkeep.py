"""What grows and must be cut back, and what a respool asks.

Whoever runs the platform calls `sweep_orphans` and `prune` now and then (daily
will do), from any process and from several at once.

`sweep_orphans` deletes objects that no message refers to any more, after a
grace time that is longer than a message may live in a queue: a packed object
may hold a message that is still to be relayed.

`prune` forgets deliveries (a repetition after that would be filed again, so a
respool must not look at objects that are older) and vanished UIDs (a client
that was away for longer is told every UID that is not there, which RFC 7162
§3.2.6 allows: correct, only longer).
"""

from collections.abc import Sequence
from datetime import timedelta

from blobstore import BlobStore, BlobUnavailable
from pgkit import OPERATOR, DatabaseUnavailable, Pool, transaction

from mailstore.staging import PREFIX

ORPHAN_GRACE = timedelta(days=7)
DELIVERY_KEPT = timedelta(days=30)
VANISHED_KEPT = timedelta(days=90)
# A transaction stays short.
PRUNED_ROWS = 10_000


async def sweep_orphans(pool: Pool, blobs: BlobStore, limit: int, grace: timedelta = ORPHAN_GRACE) -> int:
    """Delete up to `limit` orphaned objects; how many. Raises StoreUnavailable."""
    async with transaction(pool, OPERATOR) as connection:
        due = await connection.fetch(
            """SELECT tenant_id, object_key, since,
                      EXISTS (SELECT FROM message m WHERE m.object_key = o.object_key OFFSET 0) AS used
               FROM orphan_object o WHERE since < now() - $1::interval ORDER BY since LIMIT $2""",
            grace,
            limit,
        )
    # No transaction is open meanwhile. Whoever does it twice does no harm.
    unused = [row["object_key"] for row in due if not row["used"]]
    try:
        for key in unused:
            # What is staged goes when it is moved (`staging`).
            if not key.startswith(PREFIX):
                await blobs.delete(key)
    except BlobUnavailable as error:
        raise DatabaseUnavailable(str(error)) from error
    async with transaction(pool, OPERATOR) as connection:
        # One that became an orphan again meanwhile has a later date, and stays.
        await connection.execute(
            """DELETE FROM orphan_object o USING unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS done(t, k, s)
               WHERE o.tenant_id = done.t AND o.object_key = done.k AND o.since = done.s""",
            [row["tenant_id"] for row in due],
            [row["object_key"] for row in due],
            [row["since"] for row in due],
        )
    return len(unused)


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
