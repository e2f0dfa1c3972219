"""Walls between tenants, in every table of every database: found in the catalog, so that a new table is tried too.

Each table gets a row of one tenant and a row of another, made from its columns' types; then the application role
looks at them with no tenant set, as the other tenant and as the right one. All of it is rolled back.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias
from uuid import UUID, uuid4

import asyncpg
import directory
import pytest
from pgkit import OPERATOR, OutsideTenant, only_within, open_pool, transaction
from pgkit.tenancy import Scope, enter_tenant

from tests.support.engines import Engines

from .conftest import House

DATABASES = ("directory", "store", "queue")
Superuser: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# Everything that the application role may touch, wherever it is.
REACHABLE = """
SELECT c.oid::regclass::text AS name, c.relkind::text AS kind, c.relrowsecurity AND c.relforcerowsecurity AS walled,
       EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id') AS owned,
       ARRAY(SELECT pol.polname::text FROM pg_policy pol WHERE pol.polrelid = c.oid ORDER BY 1) AS policies,
       has_table_privilege($1, c.oid, 'TRUNCATE') OR has_table_privilege($1, c.oid, 'TRIGGER')
       OR has_table_privilege($1, c.oid, 'REFERENCES') AS too_much
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND (has_any_column_privilege($1, c.oid, 'SELECT') OR has_any_column_privilege($1, c.oid, 'INSERT')
       OR has_any_column_privilege($1, c.oid, 'UPDATE') OR has_table_privilege($1, c.oid, 'DELETE')
       OR has_table_privilege($1, c.oid, 'TRUNCATE'))
ORDER BY 1"""

COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, NULL) AS type, NOT a.attnotnull AS optional FROM pg_attribute a
WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum"""

# One value of each type that a column has. A type that is missing here fails the test: add it.
VALUES = {
    "uuid": "gen_random_uuid()",
    "text": "md5(random()::text)",
    "bytea": "'\\x00'",
    "boolean": "false",
    "smallint": "1",
    "integer": "1",
    "bigint": "(random() * 1e15)::bigint",
    "real": "1",
    "double precision": "1",
    "numeric": "1",
    "inet": "'192.0.2.1'",
    "date": "now()",
    "interval": "'1 s'",
    "timestamp with time zone": "now()",
    "text[]": "'{}'",
    "uuid[]": "'{}'",
    "integer[]": "'{}'",
    "bigint[]": "'{}'",
    "bytea[]": "'{}'",
    "jsonb": "'{}'",
    "tsvector": "''",
}


async def faults(connection: Superuser, role: str) -> list[str]:
    """What is not walled in, a sentence for each table."""
    found = []
    for row in await connection.fetch(REACHABLE, role):
        if row["kind"] not in ("r", "p"):
            found.append(f"{row['name']} is no table: whose walls it has cannot be told")
        elif not row["owned"] and row["policies"] != ["operator_only"]:
            found.append(f"{row['name']} has no column tenant_id, and is not the operator's alone")
        elif not row["walled"]:
            found.append(f"{row['name']} has no row-level security, or does not force it")
        elif row["policies"] not in (["tenant_wall"], ["operator_only"]):
            found.append(f"{row['name']} has other policies than one wall")
        elif row["too_much"]:
            found.append(f"{row['name']} may be truncated, referred to or given triggers")
    return found


async def tables(connection: Superuser, role: str) -> list[str]:
    """Those whose rows are a tenant's."""
    return [str(row["name"]) for row in await connection.fetch(REACHABLE, role) if row["owned"]]


async def operators(connection: Superuser, role: str) -> list[str]:
    """Those that are nobody's: the operator's alone."""
    return [str(row["name"]) for row in await connection.fetch(REACHABLE, role) if not row["owned"]]


async def insertion(connection: Superuser, table: str, tenant: UUID | None) -> str:
    """An INSERT of a row of this tenant; of none where a table allows that: only the operator may see it."""
    columns = await connection.fetch(COLUMNS, table)
    owner = "NULL" if tenant is None else f"'{tenant}'"
    if tenant is None and not any(row["name"] == "tenant_id" and row["optional"] for row in columns):
        return "SELECT"
    values = [owner if row["name"] == "tenant_id" else VALUES[row["type"]] for row in columns]
    names = ", ".join(f'"{row["name"]}"' for row in columns)
    return f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE VALUES ({', '.join(values)})"


async def become(connection: Superuser, role: str, tenant: UUID | None, scope: str = "") -> None:
    await connection.execute(f"SET LOCAL ROLE {role}")
    await connection.execute(
        "SELECT set_config('posthouse.tenant', $1, true), set_config('posthouse.scope', $2, true)",
        str(tenant or ""),
        scope,
    )


async def refused(connection: Superuser, statement: str) -> None:
    """By the wall (or because the role may do that in no row at all), not by chance."""
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=r"row-level security|permission denied"):
        async with connection.transaction():
            await connection.execute(statement)


