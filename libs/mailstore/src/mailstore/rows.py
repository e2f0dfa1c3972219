"""Statements that several files need: locking an account, reading a mailbox's row."""

import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg
from mailmodel import SEPARATOR, AccountRef, MailboxInfo
from pgkit import Connection

from mailstore.errors import MailboxMissing

# The entries of a mailbox with these UIDs ($1 account, $2 mailbox, $3 UIDs, each once), each by the whole primary key:
# OFFSET 0 keeps the planner from turning it into a join (see `tables`). `place` is for changing them: it stays what it
# is while the account is locked.
CHOSEN = """SELECT e.* FROM unnest($3::bigint[]) AS wanted(uid)
    CROSS JOIN LATERAL (SELECT entry.ctid AS place, entry.* FROM entry
        WHERE entry.account_id = $1 AND entry.mailbox_id = $2 AND entry.uid = wanted.uid OFFSET 0) e"""

MAILBOX_COLUMNS = """m.mailbox_id, m.name, m.uid_validity, m.uid_next, m.highest_modseq, m.messages, m.unseen,
    m.size_octets, m.special_use,
    EXISTS (SELECT FROM subscription s WHERE s.account_id = m.account_id AND s.name = m.name) AS subscribed"""

# Created with the account (RFC 6154); all but INBOX may be renamed and deleted.
FIRST_MAILBOXES: tuple[tuple[str, str], ...] = (
    ("INBOX", ""),
    ("Archive", "\\Archive"),
    ("Drafts", "\\Drafts"),
    ("Junk", "\\Junk"),
    ("Sent", "\\Sent"),
    ("Trash", "\\Trash"),
)


def info(row: Mapping[str, Any] | asyncpg.Record) -> MailboxInfo:
    """A row of MAILBOX_COLUMNS."""
    return MailboxInfo(
        mailbox_id=row["mailbox_id"],
        name=row["name"],
        uid_validity=row["uid_validity"],
        uid_next=row["uid_next"],
        highest_modseq=row["highest_modseq"],
        messages=row["messages"],
        unseen=row["unseen"],
        size_octets=row["size_octets"],
        special_use=frozenset(row["special_use"]),
        subscribed=row["subscribed"],
    )


async def lock_account(connection: Connection, account: AccountRef) -> int:
    """Lock the account's row and give it its next MODSEQ, which is returned. Creates what is missing.

    Raises MailboxMissing for an account that is another tenant's.
    """
    statement = "UPDATE account SET modseq = modseq + 1 WHERE account_id = $1 RETURNING modseq"
    modseq = await connection.fetchval(statement, UUID(account.account_id))
    if modseq is None:
        await provision(connection, account.tenant_id, [account.account_id])
        modseq = await connection.fetchval(statement, UUID(account.account_id))
    if modseq is None:
        raise MailboxMissing
    return int(modseq)


async def provision(connection: Connection, tenant_id: str, account_ids: list[str]) -> None:
    """Give accounts that are new here their row and first mailboxes. Idempotent.

    No other account may be locked by this transaction: another that provisions the same one could wait for it.
    """
    first_validity = int(time.time())
    names = [name for name, _ in FIRST_MAILBOXES]
    created = await connection.fetch(
        """INSERT INTO account (account_id, tenant_id, next_uid_validity)
           SELECT id, $2, $3 FROM unnest($1::uuid[]) AS id
           ON CONFLICT DO NOTHING RETURNING account_id""",
        sorted(UUID(account_id) for account_id in account_ids),
        UUID(tenant_id),
        first_validity + len(names),
    )
    ids = [row["account_id"] for row in created]
    if not ids:
        return
    await connection.execute(
        """INSERT INTO mailbox (account_id, tenant_id, name, uid_validity, special_use)
           SELECT id, $2, f.name, $3 + f.number - 1, array_remove(ARRAY[f.special_use], '')
           FROM unnest($1::uuid[]) AS id
           CROSS JOIN unnest($4::text[], $5::text[]) WITH ORDINALITY AS f(name, special_use, number)""",
        ids,
        UUID(tenant_id),
        first_validity,
        names,
        [special_use for _, special_use in FIRST_MAILBOXES],
    )
    await connection.execute(
        """INSERT INTO subscription (account_id, name, tenant_id)
           SELECT id, name, $2 FROM unnest($1::uuid[]) AS id CROSS JOIN unnest($3::text[]) AS name""",
        ids,
        UUID(tenant_id),
        names,
    )


async def insert_mailbox(
    connection: Connection, account: AccountRef, name: str, special_use: list[str]
) -> int:
    """A new mailbox with a UIDVALIDITY that was never used; its id. The account is locked."""
    mailbox_id = await connection.fetchval(
        """WITH validity AS (
               UPDATE account SET next_uid_validity = next_uid_validity + 1 WHERE account_id = $1
               RETURNING next_uid_validity - 1 AS value)
           INSERT INTO mailbox (account_id, tenant_id, name, uid_validity, special_use)
           SELECT $1, $2, $3, value, $4 FROM validity RETURNING mailbox_id""",
        UUID(account.account_id),
        UUID(account.tenant_id),
        name,
        special_use,
    )
    if (parent := name.rpartition(SEPARATOR)[0]) != "":
        # RFC 4314 §4: who may see the mailbox above may see this one.
        await connection.execute(
            """INSERT INTO mailbox_right (account_id, mailbox_id, identifier, tenant_id, rights)
               SELECT r.account_id, $2, r.identifier, r.tenant_id, r.rights FROM mailbox p, mailbox_right r
               WHERE p.account_id = $1 AND p.name = $3 AND r.account_id = $1 AND r.mailbox_id = p.mailbox_id""",
            UUID(account.account_id),
            mailbox_id,
            parent,
        )
    return int(mailbox_id)


async def mailbox_row(connection: Connection, account: AccountRef, mailbox_id: int) -> asyncpg.Record:
    """The mailbox's row; the account is locked, so it stays as it is. Raises MailboxMissing."""
    row = await connection.fetchrow(
        "SELECT * FROM mailbox WHERE account_id = $1 AND mailbox_id = $2",
        UUID(account.account_id),
        mailbox_id,
    )
    if row is None:
        raise MailboxMissing
    return row
