"""What grows and must be cut back, and what a respool asks.

`sweep_orphans` deletes objects that no message refers to any more, after a
grace time that is longer than a message may live in a queue (a packed object
may hold a message that is still to be relayed). `prune` forgets deliveries
and vanished UIDs that nobody will ask for again.
"""

from collections.abc import Sequence
from datetime import timedelta

from blobstore import BlobStore
from pgkit import OPERATOR, Pool, transaction

ORPHAN_GRACE = timedelta(days=7)
DELIVERY_KEPT = timedelta(days=30)


async def sweep_orphans(pool: Pool, blobs: BlobStore, limit: int, grace: timedelta = ORPHAN_GRACE) -> int:
    """Delete up to `limit` orphaned objects; how many. Raises StoreUnavailable or BlobUnavailable."""
    swept = 0
    async with transaction(pool, OPERATOR) as connection:
        due = await connection.fetch(
            """SELECT tenant_id, object_key FROM orphan_object WHERE since < now() - $1::interval
               ORDER BY since LIMIT $2 FOR UPDATE SKIP LOCKED""",
            grace,
            limit,
        )
        for row in due:
            used = await connection.fetchval(
                "SELECT EXISTS (SELECT FROM message WHERE object_key = $1)", row["object_key"]
            )
            if not used:
                await blobs.delete(row["object_key"])
                swept += 1
            await connection.execute(
                "DELETE FROM orphan_object WHERE tenant_id = $1 AND object_key = $2",
                row["tenant_id"],
                row["object_key"],
            )
    return swept


async def prune(pool: Pool, kept: timedelta = DELIVERY_KEPT) -> int:
    """Forget delivery records older than `kept`; how many."""
    async with transaction(pool, OPERATOR) as connection:
        done = await connection.execute("DELETE FROM delivery WHERE filed_at < now() - $1::interval", kept)
    return int(done.split()[1])


async def settled(pool: Pool, queue_ids: Sequence[str]) -> set[tuple[str, str]]:
    """Which (queue id, recipient) of these queue ids are filed."""
    async with transaction(pool, OPERATOR) as connection:
        found = await connection.fetch(
            "SELECT queue_id, recipient FROM delivery WHERE queue_id = ANY($1::text[])", list(queue_ids)
        )
    return {(row["queue_id"], row["recipient"]) for row in found}
