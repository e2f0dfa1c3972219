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
