"""The list of mailboxes and the operations on it (RFC 3501 §6.3.3 to §6.3.9)."""

from uuid import UUID

import asyncpg
from mailmodel import INBOX, AccountRef, MailboxInfo
from mailmodel.mailbox_name import SEPARATOR, canonical, is_below, superiors
from pgkit import Connection, Pool, again_after_collision, transaction

from mailstore import annotations, moving, removing, rows
from mailstore.errors import (
    InboxProtected,
    MailboxesFull,
    MailboxExists,
    MailboxHasInferiors,
    MailboxMissing,
)

# Of one account, and as many names that it has subscribed: LIST holds them all. Senders make them too, where a script
# files what comes to address+anything into a mailbox of that name.
MOST = 20_000


async def listing(pool: Pool, account: AccountRef) -> list[MailboxInfo]:
    """All mailboxes by name, INBOX first; one query. A new account gets its first mailboxes."""
    async with transaction(pool, account.tenant_id) as connection:
        found = await _listing(connection, account)
        if not found:
            await rows.provision(connection, account.tenant_id, [account.account_id])
            found = await _listing(connection, account)
    return found


async def _listing(connection: Connection, account: AccountRef) -> list[MailboxInfo]:
    found = await connection.fetch(
        f"SELECT {rows.MAILBOX_COLUMNS} FROM mailbox m WHERE m.account_id = $1"  # noqa: S608
        " ORDER BY m.name <> 'INBOX', m.name COLLATE \"C\"",
        UUID(account.account_id),
    )
    return [rows.info(row) for row in found]


async def get(pool: Pool, account: AccountRef, name: str) -> MailboxInfo | None:
    """One mailbox by its name, or None. Raises MailboxNameInvalid."""
    name = canonical(name)
    async with transaction(pool, account.tenant_id) as connection:
        row = await _row(connection, account, name)
        if row is None:
            if not await connection.fetchval(
                "SELECT EXISTS (SELECT FROM account WHERE account_id = $1)", UUID(account.account_id)
            ):
                await rows.provision(connection, account.tenant_id, [account.account_id])
            # A delivery may have given a new account its mailboxes between the first look and this one.
            row = await _row(connection, account, name)
    return None if row is None else rows.info(row)


async def _row(connection: Connection, account: AccountRef, name: str) -> asyncpg.Record | None:
    return await connection.fetchrow(
        f"SELECT {rows.MAILBOX_COLUMNS} FROM mailbox m WHERE m.account_id = $1 AND m.name = $2",  # noqa: S608
        UUID(account.account_id),
        name,
    )


async def has_inferiors(pool: Pool, account: AccountRef, name: str) -> bool:
    """Whether there are mailboxes below it. Raises MailboxNameInvalid."""
    name = canonical(name)
    async with transaction(pool, account.tenant_id) as connection:
        return await _has_inferiors(connection, account, name)


async def _has_inferiors(connection: Connection, account: AccountRef, name: str) -> bool:
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT FROM mailbox WHERE account_id = $1 AND starts_with(name, $2))",
            UUID(account.account_id),
            name + SEPARATOR,
        )
    )


async def create(pool: Pool, account: AccountRef, name: str, special_use: frozenset[str]) -> MailboxInfo:
    """A new mailbox and those above it that are missing.

    Raises MailboxExists, InboxProtected, MailboxNameInvalid or MailboxesFull.
    """
    # RFC 3501 §6.3.3: a trailing separator declares an intent to create inferiors.
    name = canonical(name.removesuffix(SEPARATOR))
    if name == INBOX:
        raise InboxProtected
    async with transaction(pool, account.tenant_id) as connection:
        await rows.lock_account(connection, account)
        if await _row(connection, account, name) is not None:
            raise MailboxExists(name)
        await _make_above(connection, account, name, 1)
        await rows.insert_mailbox(connection, account, name, sorted(special_use))
        row = await _row(connection, account, name)
    assert row is not None
    return rows.info(row)


async def _make_above(connection: Connection, account: AccountRef, name: str, more: int) -> None:
    """The mailboxes above a name that are missing, where there is room for these and `more`. Raises MailboxesFull."""
    above = [each for each in superiors(name) if await _row(connection, account, each) is None]
    if above or more:
        there = await connection.fetchval(
            "SELECT count(*) FROM mailbox WHERE account_id = $1", UUID(account.account_id)
        )
        if there + len(above) + more > MOST:
            raise MailboxesFull
    for each in above:
        await rows.insert_mailbox(connection, account, each, [])


