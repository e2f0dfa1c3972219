"""What is kept of messages, put together by PostgreSQL into the octets that a reader wants: one value a message where
there would be five, each to be made a Python object of.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from enum import Enum
from uuid import UUID

import asyncpg
from mailmodel import AccountRef
from pgkit import Pool, transaction

from mailstore import rows
from mailstore.pieces import SPAN, ends, in_pieces, is_dense


class Written(Enum):
    """What can be put in: columns as they are, the size in digits, the date as DATE_FORMAT says."""

    ENVELOPE = "m.envelope"
    BODYSTRUCTURE = "m.bodystructure"
    BODY = "m.body"
    SIZE = "e.size_octets::text::bytea"
    DATE = "to_char(e.internal_date, ${place}::text)::bytea"


# In UTC, as the connections are: 21-Nov-2026 09:05:00 +0000.
DATE_FORMAT = "DD-Mon-YYYY HH24:MI:SS +0000"
FIRST_TEXT = 4

# Octets that stand as they are, and what is put between them.
Segment = Sequence[bytes | Written]
# UID and segments.
Joined = tuple[int, bytes | None, *tuple[bytes | None, ...]]

MESSAGE = """CROSS JOIN LATERAL (SELECT * FROM message
    WHERE message.account_id = $1 AND message.message_id = e.message_id OFFSET 0) m"""


async def joined(
    pool: Pool, account: AccountRef, mailbox_id: int, uids: Sequence[int], segments: Sequence[Segment]
) -> AsyncIterator[Sequence[Joined]]:
    """(UID, segment, ...) in UID order, in pieces; UIDs that are gone are left out.

    Of a message whose columns are sealed (sealed_facts) the segments are None.
    """
    wanted = sorted(set(uids))
    select, texts = _select(segments)
    by_span, by_uid = select.format(entries=SPAN), select.format(entries=rows.CHOSEN)
    key = (UUID(account.account_id), mailbox_id)

    async def read(part: Sequence[int]) -> Sequence[asyncpg.Record]:
        dense = is_dense(part)
        async with transaction(pool, account.tenant_id) as connection:
            found = await connection.fetch(
                by_span if dense else by_uid, *key, ends(part) if dense else part, *texts
            )
        if not dense or part[-1] - part[0] + 1 == len(part):
            return found
        meant = set(part)
        return [row for row in found if row[0] in meant]

    async with aclosing(in_pieces(wanted, read)) as pieces:
        async for found in pieces:
            yield found  # type: ignore[misc]


def _select(segments: Sequence[Segment]) -> tuple[str, list[bytes | str]]:
    """The statement but for its entries, and what its parameters from FIRST_TEXT on are."""
    texts: list[bytes | str] = []
    plain = ["true"]
    values = []
    for segment in segments:
        words = []
        for each in segment:
            place = FIRST_TEXT + len(texts)
            if not isinstance(each, Written):
                words.append(f"${place}::bytea")
                texts.append(each)
                continue
            words.append(each.value.format(place=place))
            if each is Written.DATE:
                texts.append(DATE_FORMAT)
            elif each is not Written.SIZE:
                plain.append(f"substring({each.value} FROM 1 FOR 1) = '('::bytea")
        values.append(" || ".join(words))
    readable = " AND ".join(plain)
    columns = ", ".join(f"CASE WHEN {readable} THEN {value} END" for value in values)
    return f"SELECT e.uid, {columns} FROM ({{entries}}) e {MESSAGE} ORDER BY e.uid", texts  # noqa: S608
