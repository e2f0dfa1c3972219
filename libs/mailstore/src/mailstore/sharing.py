"""Mailboxes that their owners let others into (RFC 4314): who has which rights, and what somebody can see of others'.

The owner has all rights, always, and no row. What a mailbox's rights say is looked up with the mailbox, in one
statement; what follows from them is mailmodel.rights' to say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg
from mailmodel import AccountRef, MailboxInfo
from mailmodel.mailbox_name import canonical
from mailmodel.rights import NEGATIVE, Rights, effective, kept_form
from pgkit import Pool, transaction

from mailstore import rows
from mailstore.errors import RightsFull
from mailstore.types import MailboxChange

MOST_ENTRIES = 500

# A mailbox `m` as reader $1 finds it. What it is used for is the owner's business.
READERS_COLUMNS = """m.account_id, m.mailbox_id, m.name, m.uid_validity, m.uid_next, m.highest_modseq, m.messages,
    m.messages - (SELECT count(*)::int FROM reader_seen s WHERE s.account_id = m.account_id
        AND s.mailbox_id = m.mailbox_id AND s.reader_id = $1 AND s.seen) AS unseen,
    m.size_octets, '{}'::text[] AS special_use, false AS subscribed"""

OWN = f"""SELECT m.account_id, {rows.MAILBOX_COLUMNS}, NULL::text[] AS who, NULL::text[] AS rights
FROM mailbox m WHERE m.account_id = $1"""  # noqa: S608

OTHERS = f"""SELECT {READERS_COLUMNS}, g.who, g.rights
FROM (SELECT account_id, mailbox_id, array_agg(identifier) AS who, array_agg(rights) AS rights FROM mailbox_right
      WHERE tenant_id = $2 AND identifier = ANY($3::text[]) AND account_id <> $1 GROUP BY account_id, mailbox_id) g
CROSS JOIN LATERAL (SELECT * FROM mailbox
    WHERE mailbox.account_id = g.account_id AND mailbox.mailbox_id = g.mailbox_id OFFSET 0) m"""  # noqa: S608

ONE = f"""SELECT {READERS_COLUMNS}, g.who, g.rights
FROM mailbox m CROSS JOIN LATERAL (
    SELECT array_agg(identifier) AS who, array_agg(rights) AS rights FROM mailbox_right r
    WHERE r.account_id = m.account_id AND r.mailbox_id = m.mailbox_id AND r.identifier = ANY($3::text[])) g
WHERE m.account_id = $2"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class SharedMailbox:
    """Another's mailbox as a reader finds it: `unseen` is his own, there is no special use; and what he may do."""

    owner: AccountRef
    info: MailboxInfo
    rights: Rights


def _with_negative(who: Sequence[str]) -> list[str]:
    return [*who, *(NEGATIVE + each for each in who)]


def _shared(tenant_id: str, row: asyncpg.Record, who: Sequence[str]) -> SharedMailbox:
    entries = dict(zip(row["who"] or [], row["rights"] or [], strict=True))
    return SharedMailbox(
        AccountRef(tenant_id, str(row["account_id"])), rows.info(row), effective(entries, who)
    )


async def listing(
    pool: Pool, account: AccountRef, who: Sequence[str]
) -> tuple[list[MailboxInfo], list[SharedMailbox]]:
    """One's own mailboxes, INBOX first, then by name; and all of others with any right. One query."""
    async with transaction(pool, account.tenant_id) as connection:
        while True:
            found = await connection.fetch(
                f'SELECT * FROM ({OWN} UNION ALL {OTHERS}) u ORDER BY name COLLATE "C"',  # noqa: S608
                UUID(account.account_id),
                UUID(account.tenant_id),
                _with_negative(who),
            )
            if any(row["who"] is None for row in found):
                break
            await rows.provision(connection, account.tenant_id, [account.account_id])
    own = [rows.info(row) for row in found if row["who"] is None]
    own.sort(key=lambda info: info.name != "INBOX")
    shared = [_shared(account.tenant_id, row, who) for row in found if row["who"] is not None]
    return own, [each for each in shared if each.rights]


async def get(
    pool: Pool, owner: AccountRef, name: str, reader: AccountRef, who: Sequence[str]
) -> SharedMailbox | None:
    """One mailbox of another account by its name there; None also where the reader has no right at all."""
    return await _one(pool, owner, " AND m.name = $4", canonical(name), reader, who)


async def get_by_id(
    pool: Pool, owner: AccountRef, mailbox_id: int, reader: AccountRef, who: Sequence[str]
) -> SharedMailbox | None:
    """The same by its id."""
    return await _one(pool, owner, " AND m.mailbox_id = $4", mailbox_id, reader, who)


async def _one(
    pool: Pool, owner: AccountRef, condition: str, value: object, reader: AccountRef, who: Sequence[str]
) -> SharedMailbox | None:
    # In the reader's tenant: what another tenant has is not there.
    async with transaction(pool, reader.tenant_id) as connection:
        row = await connection.fetchrow(
            ONE + condition,
            UUID(reader.account_id),
            UUID(owner.account_id),
            _with_negative(who),
            value,
        )
    if row is None:
        return None
    found = _shared(reader.tenant_id, row, who)
    return found if found.rights else None


async def rights(pool: Pool, owner: AccountRef, mailbox_id: int) -> dict[str, str]:
    """All entries, by identifier; the owner is not among them. Raises MailboxMissing."""
    async with transaction(pool, owner.tenant_id) as connection:
        await rows.mailbox_row(connection, owner, mailbox_id)
        found = await connection.fetch(
            """SELECT identifier, rights FROM mailbox_right WHERE account_id = $1 AND mailbox_id = $2
               ORDER BY identifier COLLATE "C" """,
            UUID(owner.account_id),
            mailbox_id,
        )
    return {row["identifier"]: row["rights"] for row in found}


async def change_rights(
    pool: Pool, owner: AccountRef, mailbox_id: int, identifier: str, change: Callable[[Rights], Rights]
) -> MailboxChange:
    """Give one identifier other rights; without any its entry goes. Raises MailboxMissing, RightsFull."""
    async with transaction(pool, owner.tenant_id) as connection:
        await rows.lock_account(connection, owner)
        await rows.mailbox_row(connection, owner, mailbox_id)
        key = (UUID(owner.account_id), mailbox_id)
        before = await connection.fetchval(
            "SELECT rights FROM mailbox_right WHERE account_id = $1 AND mailbox_id = $2 AND identifier = $3",
            *key,
            identifier,
        )
        after = kept_form(change(frozenset(before or "")))
        if not after:
            await connection.execute(
                "DELETE FROM mailbox_right WHERE account_id = $1 AND mailbox_id = $2 AND identifier = $3",
                *key,
                identifier,
            )
        else:
            entries = await connection.fetchval(
                "SELECT count(*) FROM mailbox_right WHERE account_id = $1 AND mailbox_id = $2", *key
            )
            if before is None and entries >= MOST_ENTRIES:
                raise RightsFull
            await connection.execute(
                """INSERT INTO mailbox_right (account_id, mailbox_id, identifier, tenant_id, rights)
                   VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (account_id, mailbox_id, identifier) DO UPDATE SET rights = excluded.rights""",
                *key,
                identifier,
                UUID(owner.tenant_id),
                after,
            )
    return MailboxChange(owner, 0, 0)
