"""Removing an account with everything that it has here, and from others' mailboxes that it was let into: the rights
that it had there, what it had seen and noted. Its bodies become orphans, to be looked at later; those that wait in the
database and that others have copies of are theirs.

A large one goes in pieces: a transaction stays short, and one that was broken off goes on where it was. Records of its
deliveries stay until they are old, so that nothing is put back for it.
"""

from uuid import UUID

from mailmodel import AccountRef
from mailmodel.rights import NEGATIVE
from pgkit import Pool, transaction

from mailstore import keys, removing, staging

AT_ONCE = 5_000

# Anybody who still has something of a reader's.
OWNER = """(SELECT account_id FROM mailbox_right WHERE tenant_id = $1 AND identifier = ANY($2::text[]) LIMIT 1)
UNION ALL (SELECT account_id FROM reader_seen WHERE reader_id = $3 LIMIT 1)
UNION ALL (SELECT account_id FROM reader_annotation WHERE reader_id = $3 LIMIT 1) LIMIT 1"""


async def remove_account(pool: Pool, account: AccountRef) -> int:
    """How many messages went; 0 where there is no such account (any more). Raises StoreUnavailable."""
    await keys.forget_all(pool, account)
    await _leave_others(pool, account)
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
                await staging.hand_on(connection, account)
                # Mailboxes, scripts, annotations, rights and what was remembered go along (ON DELETE CASCADE).
                await connection.execute(
                    "DELETE FROM account WHERE account_id = $1", UUID(account.account_id)
                )
                return removed


async def _leave_others(pool: Pool, reader: AccountRef) -> None:
    """From the mailboxes of others, one owner after the other. Nobody is told: only the reader could see it."""
    reader_id = UUID(reader.account_id)
    identifiers = [reader.account_id, NEGATIVE + reader.account_id]
    while True:
        async with transaction(pool, reader.tenant_id) as connection:
            owner = await connection.fetchval(OWNER, UUID(reader.tenant_id), identifiers, reader_id)
            if owner is None:
                return
            await connection.execute("SELECT FROM account WHERE account_id = $1 FOR UPDATE", owner)
            await connection.execute(
                "DELETE FROM mailbox_right WHERE account_id = $1 AND identifier = ANY($2::text[])",
                owner,
                identifiers,
            )
            await connection.execute(
                "DELETE FROM reader_annotation WHERE reader_id = $1 AND account_id = $2", reader_id, owner
            )
            await connection.execute(
                """DELETE FROM reader_seen WHERE ctid = ANY(ARRAY(
                       SELECT ctid FROM reader_seen WHERE reader_id = $1 AND account_id = $2 LIMIT $3))""",
                reader_id,
                owner,
                AT_ONCE,
            )
