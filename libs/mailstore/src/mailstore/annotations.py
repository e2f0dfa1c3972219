"""Annotations (RFC 5464): small values by name, of a mailbox or of the account; and those that somebody keeps for himself
about another's mailbox (`_as`), which nobody else sees, its owner neither.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from mailmodel import AccountRef
from pgkit import Connection, Pool, transaction

from mailstore import rows
from mailstore.errors import AnnotationsFull
from mailstore.types import MailboxChange

# In place of a mailbox's id: the account itself.
OF_ACCOUNT = 0
MOST_ENTRIES = 100


async def get(pool: Pool, account: AccountRef, mailbox_id: int) -> dict[str, bytes]:
    """All of one mailbox, by name."""
    async with transaction(pool, account.tenant_id) as connection:
        found = await connection.fetch(
            'SELECT entry, value FROM annotation WHERE account_id = $1 AND mailbox_id = $2 ORDER BY entry COLLATE "C"',
            UUID(account.account_id),
            mailbox_id,
        )
    return {row["entry"]: row["value"] for row in found}


async def digests(pool: Pool, account: AccountRef) -> dict[tuple[int, str], bytes]:
    """Of all annotations that an account keeps, by mailbox and name: to see which change."""
    async with transaction(pool, account.tenant_id) as connection:
        found = await connection.fetch(
            """SELECT mailbox_id, entry, sha256(value) AS digest FROM annotation WHERE account_id = $1
               UNION ALL
               SELECT mailbox_id, entry, sha256(value) FROM reader_annotation WHERE reader_id = $1""",
            UUID(account.account_id),
        )
    return {(row["mailbox_id"], row["entry"]): row["digest"] for row in found}


async def named(pool: Pool, account: AccountRef, entries: Sequence[str]) -> dict[tuple[int, str], bytes]:
    """Those with these names, of all mailboxes of an account, by mailbox and name."""
    async with transaction(pool, account.tenant_id) as connection:
        found = await connection.fetch(
            "SELECT mailbox_id, entry, value FROM annotation WHERE account_id = $1 AND entry = ANY($2::text[])",
            UUID(account.account_id),
            list(entries),
        )
    return {(row["mailbox_id"], row["entry"]): row["value"] for row in found}


async def change(
    pool: Pool, account: AccountRef, mailbox_id: int, values: Mapping[str, bytes | None]
) -> MailboxChange:
    """Set these, remove those that are None; all or none. Raises MailboxMissing, AnnotationsFull.

    The mailbox takes the next MODSEQ, as RFC 7162 §3.2 has it.
    """
    async with transaction(pool, account.tenant_id) as connection:
        modseq = await rows.lock_account(connection, account)
        if mailbox_id != OF_ACCOUNT:
            await rows.mailbox_row(connection, account, mailbox_id)
        await _change(connection, account, mailbox_id, values, modseq)
    return MailboxChange(account, mailbox_id, modseq)


async def _change(
    connection: Connection,
    account: AccountRef,
    mailbox_id: int,
    values: Mapping[str, bytes | None],
    modseq: int,
) -> None:
    key = (UUID(account.account_id), mailbox_id)
    if mailbox_id != OF_ACCOUNT:
        await connection.execute(
            "UPDATE mailbox SET highest_modseq = $3 WHERE account_id = $1 AND mailbox_id = $2", *key, modseq
        )
    await connection.execute(
        "DELETE FROM annotation WHERE account_id = $1 AND mailbox_id = $2 AND entry = ANY($3::text[])",
        *key,
        list(values),
    )
    kept = {entry: value for entry, value in values.items() if value is not None}
    await connection.execute(
        """INSERT INTO annotation (account_id, mailbox_id, entry, tenant_id, value)
           SELECT $1, $2, entry, $3, value FROM unnest($4::text[], $5::bytea[]) AS t(entry, value)""",
        *key,
        UUID(account.tenant_id),
        list(kept),
        list(kept.values()),
    )
    entries = await connection.fetchval(
        "SELECT count(*) FROM annotation WHERE account_id = $1 AND mailbox_id = $2", *key
    )
    if kept and entries > MOST_ENTRIES:
        raise AnnotationsFull


async def get_as(pool: Pool, owner: AccountRef, mailbox_id: int, reader_id: str) -> dict[str, bytes]:
    """What a reader keeps about another's mailbox, by name."""
    async with transaction(pool, owner.tenant_id) as connection:
        found = await connection.fetch(
            """SELECT entry, value FROM reader_annotation
               WHERE account_id = $1 AND mailbox_id = $2 AND reader_id = $3 ORDER BY entry COLLATE "C" """,
            UUID(owner.account_id),
            mailbox_id,
            UUID(reader_id),
        )
    return {row["entry"]: row["value"] for row in found}


async def change_as(
    pool: Pool,
    owner: AccountRef,
    mailbox_id: int,
    reader_id: str,
    own: Mapping[str, bytes | None],
    shared: Mapping[str, bytes | None],
) -> MailboxChange:
    """The same as `change`, by a reader: what is his own, and what is the mailbox's; both or neither. Of his own alone the
    mailbox's MODSEQ says nothing. Raises MailboxMissing, AnnotationsFull.
    """
    async with transaction(pool, owner.tenant_id) as connection:
        modseq = await rows.lock_account(connection, owner)
        await rows.mailbox_row(connection, owner, mailbox_id)
        if shared:
            await _change(connection, owner, mailbox_id, shared, modseq)
        key = (UUID(owner.account_id), mailbox_id, UUID(reader_id))
        await connection.execute(
            """DELETE FROM reader_annotation
               WHERE account_id = $1 AND mailbox_id = $2 AND reader_id = $3 AND entry = ANY($4::text[])""",
            *key,
            list(own),
        )
        kept = {entry: value for entry, value in own.items() if value is not None}
        await connection.execute(
            """INSERT INTO reader_annotation (account_id, mailbox_id, reader_id, entry, tenant_id, value)
               SELECT $1, $2, $3, entry, $4, value FROM unnest($5::text[], $6::bytea[]) AS t(entry, value)""",
            *key,
            UUID(owner.tenant_id),
            list(kept),
            list(kept.values()),
        )
        entries = await connection.fetchval(
            "SELECT count(*) FROM reader_annotation WHERE account_id = $1 AND mailbox_id = $2 AND reader_id = $3",
            *key,
        )
        if kept and entries > MOST_ENTRIES:
            raise AnnotationsFull
    return MailboxChange(owner, mailbox_id, modseq if shared else 0)


async def forget(connection: Connection, account: AccountRef, mailbox_id: int) -> None:
    """The mailbox goes. The account is locked."""
    await connection.execute(
        "DELETE FROM annotation WHERE account_id = $1 AND mailbox_id = $2",
        UUID(account.account_id),
        mailbox_id,
    )


async def copy(connection: Connection, account: AccountRef, source_id: int, target_id: int) -> None:
    """INBOX was renamed: it keeps its own, and the new mailbox has the same (RFC 5464 §4.1). The account is locked."""
    await connection.execute(
        """INSERT INTO annotation (account_id, mailbox_id, entry, tenant_id, value)
           SELECT account_id, $3, entry, tenant_id, value FROM annotation WHERE account_id = $1 AND mailbox_id = $2""",
        UUID(account.account_id),
        source_id,
        target_id,
    )
