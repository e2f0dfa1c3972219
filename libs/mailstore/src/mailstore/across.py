"""APPEND, COPY, MOVE and REPLACE where a mailbox is another's: between accounts of one tenant, each under its lock.

A message that goes to another account gets a row there, for the same octets in the object storage and under the same id:
who may see both knows them for one message (RFC 8474 §5). Flags come along as the copier sees them, as far as he may set them there (RFC 4314 §4); \\Seen becomes the
owner's or the reader's, whoever he is there.
"""

from collections.abc import Sequence
from dataclasses import replace as changed
from uuid import UUID

from mailmodel import AccountRef, Entry, Flags, SystemFlag
from mailmodel.flags import flags_of
from mailmodel.quota import QuotaLimits
from pgkit import Connection, Pool, again_after_collision, transaction

from mailstore import filing, readers, removing, rows
from mailstore.errors import EntryMissing
from mailstore.moving import sorted_as
from mailstore.quotas import Quotas, limits_of
from mailstore.types import CopyResult, MailboxChange, NewMessage, Side

SEEN = SystemFlag.SEEN

# The chosen entries with places for them in the target ($4 account, $5 mailbox, $6 its next UID, $7 MODSEQ). In another
# account the message may be already: it has been there before.
COPY = f"""WITH chosen AS MATERIALIZED (
        SELECT e.uid, e.tenant_id, e.size_octets, e.internal_date, e.message_id,
               $6 + row_number() OVER (ORDER BY e.uid) - 1 AS new_uid, f.flags, f.words
        FROM ({rows.CHOSEN}) e JOIN unnest($3::bigint[], $8::smallint[], $9::text[]) AS f(uid, flags, words)
            ON f.uid = e.uid),
    made AS (
        INSERT INTO message (account_id, message_id, tenant_id, object_key, body_offset, body_length, digest, prefix,
                             header, header_octets, envelope, bodystructure, body, parts, sent_at, thread_id,
                             list_id, has_attachments)
        SELECT $4, c.message_id, m.tenant_id, object_key, body_offset, body_length, digest, prefix, header,
               header_octets, envelope, bodystructure, body, parts, sent_at, thread_id, list_id, has_attachments
        FROM chosen c CROSS JOIN LATERAL (SELECT * FROM message
            WHERE message.account_id = $1 AND message.message_id = c.message_id OFFSET 0) m
        WHERE $1::uuid <> $4::uuid
        ON CONFLICT (account_id, message_id) DO NOTHING)
INSERT INTO entry (account_id, mailbox_id, uid, tenant_id, message_id, modseq, system_flags, keywords, size_octets,
                   internal_date)
SELECT $4, $5, new_uid, tenant_id, message_id, $7, flags,
       CASE WHEN words = '' THEN '{{}}'::text[] ELSE string_to_array(words, ' ') END, size_octets, internal_date
FROM chosen RETURNING uid, size_octets, system_flags"""  # noqa: S608


async def _locked(connection: Connection, *owners: AccountRef) -> dict[str, int]:
    """Lock these accounts in their order; the next MODSEQ of each."""
    accounts = {owner.account_id: owner for owner in owners}
    return {
        account_id: await rows.lock_account(connection, accounts[account_id])
        for account_id in sorted(accounts)
    }


async def append(
    pool: Pool, quotas: Quotas, target: Side, messages: Sequence[NewMessage]
) -> tuple[list[int], MailboxChange]:
    """All or none; the UIDs. Raises MailboxMissing, QuotaExceeded."""
    limits = limits_of(await quotas.limits([target.owner]), target.owner)
    async with transaction(pool, target.owner.tenant_id) as connection:
        modseq = (await _locked(connection, target.owner))[target.owner.account_id]
        octets = sum(new.size_octets for new in messages)
        await quotas.check(connection, target.owner, limits, octets, len(messages))
        uids = await _file(connection, target, messages, modseq)
    return uids, MailboxChange(target.owner, target.mailbox_id, modseq)


