"""STORE: changing flags of many messages in one statement."""

from collections.abc import Sequence
from uuid import UUID

from mailmodel import AccountRef, Entry, FlagAction, FlagChange
from pgkit import Pool, transaction

from mailstore import rows
from mailstore.reading import entry_of
from mailstore.types import MailboxChange

SYSTEM = {
    FlagAction.ADD: "e.system_flags | $4::smallint",
    FlagAction.REMOVE: "e.system_flags & ~$4::smallint",
    FlagAction.REPLACE: "$4::smallint",
}
KEYWORDS = {
    FlagAction.ADD: "ARRAY(SELECT DISTINCT k FROM unnest(e.keywords || $5::text[]) AS k ORDER BY k)",
    FlagAction.REMOVE: "ARRAY(SELECT k FROM unnest(e.keywords) AS k WHERE k <> ALL($5::text[]) ORDER BY k)",
    FlagAction.REPLACE: "$5::text[]",
}


async def store_flags(
    pool: Pool, account: AccountRef, mailbox_id: int, uids: Sequence[int], change: FlagChange
) -> tuple[list[Entry], MailboxChange | None]:
    """The entries as they are after it, changed or not; UIDs that are gone are left out. Raises MailboxMissing.

    A message whose flags stay as they were keeps its MODSEQ.
    """
    system, keywords = SYSTEM[change.action], KEYWORDS[change.action]
    if change.action is not FlagAction.REPLACE:
        keywords = f"CASE WHEN cardinality($5::text[]) = 0 THEN e.keywords ELSE {keywords} END"
    async with transaction(pool, account.tenant_id) as connection:
        modseq = await rows.lock_account(connection, account)
        await rows.lock_mailbox(connection, account, mailbox_id)
        changed = await connection.fetchval(
            f"""WITH before AS (
                    SELECT uid, e.system_flags AS old, {system} AS new_system, {keywords} AS new_keywords, e.keywords
                    FROM entry e WHERE account_id = $1 AND mailbox_id = $2 AND uid = ANY($3::bigint[])),
                changed AS (
                    UPDATE entry SET system_flags = new_system, keywords = new_keywords, modseq = $6 FROM before b
                    WHERE entry.account_id = $1 AND entry.mailbox_id = $2 AND entry.uid = b.uid
                        AND (b.old <> b.new_system OR b.keywords <> b.new_keywords)
                    RETURNING b.old, b.new_system),
                counted AS (
                    SELECT count(*) AS rows,
                           coalesce(sum((new_system & 1 = 0)::int - (old & 1 = 0)::int), 0) AS unseen FROM changed),
                noted AS (
                    UPDATE mailbox SET highest_modseq = $6, unseen = mailbox.unseen + counted.unseen FROM counted
                    WHERE account_id = $1 AND mailbox_id = $2 AND counted.rows > 0)
                SELECT rows FROM counted""",  # noqa: S608
            UUID(account.account_id),
            mailbox_id,
            list(uids),
            int(change.flags.system),
            sorted(change.flags.keywords),
            modseq,
        )
        after = await connection.fetch(
            """SELECT uid, modseq, system_flags, keywords FROM entry
               WHERE account_id = $1 AND mailbox_id = $2 AND uid = ANY($3::bigint[]) ORDER BY uid""",
            UUID(account.account_id),
            mailbox_id,
            list(uids),
        )
    return [entry_of(row) for row in after], MailboxChange(account, mailbox_id, modseq) if changed else None
