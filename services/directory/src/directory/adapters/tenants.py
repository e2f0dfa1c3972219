"""Tenants and domains as SQL, for the operator."""

from collections.abc import Collection, Sequence

import asyncpg
from pgkit import OPERATOR, Pool, transaction

from directory.adapters.deleted import remove_deleted_of
from directory.core.confusable import domain_skeleton
from directory.ports import DomainRecord, InUse, Missing, Taken, TenantRecord

DOMAIN = "SELECT d.*, t.name AS tenant_name FROM domain d JOIN tenant t ON t.tenant_id = d.tenant_id"


def _tenant(row: asyncpg.Record) -> TenantRecord:
    return TenantRecord(
        str(row["tenant_id"]), row["name"], row["display_name"], row["suspended"], row["created_at"]
    )


def _domain(row: asyncpg.Record) -> DomainRecord:
    return DomainRecord(
        str(row["tenant_id"]), row["tenant_name"], row["name"], row["suspended"], row["created_at"]
    )


class Tenants:
    """Every method raises DatabaseUnavailable; those that name a tenant raise Missing."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(self, name: str, display_name: str) -> TenantRecord:
        """Raises Taken."""
        async with transaction(self._pool, OPERATOR) as connection:
            try:
                row = await connection.fetchrow(
                    "INSERT INTO tenant (name, display_name) VALUES ($1, $2) RETURNING *", name, display_name
                )
            except asyncpg.UniqueViolationError as error:
                raise Taken(f"there is a tenant {name} already") from error
        assert row is not None
        return _tenant(row)

    async def get(self, name_or_id: str) -> TenantRecord:
        async with transaction(self._pool, OPERATOR) as connection:
            row = await connection.fetchrow(
                "SELECT * FROM tenant WHERE name = $1 OR tenant_id::text = $1", name_or_id
            )
        if row is None:
            raise Missing(f"there is no tenant {name_or_id}")
        return _tenant(row)

    async def update(self, tenant_id: str, display_name: str | None, suspended: bool | None) -> TenantRecord:
        async with transaction(self._pool, OPERATOR) as connection:
            row = await connection.fetchrow(
                """UPDATE tenant SET display_name = coalesce($2, display_name), suspended = coalesce($3, suspended)
                   WHERE tenant_id = $1::uuid RETURNING *""",
                tenant_id,
                display_name,
                suspended,
            )
        if row is None:
            raise Missing("there is no such tenant")
        return _tenant(row)

    async def listing(self, after: str, limit: int) -> list[TenantRecord]:
        """By name, those after `after`."""
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                "SELECT * FROM tenant WHERE name > $1 ORDER BY name LIMIT $2", after, limit
            )
        return [_tenant(row) for row in rows]

    async def delete(self, tenant_id: str) -> None:
        """What it had deleted before is removed for good. Raises InUse."""
        async with transaction(self._pool, OPERATOR) as connection:
            try:
                await remove_deleted_of(connection, tenant_id)
                done = await connection.execute("DELETE FROM tenant WHERE tenant_id = $1::uuid", tenant_id)
            except asyncpg.ForeignKeyViolationError as error:
                raise InUse("the tenant still has domains or accounts; delete those first") from error
        if done == "DELETE 0":
            raise Missing("there is no such tenant")


class Domains:
    """Every method raises DatabaseUnavailable; those that name a domain raise Missing."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(self, name: str, tenant_id: str) -> DomainRecord:
        """Raises Taken."""
        async with transaction(self._pool, OPERATOR) as connection:
            try:
                await connection.execute(
                    "INSERT INTO domain (name, tenant_id, skeleton) VALUES ($1, $2::uuid, $3)",
                    name,
                    tenant_id,
                    domain_skeleton(name),
                )
            except asyncpg.UniqueViolationError as error:
                raise Taken(f"the domain {name} is in use already") from error
            except asyncpg.ForeignKeyViolationError as error:
                raise Missing("the tenant is not here any more") from error
            row = await connection.fetchrow(DOMAIN + " WHERE d.name = $1", name)
        assert row is not None
        return _domain(row)

    async def look_alike(self, name: str) -> str | None:
        """Another domain, of any tenant, that looks like this one; or None."""
        async with transaction(self._pool, OPERATOR) as connection:
            found = await connection.fetchval(
                "SELECT name FROM domain WHERE skeleton = $1 AND name <> $2 ORDER BY name LIMIT 1",
                domain_skeleton(name),
                name,
            )
        return None if found is None else str(found)

    async def ours(self, names: Collection[str]) -> set[str]:
        """Those that are here, of any tenant."""
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch("SELECT name FROM domain WHERE name = ANY($1::text[])", list(names))
        return {row["name"] for row in rows}

    async def get(self, name: str) -> DomainRecord:
        async with transaction(self._pool, OPERATOR) as connection:
            row = await connection.fetchrow(DOMAIN + " WHERE d.name = $1", name)
        if row is None:
            raise Missing(f"there is no domain {name}")
        return _domain(row)

    async def update(self, name: str, suspended: bool | None) -> DomainRecord:
        async with transaction(self._pool, OPERATOR) as connection:
            await connection.execute(
                "UPDATE domain SET suspended = coalesce($2, suspended) WHERE name = $1", name, suspended
            )
        return await self.get(name)

    async def listing(self, tenant_id: str | None, after: str, limit: int) -> list[DomainRecord]:
        """By name, of one tenant or of all."""
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                DOMAIN
                + " WHERE ($1::uuid IS NULL OR d.tenant_id = $1) AND d.name > $2 ORDER BY d.name LIMIT $3",
                tenant_id,
                after,
                limit,
            )
        return [_domain(row) for row in rows]

    async def delete(self, name: str) -> DomainRecord:
        """Raises InUse."""
        record = await self.get(name)
        async with transaction(self._pool, OPERATOR) as connection:
            try:
                await connection.execute("DELETE FROM domain WHERE name = $1", name)
            except asyncpg.ForeignKeyViolationError as error:
                raise InUse(
                    "the domain still has accounts or aliases, or another is an alias of it; delete those first"
                ) from error
        return record

    async def routing(self, name: str) -> tuple[str, tuple[str, ...]]:
        """The domain that it is an alias of ("": none), and where mail goes that nobody is for."""
        async with transaction(self._pool, OPERATOR) as connection:
            row = await connection.fetchrow("SELECT alias_of, catch_all FROM domain WHERE name = $1", name)
        if row is None:
            raise Missing(f"there is no domain {name}")
        return row["alias_of"] or "", tuple(row["catch_all"])

    async def route(self, record: DomainRecord, alias_of: str, catch_all: Sequence[str]) -> None:
        """Raises Missing where `alias_of` is not one of the tenant's, InUse where that made a chain."""
        async with transaction(self._pool, record.tenant_id) as connection:
            # In the order of names, so that two that point at each other do not both find nothing.
            rows = await connection.fetch(
                "SELECT name, alias_of FROM domain WHERE name = ANY($1::text[]) ORDER BY name FOR UPDATE",
                [record.name, alias_of],
            )
            found = {row["name"]: row["alias_of"] for row in rows}
            if alias_of:
                if alias_of not in found:
                    raise Missing(f"the tenant has no domain {alias_of}")
                if alias_of == record.name or found[alias_of] is not None:
                    raise InUse(f"{alias_of} cannot be what {record.name} is an alias of: it is one itself")
                if await connection.fetchval("SELECT true FROM domain WHERE alias_of = $1", record.name):
                    raise InUse(f"another domain is an alias of {record.name}")
            await connection.execute(
                "UPDATE domain SET alias_of = nullif($2, ''), catch_all = $3::text[] WHERE name = $1",
                record.name,
                alias_of,
                list(catch_all),
            )
