"""STORE: changing flags of many messages in one statement."""

from collections.abc import Sequence
from uuid import UUID

from mailmodel import AccountRef, FlagAction, FlagChange
from pgkit import Pool, transaction

from mailstore import rows
from mailstore.reading import entry_of
from mailstore.types import FlagOutcome, MailboxChange

SYSTEM = {
    FlagAction.ADD: "e.system_flags | $4::smallint",
    FlagAction.REMOVE: "e.system_flags & ~$4::smallint",
    FlagAction.REPLACE: "$4::smallint",
}
# Keywords are one whatever their case (RFC 3501 §9, note 1) and keep the spelling that came first. They are kept in
# the order of their octets, as Python sorts them, so that equal sets are equal arrays.
KEYWORDS = {
    FlagAction.ADD: """ARRAY(SELECT k FROM (
            SELECT unnest(e.keywords) AS k UNION ALL
            SELECT added FROM unnest($5::text[]) AS added
            WHERE NOT EXISTS (SELECT FROM unnest(e.keywords) AS had WHERE lower(had) = lower(added))) AS both_of_them
        ORDER BY k COLLATE "C")""",
    FlagAction.REMOVE: """ARRAY(SELECT k FROM unnest(e.keywords) AS k
        WHERE NOT EXISTS (SELECT FROM unnest($5::text[]) AS removed WHERE lower(removed) = lower(k))
        ORDER BY k COLLATE "C")""",
    FlagAction.REPLACE: "$5::text[]",
}


# Higher than any MODSEQ.
ALWAYS = (1 << 63) - 1


async def store_flags(
    pool: Pool,
    account: AccountRef,
    mailbox_id: int,
    uids: Sequence[int],
    change: FlagChange,
    unchanged_since: int = ALWAYS,
) -> tuple[FlagOutcome, MailboxChange | None]:
    """Change flags of messages whose MODSEQ is not above `unchanged_since`. Raises MailboxMissing.

    A message whose flags stay as they were keeps its MODSEQ; UIDs that are gone are left out.
    """
    system, keywords = SYSTEM[change.action], KEYWORDS[change.action]
    if change.action is not FlagAction.REPLACE:
        keywords = f"CASE WHEN cardinality($5::text[]) = 0 THEN e.keywords ELSE {keywords} END"
    wanted = sorted(set(uids))
    async with transaction(pool, account.tenant_id) as connection:
        modseq = await rows.lock_account(connection, account)
        found = await connection.fetch(
            f"""WITH after AS MATERIALIZED (
                    SELECT place, uid, modseq, e.system_flags AS old, {system} AS system_flags, {keywords} AS keywords,
                           modseq <= $7 AS passed,
                           modseq <= $7 AND (e.system_flags <> {system} OR e.keywords <> {keywords}) AS altered
                    FROM ({rows.CHOSEN}) e),
                written AS (
                    UPDATE entry e SET system_flags = {system}, keywords = {keywords}, modseq = $6
                    WHERE ctid = ANY(ARRAY(SELECT place FROM after WHERE altered))),
                counted AS (
                    UPDATE mailbox SET highest_modseq = $6, unseen = mailbox.unseen + c.unseen
                    FROM (SELECT count(*) AS entries,
                                 coalesce(sum((system_flags & 1 = 0)::int - (old & 1 = 0)::int), 0) AS unseen
                          FROM after WHERE altered) c
                    WHERE account_id = $1 AND mailbox_id = $2 AND c.entries > 0)
                SELECT uid, CASE WHEN altered THEN $6 ELSE modseq END AS modseq, system_flags, keywords, passed, altered
                FROM after ORDER BY uid""",  # noqa: S608
            UUID(account.account_id),
            mailbox_id,
            wanted,
            int(change.flags.system),
            sorted(change.flags.keywords),
            modseq,
            unchanged_since,
        )
        if not found:
            # Was there nothing to change, or no mailbox?
            await rows.mailbox_row(connection, account, mailbox_id)
    altered = any(row["altered"] for row in found)
    outcome = FlagOutcome(
        [entry_of(row) for row in found if row["passed"]], [row["uid"] for row in found if not row["passed"]]
    )
    return outcome, MailboxChange(account, mailbox_id, modseq) if altered else None
