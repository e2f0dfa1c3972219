"""Reading a mailbox: a snapshot to open it, what changed since, messages by UID."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from blobstore import BodyReference
from mailmodel import AccountRef, Entry
from mailmodel.flags import flags_of
from mailmodel.thread_id import thread_id
from pgkit import Pool, transaction
from pgkit.single import call

from mailstore import rows
from mailstore.errors import MailboxMissing
from mailstore.pieces import SPAN, ends, in_pieces, is_dense
from mailstore.types import Changes, Columns, EntryCounts, Snapshot, StoredMessage

CLAIM = """UPDATE mailbox SET recent_from_uid = greatest(recent_from_uid, $3)
WHERE account_id = $1 AND mailbox_id = $2"""

# By the index on (account, MODSEQ) alone: the fence keeps the mailbox out of the choice of an index (see `tables`).
CHANGED = "SELECT * FROM entry WHERE account_id = $1 AND modseq > $3 OFFSET 0"

VANISHED = """SELECT uid FROM (
    SELECT * FROM vanished WHERE account_id = $1 AND modseq > $3 OFFSET 0) v
WHERE mailbox_id = $2 ORDER BY uid"""

# So old a question that the answer was pruned: every UID that is not there (RFC 7162 §3.2.6 allows it).
EVER_VANISHED = """SELECT uid FROM generate_series(1, (
    SELECT uid_next - 1 FROM mailbox WHERE account_id = $1 AND mailbox_id = $2)) AS uid
