"""PostgreSQL connections, and the refusal of one that is configured weaker than our promise."""

import asyncpg

from servicekit.run import StartRefused

WEAK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


async def open_pool(dsn: str, *, min_size: int = 1, max_size: int = 4) -> "asyncpg.Pool[asyncpg.Record]":
    """A pool whose connections wait at most 5 s for the server and 30 s for a statement."""
    pool: asyncpg.Pool[asyncpg.Record] = await asyncpg.create_pool(
        dsn,
        min_size=min_size,
        max_size=max_size,
        timeout=5.0,
        command_timeout=30.0,
        server_settings={"timezone": "UTC", "jit": "off"},
    )
    return pool


async def check_durability(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    """Raise StartRefused on a PostgreSQL that may forget what it committed."""
    for name, weak in WEAK.items():
        if await pool.fetchval("SELECT current_setting($1)", name) == weak:
            raise StartRefused(
                f"PostgreSQL runs with {name} = {weak}: a committed message could be lost. Set {name} = on."
            )
