"""Which recipients the queue knows of already: sent, failed, or waiting. A respool asks it."""

from collections.abc import Sequence

from pgkit import OPERATOR, Pool, transaction


async def known_of(pool: Pool, queue_ids: Sequence[str]) -> set[tuple[str, str]]:
    """(queue id, address) of these queue ids. Ask for many at once. Raises DatabaseUnavailable."""
    async with transaction(pool, OPERATOR) as connection:
        rows = await connection.fetch(
            """SELECT queue_id, address FROM relay_outcome WHERE queue_id = ANY($1::text[])
               UNION SELECT queue_id, unnest(recipients) FROM queue_item WHERE queue_id = ANY($1::text[])""",
            list(queue_ids),
        )
    return {(row[0], row[1]) for row in rows}


async def holdings_of(pool: Pool, queue_ids: Sequence[str]) -> dict[tuple[str, str], bool]:
    """The same, and whether each, or the notice of what became of it, waits still. Raises DatabaseUnavailable."""
    async with transaction(pool, OPERATOR) as connection:
        rows = await connection.fetch(
            """SELECT queue_id, address, notice_due IS NOT NULL AS waits FROM relay_outcome
               WHERE queue_id = ANY($1::text[])
               UNION ALL SELECT queue_id, unnest(recipients), true FROM queue_item WHERE queue_id = ANY($1::text[])
               ORDER BY waits""",
            list(queue_ids),
        )
    # What waits counts, whatever was settled before.
    return {(row[0], row[1]): row[2] for row in rows}
