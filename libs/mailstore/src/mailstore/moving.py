"""COPY and MOVE (RFC 3501 §6.4.7, RFC 6851): new entries for the same message rows, no body is touched."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
from mailmodel import AccountRef, SystemFlag
from pgkit import Connection, Pool, again_after_collision, transaction

from mailstore import removing, rows
from mailstore.quotas import Quotas, limits_of
from mailstore.types import CopyResult, MailboxChange, SortedAs

JUNK, TRASH = "\\Junk", "\\Trash"

# Like rows.CHOSEN, with every entry of the mailbox ($3 is not looked at).
EVERY = "SELECT * FROM entry WHERE account_id = $1 AND mailbox_id = $2 AND $3::bigint[] IS NOT NULL"


# What the entries of CHOSEN weigh together.
WEIGHED = f"""SELECT count(*)::bigint AS messages, coalesce(sum(c.size_octets), 0)::bigint AS octets
    FROM ({rows.CHOSEN}) c"""  # noqa: S608


@again_after_collision
async def copy(
    pool: Pool, quotas: Quotas, account: AccountRef, source_id: int, uids: Sequence[int], target_id: int
) -> tuple[CopyResult, list[MailboxChange]]:
    """All or none (RFC 3501 §6.4.7). UIDs that are gone are left out. Raises MailboxMissing, QuotaExceeded."""
    limits = limits_of(await quotas.limits([account]), account)
    async with transaction(pool, account.tenant_id) as connection:
        modseq = await rows.lock_account(connection, account)
        if limits.is_limited:
            more = await connection.fetchrow(WEIGHED, UUID(account.account_id), source_id, sorted(set(uids)))
            assert more is not None
            await quotas.check(connection, account, limits, more["octets"], more["messages"])
        result = await _copy(connection, account, source_id, list(uids), target_id, modseq)
    changes = [MailboxChange(account, target_id, modseq)] if result.pairs else []
    return result, changes


@again_after_collision
async def move(
    pool: Pool, account: AccountRef, source_id: int, uids: Sequence[int], target_id: int
) -> tuple[CopyResult, list[MailboxChange]]:
    """Copy and remove in one transaction. Raises MailboxMissing."""
    async with transaction(pool, account.tenant_id) as connection:
        modseq = await rows.lock_account(connection, account)
        result = await _move(connection, account, source_id, list(uids), target_id, modseq)
    if not result.pairs:
        return result, []
    return result, [MailboxChange(account, target_id, modseq), MailboxChange(account, source_id, modseq)]


async def move_all(
    connection: Connection, account: AccountRef, source_id: int, target_id: int, modseq: int
) -> None:
    """RENAME INBOX: everything goes, the mailbox stays. The account is locked."""
    await _move(connection, account, source_id, None, target_id, modseq)


async def _move(
    connection: Connection,
    account: AccountRef,
    source_id: int,
    uids: list[int] | None,
    target_id: int,
    modseq: int,
) -> CopyResult:
    result = await _copy(connection, account, source_id, uids, target_id, modseq)
    gone = await removing.delete_chosen(
        connection, account, source_id, [source for source, _ in result.pairs], SystemFlag(0)
    )
    if gone:
        await removing.forget(connection, account, source_id, modseq, gone)
    return result


async def _copy(
    connection: Connection,
    account: AccountRef,
    source_id: int,
    uids: list[int] | None,
    target_id: int,
    modseq: int,
) -> CopyResult:
    source_row = await rows.mailbox_row(connection, account, source_id)
    target = await rows.mailbox_row(connection, account, target_id)
    source = EVERY if uids is None else rows.CHOSEN
    copied: Sequence[asyncpg.Record] = await connection.fetch(
        f"""WITH chosen AS MATERIALIZED (
               SELECT e.*, $5 + row_number() OVER (ORDER BY uid) - 1 AS new_uid FROM ({source}) e),
           made AS (
               INSERT INTO entry (account_id, mailbox_id, uid, tenant_id, message_id, modseq, system_flags, keywords,
                                  size_octets, internal_date)
               SELECT account_id, $4, new_uid, tenant_id, message_id, $6, system_flags, keywords, size_octets,
                      internal_date
               FROM chosen)
           SELECT uid, new_uid, system_flags, size_octets FROM chosen ORDER BY uid""",  # noqa: S608
        UUID(account.account_id),
        source_id,
        [] if uids is None else sorted(set(uids)),
        target_id,
        target["uid_next"],
        modseq,
    )
    if copied:
        await connection.execute(
            """UPDATE mailbox SET uid_next = uid_next + $3, highest_modseq = $4, messages = messages + $3,
                      unseen = unseen + $5, size_octets = size_octets + $6
               WHERE account_id = $1 AND mailbox_id = $2""",
            UUID(account.account_id),
            target_id,
            len(copied),
            modseq,
            sum(not row["system_flags"] & SystemFlag.SEEN for row in copied),
            sum(row["size_octets"] for row in copied),
        )
    pairs = [(row["uid"], row["new_uid"]) for row in copied]
    return CopyResult(target["uid_validity"], pairs, sorted_as(source_row, target))


def sorted_as(source: asyncpg.Record, target: asyncpg.Record) -> SortedAs | None:
    """What it says of messages to put them there, by the special uses of the two (RFC 6154), whatever they are called."""
    if JUNK in target["special_use"]:
        return None if JUNK in source["special_use"] else SortedAs.SPAM
    if JUNK in source["special_use"] and TRASH not in target["special_use"]:
        return SortedAs.HAM
    return None
