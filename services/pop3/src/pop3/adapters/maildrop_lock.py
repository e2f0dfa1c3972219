"""One POP3 session a maildrop (RFC 1939 §4), over all processes.

A lock is a session-level advisory lock of PostgreSQL, so it is gone the moment its holder's process is: no lease to
wait for, no row to clean up. All locks of a process are held by one connection of its own, whatever the number of
sessions. When that connection breaks, all its locks are gone: `MaildropLock.held` says so, and a session asks before
it removes anything. (`MailStore.lock_maildrop` takes a connection of the pool for each lock; a process has more
sessions than a pool has connections.)

A connection pooler in transaction mode must not stand between (it would share the connection).
"""

from __future__ import annotations

import asyncio
import hashlib

import asyncpg
from mailmodel import AccountRef
from pgkit import DatabaseUnavailable
from pgkit.errors import AWAY

_STATEMENT_SECONDS = 5.0


class MaildropLock:
    """The right to one maildrop. Release it when the session ends, however it ends."""

    def __init__(
        self, locks: MaildropLocks, key: int, connection: asyncpg.Connection[asyncpg.Record]
    ) -> None:
        self._locks = locks
        self._key = key
        self._connection = connection
        self._released = False

    @property
    def held(self) -> bool:
        """False once released, or when the connection that held it broke."""
        return not self._released and not self._connection.is_closed()

    async def release(self) -> None:
        """Let go. Never raises; a second call does nothing."""
        if not self._released:
            self._released = True
            await self._locks.give_back(self._key, self._connection)


class MaildropLocks:
    """All maildrop locks of this process."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._turn = asyncio.Lock()  # A connection does one statement at a time.
        # PostgreSQL lets one connection take its own lock twice, so within the process we look ourselves.
        self._taken: dict[int, asyncpg.Connection[asyncpg.Record]] = {}

    async def acquire(self, account: AccountRef) -> MaildropLock | None:
        """The lock, or None while another session has it. Raises DatabaseUnavailable.

        A call must be waited for to its end: a task is cancelled here only when the process ends.
        """
        key = _key(account)
        async with self._turn:
            connection = await self._connected()
            if self._taken.get(key) is connection:
                return None
            try:
                granted = await connection.fetchval(
                    "SELECT pg_try_advisory_lock($1)", key, timeout=_STATEMENT_SECONDS
                )
            except AWAY as error:
                # Whether the lock was taken is unknown: give all of them up rather than keep one for ever.
                connection.terminate()
                raise DatabaseUnavailable(f"PostgreSQL does not answer: {error}") from error
            if not granted:
                return None
            self._taken[key] = connection
            return MaildropLock(self, key, connection)

    async def give_back(self, key: int, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        """What `MaildropLock.release` does."""
        async with self._turn:
            if self._taken.get(key) is not connection:
                return
            del self._taken[key]
            if connection.is_closed():
                return
            try:
                await connection.execute("SELECT pg_advisory_unlock($1)", key, timeout=_STATEMENT_SECONDS)
            except AWAY:
                connection.terminate()

    async def close(self) -> None:
        """Release everything."""
        async with self._turn:
            self._taken.clear()
            if self._connection is not None:
                self._connection.terminate()

    async def _connected(self) -> asyncpg.Connection[asyncpg.Record]:
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        self._taken.clear()
        try:
            self._connection = await asyncpg.connect(
                self._dsn,
                timeout=_STATEMENT_SECONDS,
                server_settings={
                    "application_name": "posthouse-maildrop-locks",
                    # A host that vanished must not keep its users out for the hours of the system's default.
                    "tcp_keepalives_idle": "30",
                    "tcp_keepalives_interval": "10",
                    "tcp_keepalives_count": "3",
                },
            )
        except AWAY as error:
            raise DatabaseUnavailable(f"PostgreSQL does not answer: {error}") from error
        return self._connection


def _key(account: AccountRef) -> int:
    """64 bits out of the account, signed as PostgreSQL wants them."""
    name = f"maildrop {account.tenant_id} {account.account_id}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), signed=True)
