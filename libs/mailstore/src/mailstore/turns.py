"""Whoever changes something of an account waits for the others of this process here, and not in PostgreSQL.

Changes of one account follow one another anyway, by the lock of its row (see `tables`). Whoever waits for that holds a
connection meanwhile, of which a process has few: some sessions of one user beside a change of his that takes long would
have them all, and nobody else's mail could be looked at. So one at a time asks for the lock.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from mailmodel import AccountRef


class _Turn:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        # Who has it or waits for it.
        self.wanted = 0


class Turns:
    """Of all accounts, in one process."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}

    @asynccontextmanager
    async def of(self, *accounts: AccountRef) -> AsyncIterator[None]:
        """The turn of these accounts, in the order in which their rows are locked. Not to be taken within another."""
        async with AsyncExitStack() as stack:
            for account_id in sorted({account.account_id for account in accounts}):
                await stack.enter_async_context(self._one(account_id))
            yield

    @asynccontextmanager
    async def _one(self, account_id: str) -> AsyncIterator[None]:
        turn = self._turns.setdefault(account_id, _Turn())
        turn.wanted += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.wanted -= 1
            if not turn.wanted:
                del self._turns[account_id]

    def __len__(self) -> int:
        """Accounts of which somebody has the turn."""
        return len(self._turns)
