"""Pools of connections that carry nothing from one transaction to the next."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from pgkit.errors import AWAY, DatabaseMisconfigured, DatabaseUnavailable

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})

# Settings under which a commit may be forgotten.
WEAK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


async def _nothing(_connection: object) -> None:
    # All our state is local to a transaction (`pgkit.transaction`), so there is
    # nothing to reset when a connection goes back: one round trip less each time.
    return


async def open_pool(
    dsn: str, *, min_size: int = 1, max_size: int = 4, settings: Mapping[str, str] = NO_SETTINGS
) -> Pool:
    """A pool that takes at most 5 s to connect and 30 s for a statement. Raises DatabaseUnavailable.

    Whoever finds all its connections in use waits until one is free. `settings` are PostgreSQL's, for each connection.
    """
    try:
        return await asyncpg.create_pool(
            dsn,
            min_size=min_size,
            max_size=max_size,
            timeout=5.0,
            command_timeout=30.0,
            reset=_nothing,
            server_settings={
                "timezone": "UTC",
                "jit": "off",
                "application_name": "posthouse",
                # A process that was stopped in the middle must not keep its locks from everybody else.
                "idle_in_transaction_session_timeout": "15s",
                **settings,
            },
        )
    except AWAY as error:
        raise DatabaseUnavailable(f"PostgreSQL does not answer: {error}") from error


async def check(pool: Pool) -> None:
    """Raise DatabaseUnavailable while PostgreSQL does not answer."""
    try:
        await pool.fetchval("SELECT 1", timeout=2.0)
    except AWAY as error:
        raise DatabaseUnavailable(f"PostgreSQL does not answer: {error}") from error


async def check_durability(pool: Pool) -> None:
    """Raise DatabaseMisconfigured on a server that may forget what it committed."""
    try:
        for name, weak in WEAK.items():
            if await pool.fetchval("SELECT current_setting($1)", name) == weak:
                raise DatabaseMisconfigured(
                    f"PostgreSQL runs with {name} = {weak}: a committed message could be lost. Set {name} = on."
                )
    except AWAY as error:
        raise DatabaseUnavailable(f"PostgreSQL does not answer: {error}") from error
