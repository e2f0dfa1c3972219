"""Reading many rows in pieces: the next one is read while one is being used.

A transaction for each piece, so that a slow reader holds none open.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TypeVar

FETCH_ROWS = 500
# The first of several, so that the answer begins soon.
FIRST_ROWS = 100
# Among so many times as many neighbours a mailbox is read from the first UID to the last, and what was not wanted is left
# out: that is one look into an index instead of one for each.
DENSE = 2

T = TypeVar("T")

# The entries of a mailbox ($1 account, $2 mailbox) from one UID to another ($3: both).
SPAN = """SELECT entry.ctid AS place, entry.* FROM entry WHERE entry.account_id = $1 AND entry.mailbox_id = $2
    AND entry.uid >= ($3::bigint[])[1] AND entry.uid <= ($3::bigint[])[2] OFFSET 0"""


def is_dense(uids: Sequence[int]) -> bool:
    """Whether these, which are in order, are to be read by SPAN."""
    return uids[-1] - uids[0] < DENSE * len(uids)


def ends(uids: Sequence[int]) -> list[int]:
    """$3 of SPAN."""
    return [uids[0], uids[-1]]


async def in_pieces(
    uids: Sequence[int], read: Callable[[Sequence[int]], Awaitable[Sequence[T]]]
) -> AsyncGenerator[Sequence[T], None]:
    """What `read` finds of these UIDs, FIRST_ROWS and then at most FETCH_ROWS at a time; empty pieces are left out."""

    if not uids:
        return

    async def piece(start: int, end: int) -> Sequence[T]:
        return await read(uids[start:end])

    # A piece alone needs no task.
    following: asyncio.Task[Sequence[T]] | None = None
    end = FETCH_ROWS if len(uids) <= FETCH_ROWS else FIRST_ROWS
    try:
        for start in (0, *range(end, len(uids), FETCH_ROWS)):
            found = await (piece(start, end) if following is None else following)
            following = asyncio.create_task(piece(end, end + FETCH_ROWS)) if end < len(uids) else None
            end += FETCH_ROWS
            if found:
                yield found
    finally:
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