WHERE $3::bigint IS NOT NULL EXCEPT SELECT uid FROM entry WHERE account_id = $1 AND mailbox_id = $2 ORDER BY uid"""

COLUMN_NAMES = {
    Columns.ENVELOPE: "m.envelope",
    Columns.STRUCTURE: "m.bodystructure, m.body",
    Columns.HEADER: "m.header, m.header_octets, m.prefix",
    Columns.BODY: "m.prefix AS body_prefix, m.header_octets AS body_header_octets, m.parts, m.object_key,"
    " m.body_offset, m.body_length, m.digest",
    Columns.SENT: "m.sent_at",
    Columns.THREAD: "m.thread_id, CASE WHEN m.thread_id IS NULL THEN m.header END AS thread_header",
    Columns.KIND: "m.list_id, m.has_attachments",
}


async def snapshot(pool: Pool, account: AccountRef, mailbox_id: int) -> Snapshot:
    """A mailbox at one moment. Raises MailboxMissing."""
    async with transaction(pool, account.tenant_id) as connection:
        row = await connection.fetchrow(
            f"""SELECT {rows.MAILBOX_COLUMNS}, m.recent_from_uid, e.uids, e.modseqs, e.flags, k.uids AS keyword_uids,
                       k.keywords
                FROM mailbox m,
                LATERAL (SELECT array_agg(uid ORDER BY uid) AS uids, array_agg(modseq ORDER BY uid) AS modseqs,
                                array_agg(system_flags ORDER BY uid) AS flags
                         FROM entry WHERE account_id = $1 AND mailbox_id = $2) e,
                LATERAL (SELECT array_agg(uid ORDER BY uid) AS uids,
                                array_agg(array_to_string(keywords, ' ') ORDER BY uid) AS keywords
                         FROM entry WHERE account_id = $1 AND mailbox_id = $2 AND keywords <> '{{}}') k
                WHERE m.account_id = $1 AND m.mailbox_id = $2""",  # noqa: S608
            UUID(account.account_id),
            mailbox_id,
        )
        if row is None:
            raise MailboxMissing
    return Snapshot(
        info=rows.info(row),
        uids=row["uids"] or [],
        modseqs=row["modseqs"] or [],
        system_flags=row["flags"] or [],
        keywords={
            uid: frozenset(text.split(" "))
            for uid, text in zip(row["keyword_uids"] or [], row["keywords"] or [], strict=True)
        },
        recent_from_uid=row["recent_from_uid"],
    )


async def sizes(pool: Pool, account: AccountRef, mailbox_id: int) -> tuple[list[int], list[int]]:
    """The UIDs of a mailbox in order, and the size in octets of each message: two arrays in one row."""
    async with transaction(pool, account.tenant_id) as connection:
        row = await connection.fetchrow(
            """SELECT array_agg(uid ORDER BY uid) AS uids, array_agg(size_octets ORDER BY uid) AS sizes
               FROM entry WHERE account_id = $1 AND mailbox_id = $2""",
            UUID(account.account_id),
            mailbox_id,
        )
    assert row is not None
    return row["uids"] or [], row["sizes"] or []


async def seen_before(pool: Pool, account: AccountRef, mailbox_id: int, saved_before: datetime) -> list[int]:
    """UIDs of what is \\Seen and came into the mailbox before an instant."""
    async with transaction(pool, account.tenant_id) as connection:
        rows = await connection.fetch(
            """SELECT uid FROM entry
               WHERE account_id = $1 AND mailbox_id = $2 AND system_flags & 1 <> 0 AND saved_at < $3 ORDER BY uid""",
            UUID(account.account_id),
            mailbox_id,
            saved_before,
        )
    return [row["uid"] for row in rows]


async def count_entries(
    pool: Pool, account: AccountRef, mailbox_ids: Sequence[int]
) -> dict[int, EntryCounts]:
    """Counted for each of these mailboxes in one statement, by the primary key and the index of deleted entries."""
    async with transaction(pool, account.tenant_id) as connection:
        found = await connection.fetch(
            """SELECT m.mailbox_id, r.recent, d.deleted, d.octets
               FROM mailbox m
               CROSS JOIN LATERAL (SELECT count(*) AS recent FROM entry
                   WHERE account_id = $1 AND mailbox_id = m.mailbox_id AND uid >= m.recent_from_uid) r
               CROSS JOIN LATERAL (SELECT count(*) AS deleted, coalesce(sum(size_octets), 0)::bigint AS octets FROM entry
                   WHERE account_id = $1 AND mailbox_id = m.mailbox_id AND system_flags & 8 <> 0) d
               WHERE m.account_id = $1 AND m.mailbox_id = ANY($2::bigint[])""",
            UUID(account.account_id),
            list(mailbox_ids),
        )
    return {row["mailbox_id"]: EntryCounts(row["recent"], row["deleted"], row["octets"]) for row in found}


async def claim_recent(pool: Pool, account: AccountRef, mailbox_id: int, uid_next: int) -> None:
    """Let messages below `uid_next` be \\Recent to nobody else."""
    async with transaction(pool, account.tenant_id) as connection:
        await connection.execute(CLAIM, UUID(account.account_id), mailbox_id, uid_next)


async def changes_since(pool: Pool, account: AccountRef, mailbox_id: int, modseq: int) -> Changes:
    """What changed after a MODSEQ; one look at the mailbox's row (migration 0014) when nothing did."""
    # The row is read first: what commits after it has a higher MODSEQ, may be found already and is found again the
    # next time. It must not be left out now: a new message whose flags changed meanwhile would come after newer ones.
    looked = await call(
        pool,
        [account.tenant_id],
        "SELECT * FROM look_1($1, $2, $3)",
        account.tenant_id,
        account.account_id,
        mailbox_id,
    )
    if not looked:
        return Changes([], [], modseq, 0, True)
    [row] = looked
    highest = row["highest_modseq"]
    if highest <= modseq:
        return Changes([], [], highest, row["uid_next"], False)
    async with transaction(pool, account.tenant_id) as connection:
        changed = await connection.fetch(
            f"SELECT uid, modseq, system_flags, keywords FROM ({CHANGED}) e WHERE mailbox_id = $2 ORDER BY uid",  # noqa: S608
            UUID(account.account_id),
            mailbox_id,
            modseq,
        )
        expunged = await connection.fetch(
            EVER_VANISHED if modseq < row["forgotten_modseq"] else VANISHED,
            UUID(account.account_id),
            mailbox_id,
            modseq,
        )
    return Changes(
        [entry_of(r) for r in changed], [r["uid"] for r in expunged], highest, row["uid_next"], False
    )


