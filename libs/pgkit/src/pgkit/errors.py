"""Two classes of failure that are not a bug: the database is away, or it is weaker than we promise."""

import asyncio

import asyncpg


class DatabaseUnavailable(Exception):
    """PostgreSQL did not do what was asked; asking again later may help."""


class DatabaseMisconfigured(Exception):
    """PostgreSQL could forget what it committed; the text says what to set."""


# What asyncpg raises when the server is away, starting, stopping, full or silent.
AWAY: tuple[type[BaseException], ...] = (
    OSError,
    asyncio.TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InsufficientResourcesError,
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InvalidAuthorizationSpecificationError,
)
