"""The lock on a maildrop (RFC 1939 §4), over all replicas: a PostgreSQL advisory lock.

It lives with its connection, so it is gone the moment its holder is.
"""

from contextlib import AsyncExitStack
from uuid import UUID

from mailmodel import AccountRef
from pgkit import Connection, DatabaseUnavailable, Pool
from pgkit.errors import AWAY

# The first key of all our maildrop locks; the second is made of the account.
FAMILY = 1110


class MaildropLock:
    """Held until `release`."""

    def __init__(self, pool: Pool, connection: Connection, key: int) -> None:
        self._pool = pool
        self._connection: Connection | None = connection
        self._key = key

    async def release(self) -> None:
        """Let the next session in. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._pool.release, connection)
            try:
                await connection.execute("SELECT pg_advisory_unlock($1, $2)", FAMILY, self._key)
            except AWAY:
                connection.terminate()


async def acquire(pool: Pool, account: AccountRef) -> MaildropLock | None:
    """The lock, or None where another session has it. Raises StoreUnavailable.

    Holds one connection of the pool: give it a pool of its own.
    """
    key = UUID(account.account_id).int & 0x7FFFFFFF
    try:
        connection = await pool.acquire(timeout=5.0)
    except AWAY as error:
        raise DatabaseUnavailable(f"PostgreSQL does not answer: {error}") from error
    try:
        if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", FAMILY, key):
            return MaildropLock(pool, connection, key)
    except AWAY as error:
        connection.terminate()
        await pool.release(connection)
        raise DatabaseUnavailable(f"PostgreSQL does not answer: {error}") from error
    await pool.release(connection)
    return None
