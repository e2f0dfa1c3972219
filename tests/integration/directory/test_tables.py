"""The directory's tables: as the code describes them, and no reference of one tenant's row to another's."""

from uuid import uuid4

import asyncpg
import directory.migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from directory.tables import metadata
from pgkit import OPERATOR, open_pool, transaction
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.engines import Engines


async def test_the_steps_lead_to_the_tables_that_the_code_describes(engines: Engines) -> None:
    dsn = engines.dsn("directory", "owner").replace("postgresql://", "postgresql+asyncpg://", 1)
    engine = create_async_engine(dsn)

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    try:
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
    finally:
        await engine.dispose()


def test_migrating_again_changes_nothing(engines: Engines) -> None:
    for _ in range(2):
        directory.migrate.migrate(engines.dsn("directory", "owner"), "directory_app")


async def test_no_row_hangs_on_another_tenants_row(engines: Engines) -> None:
    """References are checked past the walls, so the keys must name the tenant."""
    pool = await open_pool(engines.dsn("directory", "app"))
    theirs, ours = str(uuid4()), str(uuid4())
    domain, account = f"{theirs[:8]}.test", str(uuid4())
    try:
        async with transaction(pool, OPERATOR) as connection:
            for tenant in (theirs, ours):
                await connection.execute(
                    "INSERT INTO tenant (tenant_id, name) VALUES ($1::uuid, $2)", tenant, f"t{tenant[:8]}"
                )
            await connection.execute(
                "INSERT INTO domain (name, tenant_id) VALUES ($1, $2::uuid)", domain, theirs
            )
            await connection.execute(
                "INSERT INTO account (account_id, tenant_id) VALUES ($1::uuid, $2::uuid)", account, theirs
            )
            await connection.execute(
                "INSERT INTO address (domain, local_part, tenant_id) VALUES ($1, 'team', $2::uuid)",
                domain,
                theirs,
            )
        for constraint, statement in (
            (
                "address_in_domain",
                f"address (domain, local_part, tenant_id) VALUES ('{domain}', 'x', '{ours}')",
            ),
            (
                "credential_of_account",
                f"credential (account_id, tenant_id, kind, verifier) VALUES ('{account}', '{ours}', 'password', 'x')",
            ),
            (
                "target_of_alias",
                f"alias_target (domain, local_part, place, tenant_id, target) VALUES ('{domain}', 'team', 1, '{ours}', 'x')",
            ),
        ):
            with pytest.raises(asyncpg.ForeignKeyViolationError) as caught:
                async with transaction(pool, ours) as connection:
                    await connection.execute(f"INSERT INTO {statement}")
            assert caught.value.constraint_name == constraint
    finally:
        await pool.close()


# Beside one that names the tenant another one may stand that does not.
UNNAMED = """
SELECT c.conrelid::regclass::text || ' -> ' || c.confrelid::regclass::text AS reference FROM pg_constraint c
WHERE c.contype = 'f' AND c.confrelid <> 'tenant'::regclass
GROUP BY c.conrelid, c.confrelid
HAVING NOT bool_or(EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attname = 'tenant_id'
                           AND a.attnum = ANY(c.conkey)))
ORDER BY 1"""


async def test_every_reference_names_the_tenant(engines: Engines) -> None:
    """A table of tomorrow too."""
    connection = await asyncpg.connect(engines.dsn("directory", "owner"))
    try:
        assert [row["reference"] for row in await connection.fetch(UNNAMED)] == []
    finally:
        await connection.close()


async def test_a_list_and_its_members_are_of_the_tenant_of_the_account(engines: Engines) -> None:
    pool = await open_pool(engines.dsn("directory", "app"))
    theirs, ours, account = str(uuid4()), str(uuid4()), str(uuid4())
    made = "'', '', 'members', 'author', '{}', '{}')"
    columns = "(account_id, tenant_id, name, description, posting, reply_to, owners, moderators)"
    try:
        async with transaction(pool, OPERATOR) as connection:
            for tenant in (theirs, ours):
                await connection.execute(
                    "INSERT INTO tenant (tenant_id, name) VALUES ($1::uuid, $2)", tenant, f"t{tenant[:8]}"
                )
            await connection.execute(
                "INSERT INTO account (account_id, tenant_id) VALUES ($1::uuid, $2::uuid)", account, theirs
            )
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            async with transaction(pool, ours) as connection:
                await connection.execute(
                    f"INSERT INTO mailing_list {columns} VALUES ('{account}', '{ours}', {made}"
                )
        async with transaction(pool, theirs) as connection:
            await connection.execute(
                f"INSERT INTO mailing_list {columns} VALUES ('{account}', '{theirs}', {made}"
            )
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            async with transaction(pool, ours) as connection:
                await connection.execute(
                    "INSERT INTO list_member (account_id, number, tenant_id, address) VALUES ($1::uuid, 0, $2::uuid, 'x@y.test')",
                    account,
                    ours,
                )
    finally:
        await pool.close()
