"""All addresses of accounts as SQL: the primary one and others, each within its tenant."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg
from pgkit import Connection, Pool, transaction

from directory.core.confusable import skeleton
from directory.ports import AccountRecord, InUse, Missing, Taken

MOST_OF_AN_ACCOUNT = 100


@dataclass(frozen=True, slots=True)
class AddressRecord:
    address: str
    primary: bool
    created_at: datetime


def halves(address: str) -> tuple[str, str]:
    """Local part and domain of a canonical address."""
    local_part, _, domain = address.rpartition("@")
    return local_part, domain


async def insert_address(
    connection: Connection, tenant_id: str, address: str, account_id: str | None, primary: bool
) -> None:
    """An address of an account, or of an alias (no account). Raises Taken, Missing."""
    local_part, domain = halves(address)
    try:
        await connection.execute(
            """INSERT INTO address (domain, local_part, tenant_id, account_id, is_primary, skeleton)
               VALUES ($1, $2, $3::uuid, $4::uuid, $5, $6)""",
            domain,
            local_part,
            tenant_id,
            account_id,
            primary,
            skeleton(local_part),
        )
    except asyncpg.UniqueViolationError as error:
        raise Taken(f"the address {address} is in use already") from error
    except asyncpg.ForeignKeyViolationError as error:
        raise Missing(f"the domain {domain} is not here any more") from error


async def look_alike(connection: Connection, address: str, but_of: str | None) -> str | None:
    """Another address of the domain that looks like this one and is not that account's, or None."""
    local_part, domain = halves(address)
    found = await connection.fetchval(
        """SELECT local_part FROM address WHERE domain = $1 AND skeleton = $2 AND local_part <> $3
             AND ($4::uuid IS NULL OR account_id IS DISTINCT FROM $4) LIMIT 1""",
        domain,
        skeleton(local_part),
        local_part,
        but_of,
    )
    return None if found is None else f"{found}@{domain}"


class Addresses:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def look_alike(self, tenant_id: str, address: str, but_of: str | None = None) -> str | None:
        """Another address of the domain, which is the tenant's, that looks like this one; or None.

        Those of the account `but_of` do not count.
        """
        async with transaction(self._pool, tenant_id) as connection:
            return await look_alike(connection, address, but_of)

    async def listing(self, account: AccountRecord) -> list[AddressRecord]:
        """The primary one first, then by domain and local part."""
        async with transaction(self._pool, account.tenant_id) as connection:
            rows = await connection.fetch(
                """SELECT * FROM address WHERE account_id = $1::uuid
                   ORDER BY is_primary DESC, domain, local_part""",
                account.account_id,
            )
        return [
            AddressRecord(f"{row['local_part']}@{row['domain']}", row["is_primary"], row["created_at"])
            for row in rows
        ]

    async def add(self, account: AccountRecord, address: str) -> AddressRecord:
        """`address` is canonical, its domain the tenant's. Raises Taken, InUse, Missing."""
        async with transaction(self._pool, account.tenant_id) as connection:
            # Two that add at once take turns, so that the count holds.
            if not await connection.fetchval(
                "SELECT true FROM account WHERE account_id = $1::uuid AND deleted_at IS NULL FOR UPDATE",
                account.account_id,
            ):
                raise Missing(f"there is no account {account.address}")
            held = await connection.fetchval(
                "SELECT count(*) FROM address WHERE account_id = $1::uuid", account.account_id
            )
            if held >= MOST_OF_AN_ACCOUNT:
                raise InUse(f"an account has at most {MOST_OF_AN_ACCOUNT} addresses")
            await insert_address(connection, account.tenant_id, address, account.account_id, False)
        return next(each for each in await self.listing(account) if each.address == address)

    async def make_primary(self, account: AccountRecord, address: str) -> None:
        """Raises Missing where it is not the account's."""
        local_part, domain = halves(address)
        async with transaction(self._pool, account.tenant_id) as connection:
            await connection.execute(
                "SELECT FROM account WHERE account_id = $1::uuid FOR UPDATE", account.account_id
            )
            # First none, then this one: an account has one primary address at any time.
            await connection.execute(
                "UPDATE address SET is_primary = false WHERE account_id = $1::uuid AND is_primary",
                account.account_id,
            )
            done = await connection.execute(
                """UPDATE address SET is_primary = true
                   WHERE account_id = $1::uuid AND domain = $2 AND local_part = $3""",
                account.account_id,
                domain,
                local_part,
            )
            if done == "UPDATE 0":
                raise Missing(f"the account has no address {address}")

    async def remove(self, account: AccountRecord, address: str) -> None:
        """Raises Missing where it is not the account's, InUse for the primary one."""
        local_part, domain = halves(address)
        async with transaction(self._pool, account.tenant_id) as connection:
            primary = await connection.fetchval(
                """SELECT is_primary FROM address WHERE account_id = $1::uuid AND domain = $2 AND local_part = $3
                   FOR UPDATE""",
                account.account_id,
                domain,
                local_part,
            )
            if primary is None:
                raise Missing(f"the account has no address {address}")
            if primary:
                raise InUse("an account keeps its primary address; make another one primary first")
            await connection.execute(
                "DELETE FROM address WHERE domain = $1 AND local_part = $2", domain, local_part
            )
