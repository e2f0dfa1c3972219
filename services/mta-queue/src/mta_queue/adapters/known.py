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
