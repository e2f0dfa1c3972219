"""Another's mailbox as one reader sees it: \\Seen is his own, all other flags are the mailbox's.

`reader_seen` has a row for each message whose \\Seen he ever changed, with the MODSEQ of that change; the MODSEQ that he
sees of a message is the higher of the two. So his \\Seen reaches all his sessions as any flag does, and nobody else's
changes. The account that owns the mailbox has its \\Seen in `entry`, as if there were no readers.
"""

from collections.abc import Sequence
from uuid import UUID

from mailmodel import AccountRef, Entry, FlagChange, Flags, SystemFlag
from pgkit import Connection, Pool, transaction

from mailstore import rows
from mailstore.errors import MailboxMissing
from mailstore.reading import EVER_VANISHED, VANISHED, entry_of
from mailstore.types import Changes, FlagLimits, FlagOutcome, MailboxChange, Snapshot

SEEN = SystemFlag.SEEN

# Entries `e` with reader $4's \\Seen in place of the owner's.
AS_READ = """SELECT e.uid, greatest(e.modseq, coalesce(s.modseq, 0)) AS modseq, e.keywords, e.message_id,
       (e.system_flags & ~1 | CASE WHEN s.seen THEN 1 ELSE 0 END)::smallint AS system_flags
FROM ({entries}) e LEFT JOIN LATERAL (
    SELECT seen, modseq FROM reader_seen WHERE account_id = $1 AND mailbox_id = $2 AND reader_id = $4 AND uid = e.uid
    OFFSET 0) s ON true
ORDER BY e.uid"""
EVERY = "SELECT * FROM entry WHERE account_id = $1 AND mailbox_id = $2 AND $3::bigint[] IS NOT NULL"
CHANGED = """SELECT entry.* FROM entry WHERE account_id = $1 AND mailbox_id = $2 AND $3::bigint[] IS NOT NULL AND (
    modseq > $5 OR uid = ANY(ARRAY(SELECT uid FROM reader_seen
        WHERE account_id = $1 AND mailbox_id = $2 AND reader_id = $4 AND modseq > $5)))"""

UNSEEN = """SELECT messages - (SELECT count(*)::int FROM reader_seen
    WHERE account_id = $1 AND mailbox_id = $2 AND reader_id = $3 AND seen) AS unseen
FROM mailbox WHERE account_id = $1 AND mailbox_id = $2"""


async def entries(
    connection: Connection, owner: AccountRef, mailbox_id: int, uids: Sequence[int], reader_id: str
) -> list[Entry]:
    """As the reader sees them, in UID order; UIDs that are gone are left out."""
    found = await connection.fetch(
        AS_READ.format(entries=rows.CHOSEN),
        UUID(owner.account_id),
        mailbox_id,
        sorted(set(uids)),
        UUID(reader_id),
    )
    return [entry_of(row) for row in found]


async def snapshot(pool: Pool, owner: AccountRef, mailbox_id: int, reader_id: str) -> Snapshot:
    """The mailbox at one moment. Raises MailboxMissing."""
    key = (UUID(owner.account_id), mailbox_id)
    async with transaction(pool, owner.tenant_id) as connection:
        row = await connection.fetchrow(
            f"""SELECT {rows.MAILBOX_COLUMNS}, m.recent_from_uid,
                       (SELECT unseen FROM ({UNSEEN}) u) AS readers_unseen
                FROM mailbox m WHERE m.account_id = $1 AND m.mailbox_id = $2""",  # noqa: S608
            *key,
            UUID(reader_id),
        )
        if row is None:
            raise MailboxMissing
        found = await connection.fetch(AS_READ.format(entries=EVERY), *key, [], UUID(reader_id))
    # What came between the two statements is announced when it is looked for: it has a higher MODSEQ.
    found = [each for each in found if each["uid"] < row["uid_next"]]
    return Snapshot(
        info=rows.info({**dict(row), "unseen": row["readers_unseen"], "special_use": []}),
        uids=[each["uid"] for each in found],
        modseqs=[each["modseq"] for each in found],
        system_flags=[each["system_flags"] for each in found],
        keywords={each["uid"]: frozenset(each["keywords"]) for each in found if each["keywords"]},
        recent_from_uid=row["recent_from_uid"],
    )