async def _file(
    connection: Connection, target: Side, messages: Sequence[NewMessage], modseq: int
) -> list[int]:
    row = await rows.mailbox_row(connection, target.owner, target.mailbox_id)
    place = filing.Place(target.owner, target.mailbox_id, row["uid_next"], modseq)
    allowed = [_allowed(target, new.flags) for new in messages]
    filed = [
        (place, changed(new, flags=_of_mailbox(target, flags)))
        for new, flags in zip(messages, allowed, strict=True)
    ]
    uids = await filing.insert(connection, target.owner.tenant_id, filed)
    await _mark_seen(connection, target, zip(uids, allowed, strict=True), modseq)
    return uids


def _allowed(target: Side, flags: Flags) -> Flags:
    return flags if target.limits is None else target.limits.kept(Flags(), flags)


def _of_mailbox(target: Side, flags: Flags) -> Flags:
    """What goes into `entry`: of another's mailbox not \\Seen."""
    return flags if not target.reader_id else Flags(flags.system & ~SEEN, flags.keywords)


async def _mark_seen(
    connection: Connection, target: Side, filed: "zip[tuple[int, Flags]]", modseq: int
) -> None:
    seen = [(uid, True) for uid, flags in filed if flags.system & SEEN]
    if target.reader_id and seen:
        await readers.mark_seen(connection, target.owner, target.mailbox_id, seen, modseq, target.reader_id)


@again_after_collision
async def copy(
    pool: Pool, quotas: Quotas, source: Side, uids: Sequence[int], target: Side
) -> tuple[CopyResult, list[MailboxChange]]:
    """All or none; UIDs that are gone are left out. Raises MailboxMissing, QuotaExceeded."""
    limits = limits_of(await quotas.limits([target.owner]), target.owner)
    async with transaction(pool, source.owner.tenant_id) as connection:
        modseqs = await _locked(connection, source.owner, target.owner)
        await _check(connection, quotas, limits, source, uids, target)
        result = await _copy(connection, source, uids, target, modseqs[target.owner.account_id])
    told = [MailboxChange(target.owner, target.mailbox_id, modseqs[target.owner.account_id])]
    return result, told if result.pairs else []


@again_after_collision
async def move(
    pool: Pool, quotas: Quotas, source: Side, uids: Sequence[int], target: Side
) -> tuple[CopyResult, list[MailboxChange]]:
    """Copy and remove at once. Raises MailboxMissing, QuotaExceeded."""
    limits = limits_of(await quotas.limits([target.owner]), target.owner)
    async with transaction(pool, source.owner.tenant_id) as connection:
        modseqs = await _locked(connection, source.owner, target.owner)
        modseq = modseqs[source.owner.account_id]
        if source.owner != target.owner:
            await _check(connection, quotas, limits, source, uids, target)
        result = await _copy(connection, source, uids, target, modseqs[target.owner.account_id])
        await _remove(connection, source, [uid for uid, _ in result.pairs], modseq)
    told = [
        MailboxChange(target.owner, target.mailbox_id, modseqs[target.owner.account_id]),
        MailboxChange(source.owner, source.mailbox_id, modseq),
    ]
    return result, told if result.pairs else []


async def _check(
    connection: Connection,
    quotas: Quotas,
    limits: QuotaLimits,
    source: Side,
    uids: Sequence[int],
    target: Side,
) -> None:
    """Whether there is room for these messages. Raises QuotaExceeded."""
    if not limits.is_limited:
        return
    row = await connection.fetchrow(
        f"SELECT count(*) AS messages, coalesce(sum(size_octets), 0)::bigint AS octets FROM ({rows.CHOSEN}) e",  # noqa: S608
        UUID(source.owner.account_id),
        source.mailbox_id,
        sorted(set(uids)),
    )
    assert row is not None
    await quotas.check(connection, target.owner, limits, row["octets"], row["messages"])


