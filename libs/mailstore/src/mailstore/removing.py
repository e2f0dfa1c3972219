"""Taking messages out of a mailbox: entries go, UIDs are remembered as vanished, bodies may become orphans."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg
from mailmodel import AccountRef, SystemFlag
from pgkit import Connection, Pool, again_after_collision, transaction

from mailstore import rows
from mailstore.types import MailboxChange

# The entries of CHOSEN, as `forget` and `drop_unshown` want them. The rows are locked by the account's lock.
DELETE_CHOSEN = f"""DELETE FROM entry WHERE ctid = ANY(ARRAY(SELECT place FROM ({rows.CHOSEN}) chosen
        WHERE chosen.system_flags & $4::smallint = $4::smallint))
    RETURNING uid, message_id, system_flags, size_octets"""  # noqa: S608

# Through the index of deleted entries: in a large mailbox few are.
DELETE_DELETED = """DELETE FROM entry WHERE account_id = $1 AND mailbox_id = $2 AND system_flags & 8 <> 0
    RETURNING uid, message_id, system_flags, size_octets"""


@again_after_collision
async def expunge(
    pool: Pool, account: AccountRef, mailbox_id: int, uids: Sequence[int] | None
) -> tuple[list[int], MailboxChange | None]:
    """Remove messages with \\Deleted, of all or of these UIDs; the UIDs removed. Raises MailboxMissing."""
    async with transaction(pool, account.tenant_id) as connection:
        modseq = await rows.lock_account(connection, account)
        await rows.mailbox_row(connection, account, mailbox_id)
        if uids is None:
            gone = await connection.fetch(DELETE_DELETED, UUID(account.account_id), mailbox_id)
        else:
            gone = await delete_chosen(connection, account, mailbox_id, uids, SystemFlag.DELETED)
        return await _after(connection, account, mailbox_id, modseq, gone)


@again_after_collision
async def remove(
    pool: Pool, account: AccountRef, mailbox_id: int, uids: Sequence[int]
) -> tuple[list[int], MailboxChange | None]:
    """Remove these UIDs whatever their flags, all or none; the UIDs that were there. Raises MailboxMissing."""
    async with transaction(pool, account.tenant_id) as connection:
        modseq = await rows.lock_account(connection, account)
        await rows.mailbox_row(connection, account, mailbox_id)
        gone = await delete_chosen(connection, account, mailbox_id, uids, SystemFlag(0))
        return await _after(connection, account, mailbox_id, modseq, gone)


async def delete_chosen(
    connection: Connection, account: AccountRef, mailbox_id: int, uids: Sequence[int], having: SystemFlag
) -> list[asyncpg.Record]:
    """Delete entries of these UIDs that have all the flags `having`; what was deleted. The account is locked."""
    return await connection.fetch(
        DELETE_CHOSEN, UUID(account.account_id), mailbox_id, sorted(set(uids)), int(having)
    )


async def remove_all(connection: Connection, account: AccountRef, mailbox_id: int) -> None:
    """Empty a mailbox that is about to be deleted. The account is locked."""
    gone = await connection.fetch(
        "DELETE FROM entry WHERE account_id = $1 AND mailbox_id = $2 RETURNING message_id",
        UUID(account.account_id),
        mailbox_id,
    )
    await drop_unshown(connection, account, [row["message_id"] for row in gone])


async def _after(
    connection: Connection, account: AccountRef, mailbox_id: int, modseq: int, gone: Sequence[asyncpg.Record]
) -> tuple[list[int], MailboxChange | None]:
    if not gone:
        return [], None
    await forget(connection, account, mailbox_id, modseq, gone)
    await drop_unshown(connection, account, [row["message_id"] for row in gone])
    return sorted(row["uid"] for row in gone), MailboxChange(account, mailbox_id, modseq)


async def forget(
    connection: Connection, account: AccountRef, mailbox_id: int, modseq: int, gone: Sequence[asyncpg.Record]
) -> None:
    """Record deleted entries (uid, system_flags, size_octets) as vanished and count the mailbox down."""
    await connection.execute(
        """INSERT INTO vanished (account_id, mailbox_id, uid, tenant_id, modseq)
           SELECT $1, $2, uid, $3, $4 FROM unnest($5::bigint[]) AS uid""",
        UUID(account.account_id),
        mailbox_id,
        UUID(account.tenant_id),
        modseq,
        [row["uid"] for row in gone],
    )
    await connection.execute(
        "DELETE FROM reader_seen WHERE account_id = $1 AND mailbox_id = $2 AND uid = ANY($3::bigint[])",
        UUID(account.account_id),
        mailbox_id,
        [row["uid"] for row in gone],
    )
    await connection.execute(
        """UPDATE mailbox SET highest_modseq = $3, messages = messages - $4, unseen = unseen - $5,
                  size_octets = size_octets - $6
           WHERE account_id = $1 AND mailbox_id = $2""",
        UUID(account.account_id),
        mailbox_id,
        modseq,
        len(gone),
        sum(not row["system_flags"] & SystemFlag.SEEN for row in gone),
        sum(row["size_octets"] for row in gone),
    )


async def drop_unshown(connection: Connection, account: AccountRef, message_ids: Sequence[UUID]) -> None:
    """Delete message rows that no mailbox shows any more; their objects become orphans to be looked at later."""
    dropped = await connection.fetch(
        """DELETE FROM message WHERE ctid = ANY(ARRAY(
               SELECT m.place FROM unnest($2::uuid[]) AS wanted(message_id)
               CROSS JOIN LATERAL (SELECT message.ctid AS place FROM message
                   WHERE message.account_id = $1 AND message.message_id = wanted.message_id OFFSET 0) m
               WHERE NOT EXISTS (SELECT FROM entry
                   WHERE entry.account_id = $1 AND entry.message_id = wanted.message_id OFFSET 0)))
           RETURNING object_key""",
        UUID(account.account_id),
        list(set(message_ids)),
    )
    keys = sorted({row["object_key"] for row in dropped})
    if keys:
        await connection.execute(
            """INSERT INTO orphan_object (tenant_id, object_key) SELECT $1, key FROM unnest($2::text[]) AS key
               ON CONFLICT (tenant_id, object_key) DO UPDATE SET since = now()""",
            UUID(account.tenant_id),
            keys,
        )
