"""Two classes of failure that are not a bug: the database is away, or it is weaker than we promise."""

import asyncio

import asyncpg


class DatabaseUnavailable(Exception):
    """PostgreSQL did not do what was asked; asking again later may help."""


class Collided(DatabaseUnavailable):
    """PostgreSQL gave this transaction up, for another one that it waited for or a migration: nothing of it is done."""


class DatabaseMisconfigured(Exception):
    """PostgreSQL could forget what it committed; the text says what to set."""


# What asyncpg raises when the server is away, starting, stopping, full, broken, migrated or silent.
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
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InvalidAuthorizationSpecificationError,
    # Its disk does not read or write: the next try may, and no message is to blame.
    asyncpg.PostgresSystemError,
    # A migration changed a table under statements that were prepared before; they are prepared anew after this.
    asyncpg.InvalidCachedStatementError,
    asyncpg.OutdatedSchemaCacheError,
)


COLLIDED: tuple[type[BaseException], ...] = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InvalidCachedStatementError,
)


def unavailable(error: BaseException) -> DatabaseUnavailable:
    """What to raise from one of AWAY that happened in the middle."""
    kind = Collided if isinstance(error, COLLIDED) else DatabaseUnavailable
    return kind(f"PostgreSQL did not do it: {error}")


def is_away(error: BaseException) -> bool:
    """Whether trying again later may help.

    asyncpg reports a value that it cannot encode as an InterfaceError that is a ValueError: that is the fault of
    the value, and trying it again would go on for ever.
    """
    return isinstance(error, AWAY) and not isinstance(error, ValueError)
