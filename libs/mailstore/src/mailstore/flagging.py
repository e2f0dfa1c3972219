"""STORE: changing flags of many messages by one statement (migration 0014), which is a transaction by itself."""

from collections.abc import Sequence

from mailmodel import AccountRef, FlagAction, FlagChange
from pgkit import Pool
from pgkit.single import call

from mailstore.errors import MailboxMissing
from mailstore.reading import entry_of
from mailstore.types import FlagOutcome, MailboxChange

ACTIONS = {FlagAction.ADD: 1, FlagAction.REMOVE: 2, FlagAction.REPLACE: 3}

# Higher than any MODSEQ.
ALWAYS = (1 << 63) - 1

STATEMENT = "SELECT * FROM store_flags_1($1, $2, $3, $4, $5, $6, $7, $8)"


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
    found = await call(
        pool,
        [account.tenant_id],
        STATEMENT,
        account.tenant_id,
        account.account_id,
        mailbox_id,
        sorted(set(uids)),
        ACTIONS[change.action],
        int(change.flags.system),
        sorted(change.flags.keywords),
        unchanged_since,
    )
    if not found:
        raise MailboxMissing
    # The first is the mailbox itself.
    before = found[0]["modseq"]
    rows = found[1:]
    after = next((row["modseq"] for row in rows if row["altered"]), None) if found[0]["altered"] else None
    outcome = FlagOutcome(
        [entry_of(row) for row in rows if row["passed"]],
        [row["uid"] for row in rows if not row["passed"]],
        before,
        before if after is None else after,
    )
    return outcome, None if after is None else MailboxChange(account, mailbox_id, after)
