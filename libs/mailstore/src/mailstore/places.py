"""Where the octets of messages are, and nothing else of them: whole mailboxes are downloaded with this."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from uuid import UUID

import asyncpg
from blobstore import BodyReference
from mailmodel import AccountRef
from pgkit import Pool, transaction

from mailstore import rows
from mailstore.pieces import SPAN, ends, in_pieces, is_dense
from mailstore.types import BodyPlace

# As in `reading`: the fence keeps the planner from reading all messages of the account.
STATEMENT = """SELECT e.uid, e.size_octets, e.message_id, m.prefix, m.object_key, m.body_offset, m.body_length, m.digest
FROM ({entries}) e
CROSS JOIN LATERAL (SELECT * FROM message
    WHERE message.account_id = $1 AND message.message_id = e.message_id OFFSET 0) m
ORDER BY e.uid"""
BY_SPAN, BY_UID = STATEMENT.format(entries=SPAN), STATEMENT.format(entries=rows.CHOSEN)


async def body_places(
    pool: Pool, account: AccountRef, mailbox_id: int, uids: Sequence[int]
) -> list[BodyPlace]:
    """Of a few messages that are in order; UIDs that are gone are left out."""
    if not uids:
        return []
    dense = is_dense(uids)
    async with transaction(pool, account.tenant_id) as connection:
        found = await connection.fetch(
            BY_SPAN if dense else BY_UID,
            UUID(account.account_id),
            mailbox_id,
            ends(uids) if dense else list(uids),
        )
    if not dense or uids[-1] - uids[0] + 1 == len(uids):
        return [_place(row) for row in found]
    meant = set(uids)
    return [_place(row) for row in found if row["uid"] in meant]


async def fetch_places(
    pool: Pool, account: AccountRef, mailbox_id: int, uids: Sequence[int]
) -> AsyncIterator[Sequence[BodyPlace]]:
    """Of any number of messages, in UID order, in pieces."""

    async def read(part: Sequence[int]) -> list[BodyPlace]:
        return await body_places(pool, account, mailbox_id, part)

    async with aclosing(in_pieces(sorted(set(uids)), read)) as pieces:
        async for piece in pieces:
            yield piece


def _place(row: asyncpg.Record) -> BodyPlace:
    uid, size_octets, message_id, prefix, key, offset, length, digest = row
    return BodyPlace(uid, size_octets, message_id, prefix, BodyReference(key, offset, length, digest))
