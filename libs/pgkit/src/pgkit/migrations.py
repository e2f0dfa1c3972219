"""Schema changes: alembic's, run by a program and not by hand.

A package keeps its steps in `migrations/` (one file each) and calls `migrate`.
Two that run at once wait for each other. The owner role owns the tables; the
application role may read and write rows, within the policies, and nothing else.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from alembic import command, op
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

HOME = Path(__file__).parent / "alembic_home"
# Any number, the same for all: who migrates holds this advisory lock.
LOCK = 7_264_611

# In sub-selects, so that the settings are looked up once a statement and not once a row.
POLICY = (
    "tenant_id = (SELECT nullif(current_setting('posthouse.tenant', true), '')::uuid)"
    " OR (SELECT current_setting('posthouse.scope', true) = 'operator')"
)


def migrate(dsn: str, app_role: str, steps: Path) -> None:
    """Bring a database to the newest step in the folder `steps`. Idempotent.

    `dsn` is the owner role's. Raises what SQLAlchemy raises where that fails.
    """
    asyncio.run(_migrate(dsn, app_role, steps))


async def _migrate(dsn: str, app_role: str, steps: Path) -> None:
    engine = create_async_engine(dsn.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
            await connection.commit()
            await connection.run_sync(_upgrade, app_role, steps)
            await connection.commit()
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, app_role: str, steps: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(HOME))
    config.set_main_option("version_locations", str(steps))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["app_role"] = app_role
    command.upgrade(config, "heads")


def protect(*tables: str) -> None:
    """In a step: wall tables in by tenant and open them to the application role."""
    role = _app_role()
    for table in tables:
        op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
        op.execute(f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY')
        op.execute(f'CREATE POLICY tenant_wall ON "{table}" USING ({POLICY}) WITH CHECK ({POLICY})')
        op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON "{table}" TO "{role}"')


def protect_shared(*tables: str) -> None:
    """In a step: tables of no tenant, for transactions in the operator's scope only."""
    role = _app_role()
    for table in tables:
        op.execute(f'ALTER TABLE "{table}" ENABLE ROW LEVEL SECURITY')
        op.execute(f'ALTER TABLE "{table}" FORCE ROW LEVEL SECURITY')
        scope = "(SELECT current_setting('posthouse.scope', true) = 'operator')"
        op.execute(f'CREATE POLICY operator_only ON "{table}" USING ({scope}) WITH CHECK ({scope})')
        op.execute(f'GRANT SELECT, INSERT, UPDATE, DELETE ON "{table}" TO "{role}"')


def grant_sequences() -> None:
    """In a step: let the application role draw from the sequences."""
    op.execute(f'GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO "{_app_role()}"')


def _app_role() -> str:
    config: Any = op.get_context().config
    role = str(config.attributes["app_role"])
    if '"' in role:
        raise ValueError("a role name without quotes is wanted")
    return role


def main(prefix: str, steps: Path) -> None:
    """`python -m <package>.migrate`: <PREFIX>_MIGRATE_DSN (or ..._DSN_FILE) and <PREFIX>_APP_ROLE say where."""
    dsn = os.environ.get(f"{prefix}_MIGRATE_DSN", "")
    file = os.environ.get(f"{prefix}_MIGRATE_DSN_FILE", "")
    if not dsn and file:
        dsn = Path(file).read_text(encoding="utf-8").strip()
    role = os.environ.get(f"{prefix}_APP_ROLE", "")
    if not dsn or not role:
        print(
            f"set {prefix}_MIGRATE_DSN (or {prefix}_MIGRATE_DSN_FILE) and {prefix}_APP_ROLE", file=sys.stderr
        )
        sys.exit(2)
    migrate(dsn, role, steps)
