"""Short bodies that clients append wait in the database: one commit makes them durable together with their entries.

A PUT for each would take longer than all else together, and leave as many objects. `pack` moves what waits into the
object storage, many bodies an object. The row stays for a while and says where the body is now: who read the reference
before it was moved, and messages that were copied to other accounts meanwhile, find it there.

Lock order: a body is moved under the lock of the account that appended it (see `tables`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from uuid import UUID, uuid4

import asyncpg
from blobstore import BlobMissing, BlobStore, BlobUnavailable, BodyReference, mail_key
from mailmodel import AccountRef
from pgkit import OPERATOR, Connection, DatabaseUnavailable, Pool, transaction

from mailstore.errors import StoreUnavailable

PREFIX = "staged/"
LONGEST_OCTETS = 64 * 1024
# What comes together in one command and is more goes to the object storage at once.
MOST_OCTETS = 1024 * 1024
PACK_OCTETS = 4 * 1024 * 1024
# At most so many octets are held meanwhile: these times LONGEST_OCTETS.
PACK_ROWS = 250
MOVED_KEPT = timedelta(days=7)

# Part of the statement that files messages; $1 is the tenant. The accounts are locked.
INSERT = """INSERT INTO staged_body (body_id, account_id, tenant_id, content)
    SELECT b, a, $1, c FROM unnest($2::uuid[], $3::uuid[], $4::bytea[]) AS w(b, a, c)"""


@dataclass(frozen=True, slots=True)
class StagedBody(BodyReference):
    """A body that is to be filed together with its message."""

    content: bytes = b""


def may_wait(contents: Sequence[bytes], longest_octets: int) -> bool:
    """Whether these are short enough; 0: none is."""
    return 0 < max(map(len, contents), default=0) <= longest_octets and sum(map(len, contents)) <= MOST_OCTETS


def stage(account: AccountRef, contents: Sequence[bytes]) -> list[BodyReference]:
    """References to bodies that are stored when their messages are filed."""
    return [
        StagedBody(
            f"{PREFIX}{account.tenant_id}/{uuid4()}",
            0,
            len(content),
            hashlib.sha256(content).digest(),
            content,
        )
        for content in contents
    ]


def waiting(
    accounts: Sequence[UUID], bodies: Sequence[BodyReference]
) -> tuple[list[UUID], list[UUID], list[bytes]]:
    """$2 to $4 of INSERT: those among these bodies that are staged, with the accounts that they are filed for."""
    # Copies of a message share its body.
    found = {b.object_key: (a, b) for a, b in zip(accounts, bodies, strict=True) if isinstance(b, StagedBody)}
    staged = list(found.values())
    return (
        [UUID(body.object_key.rpartition("/")[2]) for _, body in staged],
        [account for account, _ in staged],
        [body.content for _, body in staged],
    )


class StagedBlobs(BlobStore):
    """The bucket of `below`, and what waits for it."""

    def __init__(self, below: BlobStore, pool: Pool) -> None:
        super().__init__(below._store)
        self._below = below
        self._pool = pool

    async def get_range(self, key: str, offset: int, length: int) -> bytes:
        """As of the bucket. Raises BlobMissing, BlobUnavailable."""
        if not key.startswith(PREFIX):
            return await self._below.get_range(key, offset, length)
        _, tenant_id, body_id = key.split("/")
        try:
            async with transaction(self._pool, tenant_id) as connection:
                row = await connection.fetchrow(
                    """SELECT substring(content FROM $2 FOR $3) AS content, object_key, body_offset
                       FROM staged_body WHERE body_id = $1""",
                    UUID(body_id),
                    offset + 1,
                    length,
                )
        except DatabaseUnavailable as error:
            raise BlobUnavailable(str(error)) from error
        if row is None:
            raise BlobMissing(key)
        if row["content"] is not None:
            return bytes(row["content"])
        return await self._below.get_range(row["object_key"], row["body_offset"] + offset, length)

    async def put(self, key: str, chunks: Sequence[bytes]) -> None:
        """As of the bucket."""
        await self._below.put(key, chunks)


async def pack(pool: Pool, blobs: BlobStore) -> int:
    """Move what waits, oldest first; how many bodies. Several may do it at once. Raises StoreUnavailable."""
    async with transaction(pool, OPERATOR) as connection:
        waiting = await connection.fetch(
            """SELECT body_id, account_id, tenant_id, content FROM staged_body
               WHERE content IS NOT NULL ORDER BY changed_at LIMIT $1""",
            PACK_ROWS,
        )
    moved = 0
    by_tenant = sorted(waiting, key=lambda row: (row["tenant_id"], row["account_id"]))
    for tenant_id, rows in groupby(by_tenant, key=lambda row: row["tenant_id"]):
        for chunk in _packs(list(rows)):
            key = mail_key(str(tenant_id), f"append-{uuid4().hex}", datetime.now(UTC))
            try:
                await blobs.put(key, [row["content"] for row in chunk])
            except BlobUnavailable as error:
                raise StoreUnavailable(str(error)) from error
            moved += await _moved(pool, str(tenant_id), key, chunk)
    return moved


def _packs(rows: Sequence[asyncpg.Record]) -> list[list[asyncpg.Record]]:
    packs: list[list[asyncpg.Record]] = []
    room = 0
    for row in rows:
        if not packs or len(row["content"]) > room:
            packs.append([])
            room = PACK_OCTETS
        packs[-1].append(row)
        room -= len(row["content"])
    return packs


async def _moved(pool: Pool, tenant_id: str, key: str, chunk: Sequence[asyncpg.Record]) -> int:
    """Say where the bodies of an object are now, account by account."""
    offsets: dict[UUID, int] = {}
    position = 0
    for row in chunk:
        offsets[row["body_id"]] = position
        position += len(row["content"])
    moved = shown = 0
    for account_id, rows in groupby(chunk, key=lambda row: row["account_id"]):
        ids = [row["body_id"] for row in rows]
        async with transaction(pool, tenant_id) as connection:
            await connection.execute("SELECT FROM account WHERE account_id = $1 FOR UPDATE", account_id)
            # Another that packs may have been quicker, and the account may be gone.
            done = await connection.fetch(
                """UPDATE staged_body b SET content = NULL, object_key = $2, body_offset = t.o, changed_at = now()
                   FROM unnest($1::uuid[], $3::bigint[]) AS t(i, o)
                   WHERE b.body_id = t.i AND b.content IS NOT NULL RETURNING b.body_id""",
                ids,
                key,
                [offsets[body_id] for body_id in ids],
            )
            moved += len(done)
            shown += await _point(
                connection, tenant_id, key, [(row["body_id"], offsets[row["body_id"]]) for row in done]
            )
    if shown < len(chunk):
        # Some were expunged meanwhile, or are another's work: perhaps nothing refers to this object.
        async with transaction(pool, tenant_id) as connection:
            await connection.execute(
                """INSERT INTO orphan_object (tenant_id, object_key) VALUES ($1, $2)
                   ON CONFLICT (tenant_id, object_key) DO UPDATE SET since = now()""",
                UUID(tenant_id),
                key,
            )
    return moved


async def _point(connection: Connection, tenant_id: str, key: str, places: Sequence[tuple[UUID, int]]) -> int:
    """Let messages refer to the bodies where they are now; how many messages."""
    status = await connection.execute(
        """UPDATE message m SET object_key = $1, body_offset = t.o
           FROM unnest($2::text[], $3::bigint[]) AS t(k, o) WHERE m.object_key = t.k""",
        key,
        [f"{PREFIX}{tenant_id}/{body_id}" for body_id, _ in places],
        [offset for _, offset in places],
    )
    return int(status.split()[1])


async def forget(pool: Pool, kept: timedelta = MOVED_KEPT) -> int:
    """Rows of bodies that were moved long ago; how many. Copies that still refer to them are told first."""
    async with transaction(pool, OPERATOR) as connection:
        old = await connection.fetch(
            """SELECT body_id, tenant_id, object_key, body_offset FROM staged_body
               WHERE content IS NULL AND changed_at < now() - $1::interval LIMIT $2""",
            kept,
            PACK_ROWS,
        )
    for row in old:
        tenant_id = str(row["tenant_id"])
        async with transaction(pool, tenant_id) as connection:
            await _point(connection, tenant_id, row["object_key"], [(row["body_id"], row["body_offset"])])
            await connection.execute("DELETE FROM staged_body WHERE body_id = $1", row["body_id"])
    return len(old)