@again_after_collision
async def delete(pool: Pool, account: AccountRef, name: str) -> None:
    """Remove a mailbox and its messages. Raises MailboxMissing, MailboxHasInferiors, InboxProtected."""
    name = canonical(name)
    if name == INBOX:
        raise InboxProtected
    async with transaction(pool, account.tenant_id) as connection:
        await rows.lock_account(connection, account)
        row = await _row(connection, account, name)
        if row is None:
            raise MailboxMissing(name)
        if await _has_inferiors(connection, account, name):
            raise MailboxHasInferiors(name)
        await removing.remove_all(connection, account, row["mailbox_id"])
        await annotations.forget(connection, account, row["mailbox_id"])
        await connection.execute(
            "DELETE FROM mailbox WHERE account_id = $1 AND mailbox_id = $2",
            UUID(account.account_id),
            row["mailbox_id"],
        )


@again_after_collision
async def rename(pool: Pool, account: AccountRef, old: str, new: str) -> None:
    """Rename a mailbox and those below it; INBOX stays and gives its messages to the new one (RFC 3501 §6.3.5).

    Raises MailboxMissing, MailboxExists, InboxProtected (below itself), MailboxNameInvalid, MailboxesFull.
    """
    old, new = canonical(old), canonical(new.removesuffix(SEPARATOR))
    async with transaction(pool, account.tenant_id) as connection:
        modseq = await rows.lock_account(connection, account)
        row = await _row(connection, account, old)
        if row is None:
            raise MailboxMissing(old)
        if await _row(connection, account, new) is not None:
            raise MailboxExists(new)
        if is_below(new, old) and old != INBOX:
            raise InboxProtected("a mailbox cannot be moved below itself")
        await _make_above(connection, account, new, 1 if old == INBOX else 0)
        if old == INBOX:
            target = await rows.insert_mailbox(connection, account, new, [])
            await annotations.copy(connection, account, row["mailbox_id"], target)
            await moving.move_all(connection, account, row["mailbox_id"], target, modseq)
            return
        for (inferior,) in await connection.fetch(
            "SELECT name FROM mailbox WHERE account_id = $1 AND starts_with(name, $2)",
            UUID(account.account_id),
            old + SEPARATOR,
        ):
            # Those below must still have names that are allowed.
            canonical(new + inferior[len(old) :])
        await connection.execute(
            """UPDATE mailbox SET name = $3 || substr(name, length($2) + 1)
               WHERE account_id = $1 AND (name = $2 OR starts_with(name, $2 || '/'))""",
            UUID(account.account_id),
            old,
            new,
        )


async def subscribe(pool: Pool, account: AccountRef, name: str) -> None:
    """Remember a name; it need not exist (RFC 3501 §6.3.6). Raises MailboxNameInvalid, MailboxesFull."""
    async with transaction(pool, account.tenant_id) as connection:
        await rows.lock_account(connection, account)
        there = await connection.fetchval(
            "SELECT count(*) FROM subscription WHERE account_id = $1 AND name <> $2",
            UUID(account.account_id),
            canonical(name),
        )
        if there >= MOST:
            raise MailboxesFull
        await connection.execute(
            "INSERT INTO subscription (account_id, name, tenant_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            UUID(account.account_id),
            canonical(name),
            UUID(account.tenant_id),
        )


async def unsubscribe(pool: Pool, account: AccountRef, name: str) -> bool:
    """Forget a name; False when it was not remembered."""
    async with transaction(pool, account.tenant_id) as connection:
        done = await connection.execute(
            "DELETE FROM subscription WHERE account_id = $1 AND name = $2",
            UUID(account.account_id),
            canonical(name),
        )
    return bool(done != "DELETE 0")


async def subscriptions(pool: Pool, account: AccountRef) -> list[str]:
    """All names remembered."""
    async with transaction(pool, account.tenant_id) as connection:
        found = await connection.fetch(
            'SELECT name FROM subscription WHERE account_id = $1 ORDER BY name COLLATE "C"',
            UUID(account.account_id),
        )
    return [row["name"] for row in found]