async def touched(connection: Superuser, statement: str) -> int:
    """How many rows it changed; none where the role may not do that at all."""
    try:
        async with connection.transaction():
            return int((await connection.execute(statement)).rpartition(" ")[2])
    except asyncpg.InsufficientPrivilegeError:
        return 0


@pytest.fixture(params=DATABASES)
async def database(request: pytest.FixtureRequest, engines: Engines) -> str:
    return str(request.param)


@pytest.fixture
async def superuser(engines: Engines, database: str) -> AsyncIterator[Superuser]:
    connection = await asyncpg.connect(engines.postgres.dsn(database, "postgres", "postgres"))
    yield connection
    await connection.close()


async def test_every_table_forces_row_level_security(superuser: Superuser, database: str) -> None:
    assert len(await tables(superuser, f"{database}_app")) >= 2
    assert await faults(superuser, f"{database}_app") == []


async def test_a_table_without_walls_would_be_noticed(superuser: Superuser, database: str) -> None:
    role = f"{database}_app"
    for definition, fault in (
        ("TABLE bare (tenant_id uuid NOT NULL)", "bare has no row-level"),
        ("TABLE ownerless (id uuid)", "ownerless has no column"),
        ("VIEW glance AS SELECT 1 AS one", "glance is no table"),
    ):
        change = superuser.transaction()
        await change.start()
        await superuser.execute(f"CREATE {definition}")
        await superuser.execute(f"GRANT SELECT ON {definition.split()[1]} TO {role}")
        [found] = await faults(superuser, role)
        assert found.startswith(fault)
        await change.rollback()
    change = superuser.transaction()
    await change.start()
    [table, *_] = await tables(superuser, role)
    await superuser.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    assert await faults(superuser, role) == [f"{table} has no row-level security, or does not force it"]
    await change.rollback()
    change = superuser.transaction()
    await change.start()
    # Policies are joined by OR: a second one is a door.
    await superuser.execute(f"CREATE POLICY door ON {table} USING (true)")
    assert await faults(superuser, role) == [f"{table} has other policies than one wall"]
    await change.rollback()


async def test_the_application_role_can_do_nothing_about_the_walls(
    superuser: Superuser, database: str, engines: Engines
) -> None:
    role = f"{database}_app"
    assert not await superuser.fetchval(
        "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication FROM pg_roles WHERE rolname = $1",
        role,
    )
    assert not await superuser.fetch("SELECT FROM pg_auth_members WHERE member = $1::regrole", role)
    assert not await superuser.fetch("SELECT FROM pg_class WHERE relowner = $1::regrole", role)
    assert not await superuser.fetchval("SELECT has_schema_privilege($1, 'public', 'CREATE')", role)
    assert not await superuser.fetchval("SELECT has_database_privilege($1, $2, 'CREATE')", role, database)
    # A function that runs as its owner would be a door in the wall.
    assert not await superuser.fetch(
        """SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
           WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')"""
    )
    for other in DATABASES:
        if other != database:
            assert not await superuser.fetchval(
                "SELECT has_database_privilege($1, $2, 'CONNECT')", role, other
            )


async def test_no_tenant_sees_nothing_and_another_sees_only_its_own(
    superuser: Superuser, database: str
) -> None:
    role, victim, other = f"{database}_app", uuid4(), uuid4()
    for table in await tables(superuser, role):
        change = superuser.transaction()
        await change.start()
        # References are not the matter here.
        await superuser.execute("SET LOCAL session_replication_role = replica")
        for tenant in (victim, other, None):
            await superuser.execute(await insertion(superuser, table, tenant))
        theirs = await insertion(superuser, table, victim)
        await superuser.execute("SET LOCAL session_replication_role = origin")

        await become(superuser, role, None)
        assert await superuser.fetchval(f"SELECT count(*) FROM {table}") == 0, table
        assert await touched(superuser, f"UPDATE {table} SET tenant_id = tenant_id") == 0, table
        assert await touched(superuser, f"DELETE FROM {table}") == 0, table
        await refused(superuser, theirs)

        await become(superuser, role, other)
        assert await superuser.fetchval(f"SELECT array_agg(tenant_id) FROM {table}") == [other], table
        await refused(superuser, theirs)
        await refused(superuser, f"UPDATE {table} SET tenant_id = '{victim}'")
        assert await touched(superuser, f"DELETE FROM {table}") in (0, 1), table

        await become(superuser, role, victim)
        assert await superuser.fetchval(f"SELECT array_agg(tenant_id) FROM {table}") == [victim], table
        await become(superuser, role, None, scope="anything")
        assert await superuser.fetchval(f"SELECT count(*) FROM {table}") == 0, table
        await become(superuser, role, None, scope="operator")
        assert await superuser.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = '{victim}'") == 1
        await change.rollback()