def entry_of(row: asyncpg.Record) -> Entry:
    """A row with uid, modseq, system_flags, keywords."""
    return Entry(row["uid"], row["modseq"], flags_of(row["system_flags"], row["keywords"]))


async def fetch(
    pool: Pool, account: AccountRef, mailbox_id: int, uids: Sequence[int], columns: Columns
) -> AsyncIterator[list[StoredMessage]]:
    """Messages in UID order, in pieces; UIDs that are gone are left out."""
    names = ", ".join(text for column, text in COLUMN_NAMES.items() if columns & column)
    # The fence again: without it the planner may read all messages of the account, headers and all.
    join = """CROSS JOIN LATERAL (SELECT * FROM message
                  WHERE message.account_id = $1 AND message.message_id = e.message_id OFFSET 0) m"""
    statement = f"""SELECT e.uid, e.modseq, e.system_flags, e.keywords, e.internal_date, e.size_octets, e.message_id,
                           e.saved_at
                    {"," if names else ""} {names}
                    FROM ({{entries}}) e {join if names else ""} ORDER BY e.uid"""  # noqa: S608
    by_span, by_uid = statement.format(entries=SPAN), statement.format(entries=rows.CHOSEN)
    ordered = sorted(set(uids))
    make = _maker(columns)

    async def read(part: Sequence[int]) -> list[asyncpg.Record]:
        dense = is_dense(part)
        async with transaction(pool, account.tenant_id) as connection:
            found = await connection.fetch(
                by_span if dense else by_uid,
                UUID(account.account_id),
                mailbox_id,
                ends(part) if dense else part,
            )
        if not dense or part[-1] - part[0] + 1 == len(part):
            return found
        meant = set(part)
        return [row for row in found if row["uid"] in meant]

    async with aclosing(in_pieces(ordered, read)) as pieces:
        async for found in pieces:
            yield [make(row) for row in found]


def _maker(columns: Columns) -> Callable[[asyncpg.Record], StoredMessage]:
    """What makes messages of rows: which columns there are is asked once, not for each row."""
    if columns == Columns.BODY:
        return _with_body
    names: list[str] = []
    if columns & Columns.ENVELOPE:
        names.append("envelope")
    if columns & Columns.STRUCTURE:
        names += ["bodystructure", "body"]
    if columns & Columns.HEADER:
        names += ["header", "header_octets", "prefix"]
    if columns & Columns.SENT:
        names.append("sent_at")
    if columns & Columns.KIND:
        names += ["list_id", "has_attachments"]
    reads_body, reads_thread = bool(columns & Columns.BODY), bool(columns & Columns.THREAD)

    def make(row: asyncpg.Record) -> StoredMessage:
        values: dict[str, Any] = {name: row[name] for name in names}
        if reads_body:
            values["prefix"], values["parts"] = row["body_prefix"], row["parts"]
            values["header_octets"] = row["body_header_octets"]
            values["reference"] = BodyReference(
                row["object_key"], row["body_offset"], row["body_length"], row["digest"]
            )
        if reads_thread:
            values["thread_id"] = row["thread_id"] or thread_id(row["thread_header"], row["message_id"].bytes)
        return StoredMessage(
            row["uid"],
            row["modseq"],
            flags_of(row["system_flags"], row["keywords"]),
            row["internal_date"],
            row["size_octets"],
            row["message_id"].hex,
            saved_at=row["saved_at"],
            **values,
        )

    return make


def _with_body(row: asyncpg.Record) -> StoredMessage:
    """The same with Columns.BODY alone, which is what whole mailboxes are downloaded with: by position, in half the time."""
    (
        uid, modseq, system_flags, keywords, internal_date, size_octets, message_id, saved_at,
        prefix, header_octets, parts, object_key, body_offset, body_length, digest,
    ) = row  # fmt: skip
    return StoredMessage(
        uid,
        modseq,
        flags_of(system_flags, keywords),
        internal_date,
        size_octets,
        message_id.hex,
        prefix,
        b"",
        header_octets,
        parts=parts,
        reference=BodyReference(object_key, body_offset, body_length, digest),
        saved_at=saved_at,
    )
