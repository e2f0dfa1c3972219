"""Accounts and aliases as SQL, each within its tenant once that is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from pgkit import OPERATOR, Connection, Pool, transaction

from directory.adapters.addresses import halves, insert_address
from directory.core.scram import ScramKeys
from directory.ports import AccountRecord, AliasRecord, Missing, Suspending

ACCOUNT = """SELECT c.*, p.local_part || '@' || p.domain AS address, p.domain, p.local_part, t.name AS tenant_name
FROM account c JOIN address p ON p.account_id = c.account_id AND p.is_primary
JOIN tenant t ON t.tenant_id = c.tenant_id"""

BY_ADDRESS = """ WHERE c.account_id =
    (SELECT o.account_id FROM address o WHERE o.domain = $1 AND o.local_part = $2)"""

# A process of the version before wrote `suspended` alone: such a one is the operator's, whom no tenant overrules.
UPDATE = """
UPDATE account SET display_name = coalesce($2, display_name), roles = coalesce($5::text[], roles),
    suspended_by_operator = said.by_operator, suspended_by_tenant = said.by_tenant,
    suspended = said.by_operator OR said.by_tenant
FROM (SELECT coalesce($3, suspended AND (suspended_by_operator OR NOT suspended_by_tenant)) AS by_operator,
             coalesce($4, suspended AND suspended_by_tenant) AS by_tenant
      FROM account WHERE account_id = $1::uuid FOR UPDATE) said
WHERE account_id = $1::uuid"""
NOTHING_SAID = Suspending()

ALIAS = """SELECT a.*, t.name AS tenant_name,
       (SELECT array_agg(g.target ORDER BY g.place) FROM alias_target g
        WHERE g.domain = a.domain AND g.local_part = a.local_part) AS targets
FROM address a JOIN tenant t ON t.tenant_id = a.tenant_id"""


def _account(row: asyncpg.Record) -> AccountRecord:
    return AccountRecord(
        account_id=str(row["account_id"]),
        tenant_id=str(row["tenant_id"]),
        tenant_name=row["tenant_name"],
        address=row["address"],
        display_name=row["display_name"],
        suspended=row["suspended"],
        suspended_by_operator=row["suspended"]
        and (row["suspended_by_operator"] or not row["suspended_by_tenant"]),
        suspended_by_tenant=row["suspended"] and row["suspended_by_tenant"],
        store=row["store"],
        created_at=row["created_at"],
        scram_salt=row["scram_salt"],
        shared=row["shared"],
        roles=tuple(row["roles"]),
    )


def _alias(row: asyncpg.Record) -> AliasRecord:
    return AliasRecord(
        tenant_id=str(row["tenant_id"]),
        tenant_name=row["tenant_name"],
        address=f"{row['local_part']}@{row['domain']}",
        targets=tuple(row["targets"] or ()),
        created_at=row["created_at"],
    )


@dataclass(frozen=True, slots=True)
class Scram:
    """Of a new account."""

    salt: bytes
    keys: ScramKeys | None


def scram_columns(keys: ScramKeys | None) -> tuple[int | None, bytes | None, bytes | None]:
    """Iterations, StoredKey, ServerKey."""
    return (None, None, None) if keys is None else (keys.iterations, keys.stored_key, keys.server_key)


class Accounts:
    """Every method raises DatabaseUnavailable; those that name an account raise Missing."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(
        self,
        tenant_id: str,
        address: str,
        verifier: str | None,
        scram: Scram,
        display_name: str,
        roles: Sequence[str] = (),
    ) -> AccountRecord:
        """`address` is canonical, its domain the tenant's. Without a verifier it is shared. Raises Taken."""
        async with transaction(self._pool, tenant_id) as connection:
            account_id = await connection.fetchval(
                """INSERT INTO account (tenant_id, display_name, scram_salt, shared, roles)
                   VALUES ($1::uuid, $2, $3, $4, $5::text[]) RETURNING account_id""",
                tenant_id,
                display_name,
                scram.salt,
                verifier is None,
                list(roles),
            )
            await insert_address(connection, tenant_id, address, account_id, True)
            if verifier is not None:
                await connection.execute(
                    """INSERT INTO credential (account_id, tenant_id, kind, verifier, scram_iterations,
                                               scram_stored_key, scram_server_key)
                       VALUES ($1, $2::uuid, 'password', $3, $4, $5, $6)""",
                    account_id,
                    tenant_id,
                    verifier,
                    *scram_columns(scram.keys),
                )
            row = await connection.fetchrow(ACCOUNT + " WHERE c.account_id = $1", account_id)
        assert row is not None
        return _account(row)

    async def get(self, address: str) -> AccountRecord:
        """By any of its addresses, in canonical form."""
        local_part, domain = halves(address)
        return await self._one(address, BY_ADDRESS, domain, local_part)

    async def get_by_id(self, account_id: str) -> AccountRecord:
        """By its id, which is a uuid."""
        return await self._one(account_id, " WHERE c.account_id = $1::uuid", account_id)

    async def _one(self, called: str, condition: str, *values: str) -> AccountRecord:
        async with transaction(self._pool, OPERATOR) as connection:
            row = await connection.fetchrow(ACCOUNT + condition, *values)
        if row is None:
            raise Missing(f"there is no account {called}")
        return _account(row)

    async def update(
        self,
        record: AccountRecord,
        display_name: str | None = None,
        suspending: Suspending = NOTHING_SAID,
        verifier: str | None = None,
        keys: ScramKeys | None = None,
        roles: Sequence[str] | None = None,
    ) -> AccountRecord:
        """Change what is not None; with a verifier the SCRAM keys too, which may be none."""
        async with transaction(self._pool, record.tenant_id) as connection:
            await connection.execute(
                UPDATE,
                record.account_id,
                display_name,
                suspending.by_operator,
                suspending.by_tenant,
                None if roles is None else list(roles),
            )
            if verifier is not None:
                await connection.execute(
                    """UPDATE credential SET verifier = $2, scram_iterations = $3, scram_stored_key = $4,
                                             scram_server_key = $5, created_at = clock_timestamp()
                       WHERE account_id = $1::uuid AND kind = 'password'""",
                    record.account_id,
                    verifier,
                    *scram_columns(keys),
                )
        return await self.get_by_id(record.account_id)

    async def listing(
        self, tenant_id: str | None, domain: str | None, after: str, limit: int
    ) -> list[AccountRecord]:
        """By address (domain, then local part)."""
        local_part, after_domain = halves(after)
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                ACCOUNT
                + """ WHERE ($1::uuid IS NULL OR c.tenant_id = $1) AND ($2::text IS NULL OR p.domain = $2)
                        AND (p.domain, p.local_part) > ($3, $4) ORDER BY p.domain, p.local_part LIMIT $5""",
                tenant_id,
                domain,
                after_domain,
                local_part,
                limit,
            )
        return [_account(row) for row in rows]


