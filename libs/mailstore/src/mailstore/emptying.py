"""Removing an account with everything that it has here; its bodies become orphans, to be looked at later.

A large one goes in pieces: a transaction stays short, and one that was broken off goes on where it was. Records of its
deliveries stay until they are old, so that nothing is put back for it.
"""

from uuid import UUID

from mailmodel import AccountRef
from pgkit import Pool, transaction

from mailstore import removing

AT_ONCE = 5_000


async def remove_account(pool: Pool, account: AccountRef) -> int:
    """How many messages went; 0 where there is no such account (any more). Raises StoreUnavailable."""
    removed = 0
    while True:
        async with transaction(pool, account.tenant_id) as connection:
            # What still wants to change something of it waits, and finds nothing then.
            await connection.execute(
                "SELECT FROM account WHERE account_id = $1 FOR UPDATE", UUID(account.account_id)
            )
            gone = await connection.fetch(
                """DELETE FROM entry WHERE ctid = ANY(ARRAY(
                       SELECT ctid FROM entry WHERE account_id = $1 LIMIT $2)) RETURNING message_id""",
                UUID(account.account_id),
                AT_ONCE,
            )
            await removing.drop_unshown(connection, account, [row["message_id"] for row in gone])
            removed += len(gone)
            if len(gone) < AT_ONCE:
                # Mailboxes, scripts, annotations, rights and what was remembered go along (ON DELETE CASCADE).
                await connection.execute(
                    "DELETE FROM account WHERE account_id = $1", UUID(account.account_id)
                )
                return removed
