"""REPLACE (RFC 8508): a message is filed and another removed, at once or not at all."""

from mailmodel import AccountRef, SystemFlag
from pgkit import Pool, again_after_collision, transaction

from mailstore import filing, removing, rows
from mailstore.errors import EntryMissing
from mailstore.quotas import Quotas, limits_of
from mailstore.types import MailboxChange, NewMessage


@again_after_collision
async def replace(
    pool: Pool,
    quotas: Quotas,
    account: AccountRef,
    source_id: int,
    uid: int,
    target_id: int,
    new: NewMessage,
) -> tuple[int, list[MailboxChange]]:
    """The new message's UID in the target. Raises MailboxMissing, EntryMissing, QuotaExceeded."""
    limits = limits_of(await quotas.limits([account]), account)
    async with transaction(pool, account.tenant_id) as connection:
        modseq = await rows.lock_account(connection, account)
        await rows.mailbox_row(connection, account, source_id)
        gone = await removing.delete_chosen(connection, account, source_id, [uid], SystemFlag(0))
        if not gone:
            raise EntryMissing
        await removing.forget(connection, account, source_id, modseq, gone)
        # What goes makes room first.
        await quotas.check(connection, account, limits, new.size_octets, 1)
        row = await rows.mailbox_row(connection, account, target_id)
        place = filing.Place(account, target_id, row["uid_next"], modseq)
        [new_uid] = await filing.insert(connection, account.tenant_id, [(place, new)])
        await removing.drop_unshown(connection, account, [each["message_id"] for each in gone])
    touched = dict.fromkeys((target_id, source_id))
    return new_uid, [MailboxChange(account, mailbox_id, modseq) for mailbox_id in touched]