async def _remove(connection: Connection, source: Side, uids: Sequence[int], modseq: int) -> int:
    gone = await removing.delete_chosen(connection, source.owner, source.mailbox_id, uids, SystemFlag(0))
    if gone:
        await removing.forget(connection, source.owner, source.mailbox_id, modseq, gone)
        await removing.drop_unshown(connection, source.owner, [row["message_id"] for row in gone])
    return len(gone)


async def _entries(connection: Connection, side: Side, uids: Sequence[int]) -> list[Entry]:
    if side.reader_id:
        return await readers.entries(connection, side.owner, side.mailbox_id, uids, side.reader_id)
    found = await connection.fetch(
        f"SELECT uid, modseq, system_flags, keywords FROM ({rows.CHOSEN}) e ORDER BY uid",  # noqa: S608
        UUID(side.owner.account_id),
        side.mailbox_id,
        sorted(set(uids)),
    )
    return [Entry(row["uid"], row["modseq"], flags_of(row["system_flags"], row["keywords"])) for row in found]


async def _copy(
    connection: Connection, source: Side, uids: Sequence[int], target: Side, modseq: int
) -> CopyResult:
    source_row = await rows.mailbox_row(connection, source.owner, source.mailbox_id)
    row = await rows.mailbox_row(connection, target.owner, target.mailbox_id)
    chosen = await _entries(connection, source, uids)
    if not chosen:
        return CopyResult(row["uid_validity"], [])
    allowed = [_allowed(target, entry.flags) for entry in chosen]
    kept = [_of_mailbox(target, flags) for flags in allowed]
    made = await connection.fetch(
        COPY,
        UUID(source.owner.account_id),
        source.mailbox_id,
        [entry.uid for entry in chosen],
        UUID(target.owner.account_id),
        target.mailbox_id,
        row["uid_next"],
        modseq,
        [int(flags.system) for flags in kept],
        [" ".join(sorted(flags.keywords)) for flags in kept],
    )
    await connection.execute(
        """UPDATE mailbox SET uid_next = uid_next + $3, highest_modseq = $4, messages = messages + $3,
                  unseen = unseen + $5, size_octets = size_octets + $6
           WHERE account_id = $1 AND mailbox_id = $2""",
        UUID(target.owner.account_id),
        target.mailbox_id,
        len(made),
        modseq,
        sum(not each["system_flags"] & SEEN for each in made),
        sum(each["size_octets"] for each in made),
    )
    new_uids = sorted(each["uid"] for each in made)
    await _mark_seen(connection, target, zip(new_uids, allowed, strict=True), modseq)
    pairs = list(zip((entry.uid for entry in chosen), new_uids, strict=True))
    return CopyResult(row["uid_validity"], pairs, sorted_as(source_row, row))


@again_after_collision
async def replace(
    pool: Pool, quotas: Quotas, source: Side, uid: int, target: Side, new: NewMessage
) -> tuple[int, list[MailboxChange]]:
    """A message is filed and another removed, both or neither; the new UID.

    Raises MailboxMissing, EntryMissing, QuotaExceeded.
    """
    limits = limits_of(await quotas.limits([target.owner]), target.owner)
    async with transaction(pool, source.owner.tenant_id) as connection:
        modseqs = await _locked(connection, source.owner, target.owner)
        await rows.mailbox_row(connection, source.owner, source.mailbox_id)
        if not await _remove(connection, source, [uid], modseqs[source.owner.account_id]):
            raise EntryMissing
        # What goes makes room first.
        await quotas.check(connection, target.owner, limits, new.size_octets, 1)
        [new_uid] = await _file(connection, target, [new], modseqs[target.owner.account_id])
    touched = dict.fromkeys(
        (side.owner, side.mailbox_id, modseqs[side.owner.account_id]) for side in (target, source)
    )
    return new_uid, [MailboxChange(*each) for each in touched]