async def test_what_is_no_tenants_is_seen_by_no_tenant(superuser: Superuser, database: str) -> None:
    role = f"{database}_app"
    for table in await operators(superuser, role):
        change = superuser.transaction()
        await change.start()
        await superuser.execute("SET LOCAL session_replication_role = replica")
        await superuser.execute(f"DELETE FROM {table}")
        another = await insertion(superuser, table, uuid4())
        await superuser.execute(another)
        await superuser.execute("SET LOCAL session_replication_role = origin")
        for tenant, scope in ((None, ""), (uuid4(), ""), (None, "anything"), (uuid4(), "tenant")):
            await become(superuser, role, tenant, scope)
            assert await superuser.fetchval(f"SELECT count(*) FROM {table}") == 0, table
            assert await touched(superuser, f"DELETE FROM {table}") == 0, table
            await refused(superuser, another)
        await become(superuser, role, None, scope="operator")
        assert await superuser.fetchval(f"SELECT count(*) FROM {table}") == 1, table
        await change.rollback()


async def test_the_role_itself_over_a_connection_of_its_own(engines: Engines, database: str) -> None:
    connection = await asyncpg.connect(engines.dsn(database, "app"))
    try:
        role = f"{database}_app"
        owned = await tables(connection, role)
        for table in owned + await operators(connection, role):
            wall = "tenant_wall" if table in owned else "operator_only"
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
            for statement in (
                f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
                f"DROP POLICY {wall} ON {table}",
                f"TRUNCATE {table}",
                "SET session_replication_role = replica",
                "SET ROLE postgres",
                f"SET ROLE {database}_owner",
                "CREATE TABLE mine (id int)",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
            # What this turns off is an answer that the wall thinned out, not the wall.
            await connection.execute("SET row_security = off")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT * FROM {table}")
            await connection.execute("RESET row_security")
    finally:
        await connection.close()


async def test_transactions_on_few_connections_do_not_inherit_a_tenant(engines: Engines) -> None:
    """Committed, failed and cancelled ones of many tenants in turn."""
    pool = await open_pool(engines.dsn("directory", "app"), max_size=2)

    async def one(number: int) -> None:
        tenant = str(uuid4())
        async with transaction(pool, tenant) as connection:
            assert await connection.fetchval("SELECT current_setting('posthouse.tenant', true)") == tenant
            assert (
                await connection.fetchval("SELECT coalesce(current_setting('posthouse.scope', true), '')")
                == ""
            )
            assert await connection.fetchval("SELECT count(*) FROM tenant") == 0
            if number % 3 == 1:
                await connection.execute("SELECT 1 / 0")
            elif number % 3 == 2:
                raise asyncio.CancelledError

    try:
        outcomes = await asyncio.gather(*(one(number) for number in range(300)), return_exceptions=True)
        kinds = [type(each) for each in outcomes]
        assert kinds == [type(None), asyncpg.DivisionByZeroError, asyncio.CancelledError] * 100
        for _ in range(4):
            assert not await pool.fetchval("SELECT current_setting('posthouse.tenant', true)")
            assert await pool.fetchval("SELECT count(*) FROM tenant") == 0
    finally:
        await pool.close()


async def test_on_behalf_of_a_tenants_people_no_transaction_leaves_it(engines: Engines, house: House) -> None:
    """Whatever scope it asks for; the tasks of it neither; and afterwards everything is as it was."""
    pool, own, other = (
        await open_pool(engines.dsn("directory", "app"), max_size=2),
        house.tenant_id,
        str(uuid4()),
    )
    seen = "SELECT count(*) FILTER (WHERE tenant_id::text = $1), count(*) FROM tenant"

    async def counted(scope: Scope | str) -> tuple[int, int]:
        async with transaction(pool, scope) as connection:
            row = await connection.fetchrow(seen, own)
            assert row is not None
            return row[0], row[1]

    try:
        everything = await counted(OPERATOR)
        assert everything[1] > 1
        with only_within(own):
            assert await counted(OPERATOR) == (1, 1)
            assert await asyncio.create_task(counted(own)) == (1, 1)
            for scope in (other, other.upper()):
                with pytest.raises(OutsideTenant):
                    await counted(scope)
            async with transaction(pool, OPERATOR) as connection:
                with pytest.raises(OutsideTenant):
                    await enter_tenant(connection, other)
                await enter_tenant(connection, own.upper())
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with transaction(pool, OPERATOR) as connection:
                    await connection.execute("INSERT INTO tenant (name) VALUES ('one-more')")
        assert await counted(OPERATOR) == everything
        with pytest.raises(ValueError, match="badly formed"), only_within("x' OR true"):
            pass
    finally:
        await pool.close()


def test_the_directory_asks_its_database_through_those_walls_only() -> None:
    """What went around `transaction` would go around the wall of a call."""
    sources = Path(directory.__file__).parent.rglob("*.py")
    around = re.compile(r"pool\.(fetch|execute|acquire|copy)|pgkit\.single|asyncpg\.(connect|create_pool)")
    assert [path.name for path in sources if around.search(path.read_text(encoding="utf-8"))] == []
