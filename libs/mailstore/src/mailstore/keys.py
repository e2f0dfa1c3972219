"""Mailbox access keys (RFC 4467 §2.2, RFC 5092 §6.1.1.2): one for each user and mailbox, be it his own or another's.

With it the URLs are signed that he hands out; a new key makes those that were signed before worthless. The rows need no
lock of the account: nothing is counted by them, and none is changed but by its holder.
"""

import secrets
from uuid import UUID

import asyncpg
from mailmodel import AccountRef
from pgkit import Pool, transaction

from mailstore.errors import MailboxMissing

KEY_OCTETS = 32


async def get(pool: Pool, owner: AccountRef, mailbox_id: int, holder_id: str) -> bytes | None:
    """None where he has none."""
    async with transaction(pool, owner.tenant_id) as connection:
        key: bytes | None = await connection.fetchval(
            "SELECT key FROM mailbox_key WHERE account_id = $1 AND mailbox_id = $2 AND holder_id = $3",
            UUID(owner.account_id),
            mailbox_id,
            UUID(holder_id),
        )
    return key


async def need(pool: Pool, owner: AccountRef, mailbox_id: int, holder_id: str) -> bytes:
    """Made where he has none; two who make one at once get the same. Raises MailboxMissing."""
    return await _put(pool, owner, mailbox_id, holder_id, "key = mailbox_key.key")


async def renew(pool: Pool, owner: AccountRef, mailbox_id: int, holder_id: str) -> bytes:
    """Another one from now on. Raises MailboxMissing."""
    return await _put(pool, owner, mailbox_id, holder_id, "key = excluded.key")


async def _put(pool: Pool, owner: AccountRef, mailbox_id: int, holder_id: str, kept: str) -> bytes:
    try:
        async with transaction(pool, owner.tenant_id) as connection:
            # From the mailbox's row, which another tenant does not see.
            key: bytes | None = await connection.fetchval(
                f"""INSERT INTO mailbox_key (account_id, mailbox_id, holder_id, tenant_id, key)
                    SELECT account_id, mailbox_id, $3, tenant_id, $4 FROM mailbox
                    WHERE account_id = $1 AND mailbox_id = $2
                    ON CONFLICT (account_id, mailbox_id, holder_id) DO UPDATE SET {kept} RETURNING key""",  # noqa: S608
                UUID(owner.account_id),
                mailbox_id,
                UUID(holder_id),
                secrets.token_bytes(KEY_OCTETS),
            )
    except asyncpg.ForeignKeyViolationError as error:
        raise MailboxMissing from error
    if key is None:
        raise MailboxMissing
    return key


async def forget_all(pool: Pool, holder: AccountRef) -> None:
    """Of all mailboxes, his own and others'."""
    async with transaction(pool, holder.tenant_id) as connection:
        await connection.execute("DELETE FROM mailbox_key WHERE holder_id = $1", UUID(holder.account_id))