async def changes_since(
    pool: Pool, owner: AccountRef, mailbox_id: int, modseq: int, reader_id: str
) -> Changes:
    """What changed after a MODSEQ, the reader's own \\Seen included."""
    key = (UUID(owner.account_id), mailbox_id)
    async with transaction(pool, owner.tenant_id) as connection:
        row = await connection.fetchrow(
            "SELECT highest_modseq, uid_next, forgotten_modseq FROM mailbox WHERE account_id = $1 AND mailbox_id = $2",
            *key,
        )
        if row is None:
            return Changes([], [], modseq, 0, True)
        highest = row["highest_modseq"]
        if highest <= modseq:
            return Changes([], [], highest, row["uid_next"], False)
        changed = await connection.fetch(AS_READ.format(entries=CHANGED), *key, [], UUID(reader_id), modseq)
        expunged = await connection.fetch(
            EVER_VANISHED if modseq < row["forgotten_modseq"] else VANISHED, *key, modseq
        )
    return Changes(
        [entry_of(r) for r in changed], [r["uid"] for r in expunged], highest, row["uid_next"], False
    )


async def mark_seen(
    connection: Connection,
    owner: AccountRef,
    mailbox_id: int,
    seen: Sequence[tuple[int, bool]],
    modseq: int,
    reader_id: str,
) -> None:
    """The reader's \\Seen of these UIDs. The account is locked and `modseq` its latest."""
    await connection.execute(
        """INSERT INTO reader_seen (account_id, mailbox_id, reader_id, uid, tenant_id, seen, modseq)
           SELECT $1, $2, $3, uid, $4, seen, $5 FROM unnest($6::bigint[], $7::boolean[]) AS t(uid, seen)
           ON CONFLICT (account_id, mailbox_id, reader_id, uid)
           DO UPDATE SET seen = excluded.seen, modseq = excluded.modseq""",
        UUID(owner.account_id),
        mailbox_id,
        UUID(reader_id),
        UUID(owner.tenant_id),
        modseq,
        [uid for uid, _ in seen],
        [is_seen for _, is_seen in seen],
    )


async def store_flags(
    pool: Pool,
    owner: AccountRef,
    mailbox_id: int,
    uids: Sequence[int],
    change: FlagChange,
    unchanged_since: int,
    reader_id: str,
    limits: FlagLimits,
) -> tuple[FlagOutcome, MailboxChange | None]:
    """Change what flags the reader may. Raises MailboxMissing."""
    async with transaction(pool, owner.tenant_id) as connection:
        modseq = await rows.lock_account(connection, owner)
        await rows.mailbox_row(connection, owner, mailbox_id)
        before = await entries(connection, owner, mailbox_id, uids, reader_id)
        passed = [entry for entry in before if entry.modseq <= unchanged_since]
        altered: dict[int, Flags] = {}
        for entry in passed:
            after = limits.kept(entry.flags, change.applied_to(entry.flags))
            if after != entry.flags:
                altered[entry.uid] = after
        if altered:
            await _write(connection, owner, mailbox_id, altered, modseq)
            seen = [
                (entry.uid, bool(altered[entry.uid].system & SEEN))
                for entry in passed
                if entry.uid in altered and (altered[entry.uid].system ^ entry.flags.system) & SEEN
            ]
            await mark_seen(connection, owner, mailbox_id, seen, modseq, reader_id)
    now = [
        Entry(entry.uid, modseq, altered[entry.uid]) if entry.uid in altered else entry for entry in passed
    ]
    modified = [entry.uid for entry in before if entry.modseq > unchanged_since]
    return FlagOutcome(now, modified), MailboxChange(owner, mailbox_id, modseq) if altered else None


async def _write(
    connection: Connection, owner: AccountRef, mailbox_id: int, flags: dict[int, Flags], modseq: int
) -> None:
    """All but \\Seen, where anything of it is another; the mailbox's MODSEQ in any case."""
    await connection.execute(
        """UPDATE entry e SET system_flags = e.system_flags & 1 | t.f,
                  keywords = CASE WHEN t.w = '' THEN '{}'::text[] ELSE string_to_array(t.w, ' ') END, modseq = $4
           FROM unnest($3::bigint[], $5::smallint[], $6::text[]) AS t(u, f, w)
           WHERE e.account_id = $1 AND e.mailbox_id = $2 AND e.uid = t.u
             AND (e.system_flags & ~1 <> t.f OR array_to_string(e.keywords, ' ') <> t.w)""",
        UUID(owner.account_id),
        mailbox_id,
        list(flags),
        modseq,
        [int(each.system & ~SEEN) for each in flags.values()],
        [" ".join(sorted(each.keywords)) for each in flags.values()],
    )
    await connection.execute(
        "UPDATE mailbox SET highest_modseq = $3 WHERE account_id = $1 AND mailbox_id = $2",
        UUID(owner.account_id),
        mailbox_id,
        modseq,
    )
