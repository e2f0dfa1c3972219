"""Short bodies that clients append wait in the database: one commit makes them durable together with their entries.

A PUT for each would take longer than all else together, and leave as many objects. `pack` moves what waits into the
object storage, many bodies an object. The row stays for a while and says where the body is now: who read the reference
before it was moved, and messages that were copied to other accounts meanwhile, find it there.

Where the tenant encrypts its bodies, these are encrypted too (docs/adr/0018): that is said by the kind of the body's id,
a UUID of version 8 (RFC 9562 §5.8) in the place of 4, and the number of the key stands before the content.

Lock order: a body is moved under the lock of the account that appended it (see `tables`).
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import IO
from uuid import UUID, uuid4

import asyncpg
from blobstore import (
    BlobAltered,
    BlobMissing,
    BlobShredded,
    BlobStore,
    BlobUnavailable,
    BodyReference,
    KeysUnavailable,
    Piece,
)
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
SEALED_ID = 8
# More than a sealed content has.
WHOLE = 1 << 30
# The number of the key before a sealed content.
KEY_OCTETS = 4

# Part of the statement that files messages; $1 is the tenant. The accounts are locked.
INSERT = """INSERT INTO staged_body (body_id, account_id, tenant_id, content)
    SELECT b, a, $1, c FROM unnest($2::uuid[], $3::uuid[], $4::bytea[]) AS w(b, a, c)"""


@dataclass(frozen=True, slots=True)
class StagedBody(BodyReference):
    """A body that is to be filed together with its message. `content` is what rests in the database."""

    content: bytes = b""
    # Where that is sealed.
    clear: bytes | None = None

    @property
    def plain(self) -> bytes:
        """The body itself."""
        return self.content if self.clear is None else self.clear


def may_wait(contents: Sequence[bytes], longest_octets: int) -> bool:
    """Whether these are short enough; 0: none is."""
    return 0 < max(map(len, contents), default=0) <= longest_octets and sum(map(len, contents)) <= MOST_OCTETS


async def stage(blobs: BlobStore, account: AccountRef, contents: Sequence[bytes]) -> list[BodyReference]:
    """References to bodies that are stored when their messages are filed. Raises StoreUnavailable."""
    staged: list[BodyReference] = []
    for content in contents:
        sealed_id = _sealed_id()
        place = f"{PREFIX}{account.tenant_id}/{sealed_id}"
        try:
            piece = await blobs.seal_piece(account.tenant_id, place, content)
        except BlobUnavailable as error:
            raise StoreUnavailable(str(error)) from error
        digest = hashlib.sha256(content).digest()
        if piece.key_version:
            stored = piece.key_version.to_bytes(KEY_OCTETS, "big") + piece.content
            staged.append(StagedBody(place, 0, len(content), digest, stored, content))
        else:
            place = f"{PREFIX}{account.tenant_id}/{uuid4()}"
            staged.append(StagedBody(place, 0, len(content), digest, content))
    return staged


def _sealed_id() -> UUID:
    """RFC 9562 §5.8: 122 bits of our own, here random ones."""
    bits = int.from_bytes(os.urandom(16), "big")
    bits = bits & ~(0xF << 76) | SEALED_ID << 76
    return UUID(int=bits & ~(0x3 << 62) | 0x2 << 62)


def _is_sealed(body_id: UUID) -> bool:
    return body_id.version == SEALED_ID


async def _opened(blobs: BlobStore, tenant_id: str, body_id: UUID, content: bytes) -> bytes:
    """Raises BlobShredded, BlobAltered, BlobUnavailable."""
    if not _is_sealed(body_id):
        return content
    piece = Piece(content[KEY_OCTETS:], int.from_bytes(content[:KEY_OCTETS], "big"))
    return await blobs.open_piece(tenant_id, f"{PREFIX}{tenant_id}/{body_id}", piece)


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
        _, tenant_id, text = key.split("/")
        body_id = UUID(text)
        sealed = _is_sealed(body_id)
        try:
            async with transaction(self._pool, tenant_id) as connection:
                row = await connection.fetchrow(
                    """SELECT substring(content FROM $2 FOR $3) AS content, object_key, body_offset
                       FROM staged_body WHERE body_id = $1""",
                    body_id,
                    1 if sealed else offset + 1,
                    WHOLE if sealed else length,
                )
        except DatabaseUnavailable as error:
            raise BlobUnavailable(str(error)) from error
        if row is None:
            raise BlobMissing(key)
        if row["content"] is not None:
            content = await _opened(self._below, tenant_id, body_id, bytes(row["content"]))
            return content[offset : offset + length] if sealed else content
        return await self._below.get_range(row["object_key"], row["body_offset"] + offset, length)

    async def get(self, key: str) -> bytes:
        """As of the bucket."""
        return await self._below.get(key)

    async def put(self, key: str, chunks: Sequence[bytes]) -> None:
        """As of the bucket."""
        await self._below.put(key, chunks)

    async def put_file(self, key: str, file: IO[bytes]) -> None:
        """As of the bucket."""
        await self._below.put_file(key, file)

    async def put_mail(self, tenant_id: str, object_id: str, at: datetime, chunks: Sequence[bytes]) -> str:
        """As of the bucket."""
        return await self._below.put_mail(tenant_id, object_id, at, chunks)

    async def put_mail_file(
        self, tenant_id: str, object_id: str, at: datetime, file: IO[bytes], octets: int
    ) -> str:
        """As of the bucket."""
        return await self._below.put_mail_file(tenant_id, object_id, at, file, octets)

    async def is_sealing(self, tenant_id: str) -> bool:
        """As of the bucket."""
        return await self._below.is_sealing(tenant_id)

    async def seal_piece(self, tenant_id: str, place: str, content: bytes) -> Piece:
        """As of the bucket."""
        return await self._below.seal_piece(tenant_id, place, content)

    async def open_piece(self, tenant_id: str, place: str, piece: Piece) -> bytes:
        """As of the bucket."""
        return await self._below.open_piece(tenant_id, place, piece)


@dataclass(frozen=True, slots=True)
class _Waiting:
    body_id: UUID
    account_id: UUID
    content: bytes


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
        found = await _open(pool, blobs, str(tenant_id), list(rows))
        for chunk in _packs(found):
            try:
                key = await blobs.put_mail(
                    str(tenant_id),
                    f"append-{uuid4().hex}",
                    datetime.now(UTC),
                    [body.content for body in chunk],
                )
            except KeysUnavailable:
                # Only this tenant's: others' are moved.
                await _put_behind(pool, str(tenant_id), [body.body_id for body in chunk])
                continue
            except BlobUnavailable as error:
                raise StoreUnavailable(str(error)) from error
            moved += await _moved(pool, str(tenant_id), key, chunk)
    return moved


async def _open(
    pool: Pool, blobs: BlobStore, tenant_id: str, rows: Sequence[asyncpg.Record]
) -> list[_Waiting]:
    """Those that can be moved. What nobody can read any more goes; what cannot be read now waits behind the others."""
    found: list[_Waiting] = []
    gone: list[UUID] = []
    later: list[UUID] = []
    for row in rows:
        try:
            content = await _opened(blobs, tenant_id, row["body_id"], bytes(row["content"]))
        except BlobShredded:
            gone.append(row["body_id"])
        except (BlobAltered, BlobUnavailable):
            later.append(row["body_id"])
        else:
            found.append(_Waiting(row["body_id"], row["account_id"], content))
    if gone:
        async with transaction(pool, tenant_id) as connection:
            await connection.execute("DELETE FROM staged_body WHERE body_id = ANY($1::uuid[])", gone)
    if later:
        await _put_behind(pool, tenant_id, later)
    return found


async def _put_behind(pool: Pool, tenant_id: str, bodies: Sequence[UUID]) -> None:
    """They are looked at again after all others."""
    async with transaction(pool, tenant_id) as connection:
        await connection.execute(
            "UPDATE staged_body SET changed_at = now() WHERE body_id = ANY($1::uuid[])", bodies
        )


def _packs(bodies: Sequence[_Waiting]) -> list[list[_Waiting]]:
    packs: list[list[_Waiting]] = []
    room = 0
    for body in bodies:
        if not packs or len(body.content) > room:
            packs.append([])
            room = PACK_OCTETS
        packs[-1].append(body)
        room -= len(body.content)
    return packs


async def _moved(pool: Pool, tenant_id: str, key: str, chunk: Sequence[_Waiting]) -> int:
    """Say where the bodies of an object are now, account by account."""
    offsets: dict[UUID, int] = {}
    position = 0
    for body in chunk:
        offsets[body.body_id] = position
        position += len(body.content)
    moved = shown = 0
    for account_id, bodies in groupby(chunk, key=lambda body: body.account_id):
        ids = [body.body_id for body in bodies]
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


async def hand_on(connection: Connection, account: AccountRef) -> None:
    """What others have copies of is theirs from now on, and does not go with the account. It is locked, and is to go."""
    await connection.execute(
        """UPDATE staged_body b SET account_id = heir.account_id
           FROM (SELECT s.body_id, m.account_id FROM staged_body s
                 CROSS JOIN LATERAL (SELECT message.account_id FROM message
                     WHERE message.object_key = $2 || s.body_id::text AND message.account_id <> $1 LIMIT 1) m
                 WHERE s.account_id = $1) heir
           WHERE b.body_id = heir.body_id""",
        UUID(account.account_id),
        f"{PREFIX}{account.tenant_id}/",
    )


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
