"""Versions N-1 and N side by side: the migration of N changes tables whose statements N-1 has prepared."""

from uuid import uuid4

import asyncpg
import pytest
from pgkit import OPERATOR, DatabaseUnavailable, Pool, again_after_collision, open_pool, transaction
from pgkit.errors import is_away, unavailable

from tests.support.engines import Engines


async def test_a_statement_prepared_before_a_migration_is_tried_again_and_no_bug(engines: Engines) -> None:
    table = f"probe_{uuid4().hex}"
    pool = await open_pool(engines.dsn("directory", "owner"), max_size=1)

    async def read(pool: Pool) -> list[asyncpg.Record]:
        async with transaction(pool, OPERATOR) as connection:
            return await connection.fetch(f"SELECT * FROM {table}")

    migrating = await asyncpg.connect(engines.dsn("directory", "owner"))
    try:
        await migrating.execute(f"CREATE TABLE {table} (name text)")
        assert await read(pool) == []
        await migrating.execute(f"ALTER TABLE {table} ADD COLUMN newer text")
        with pytest.raises(DatabaseUnavailable):
            await read(pool)
        assert await read(pool) == [], "prepared anew"
        await migrating.execute(f"ALTER TABLE {table} ADD COLUMN newest text")
        assert await again_after_collision(read)(pool) == []
    finally:
        await migrating.execute(f"DROP TABLE {table}")
        await migrating.close()
        await pool.close()


def test_a_disk_of_postgresql_that_fails_is_no_fault_of_a_message() -> None:
    error = asyncpg.PostgresIOError("could not write block 7")
    assert is_away(error)
    assert isinstance(unavailable(error), DatabaseUnavailable)