class Aliases:
    """Every method raises DatabaseUnavailable; those that name an alias raise Missing."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(self, tenant_id: str, address: str, targets: Sequence[str]) -> AliasRecord:
        """`address` is canonical, its domain the tenant's. Raises Taken."""
        async with transaction(self._pool, tenant_id) as connection:
            await insert_address(connection, tenant_id, address, None, False)
            await self._write_targets(connection, tenant_id, address, targets)
        return await self.get(address)

    @staticmethod
    async def _write_targets(
        connection: Connection, tenant_id: str, address: str, targets: Sequence[str]
    ) -> None:
        local_part, domain = halves(address)
        await connection.execute(
            """INSERT INTO alias_target (domain, local_part, place, tenant_id, target)
               SELECT $1, $2, place, $3::uuid, target FROM unnest($4::text[]) WITH ORDINALITY AS t(target, place)""",
            domain,
            local_part,
            tenant_id,
            list(targets),
        )

    async def get(self, address: str) -> AliasRecord:
        local_part, domain = halves(address)
        async with transaction(self._pool, OPERATOR) as connection:
            row = await connection.fetchrow(
                ALIAS + " WHERE a.domain = $1 AND a.local_part = $2 AND a.account_id IS NULL",
                domain,
                local_part,
            )
        if row is None:
            raise Missing(f"there is no alias {address}")
        return _alias(row)

    async def update(self, record: AliasRecord, targets: Sequence[str]) -> AliasRecord:
        """Replace the targets."""
        local_part, domain = halves(record.address)
        async with transaction(self._pool, record.tenant_id) as connection:
            # Two that replace them at once take turns.
            if not await connection.fetchval(
                """SELECT true FROM address WHERE domain = $1 AND local_part = $2 AND account_id IS NULL
                   FOR UPDATE""",
                domain,
                local_part,
            ):
                raise Missing(f"there is no alias {record.address}")
            await connection.execute(
                "DELETE FROM alias_target WHERE domain = $1 AND local_part = $2", domain, local_part
            )
            await self._write_targets(connection, record.tenant_id, record.address, targets)
        return await self.get(record.address)

    async def listing(
        self, tenant_id: str | None, domain: str | None, after: str, limit: int
    ) -> list[AliasRecord]:
        """By address (domain, then local part)."""
        local_part, after_domain = halves(after)
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                ALIAS
                + """ WHERE a.account_id IS NULL AND ($1::uuid IS NULL OR a.tenant_id = $1)
                        AND ($2::text IS NULL OR a.domain = $2) AND (a.domain, a.local_part) > ($3, $4)
                      ORDER BY a.domain, a.local_part LIMIT $5""",
                tenant_id,
                domain,
                after_domain,
                local_part,
                limit,
            )
        return [_alias(row) for row in rows]

    async def delete(self, record: AliasRecord) -> None:
        """The alias and its targets."""
        local_part, domain = halves(record.address)
        async with transaction(self._pool, record.tenant_id) as connection:
            await connection.execute(
                "DELETE FROM address WHERE domain = $1 AND local_part = $2 AND account_id IS NULL",
                domain,
                local_part,
            )
