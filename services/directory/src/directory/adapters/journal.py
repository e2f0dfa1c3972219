"""What logins leave behind, written a moment later: a login never waits for it.

A batch is what came while the one before it was being written. What is noted twice meanwhile is written once. While
PostgreSQL is away it is kept, up to a limit, and tried again.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from pgkit import OPERATOR, DatabaseUnavailable, Pool, transaction

MOST_KEPT = 10_000
RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Use:
    """An app password was used."""

    credential_id: str
    at: datetime
    service: str
    address: str


class Journal:
    """Notes, and the one task that writes them."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._uses: dict[str, Use] = {}
        self._more = asyncio.Event()
        self._turn = asyncio.Lock()

    def used(self, use: Use) -> None:
        """Note the use of an app password; the last one counts."""
        if len(self._uses) < MOST_KEPT or use.credential_id in self._uses:
            self._uses[use.credential_id] = use
            self._more.set()

    async def write(self) -> None:
        """Write what is noted now. Raises DatabaseUnavailable; it is kept then."""
        async with self._turn:
            self._more.clear()
            uses, self._uses = self._uses, {}
            if not uses:
                return
            try:
                await self._write_uses(list(uses.values()))
            except DatabaseUnavailable:
                self._uses = {**uses, **self._uses}
                self._more.set()
                raise

    async def _write_uses(self, uses: list[Use]) -> None:
        async with transaction(self._pool, OPERATOR) as connection:
            await connection.execute(
                """UPDATE credential c SET last_used_at = u.at, last_used_service = u.service,
                                           last_used_address = u.address
                   FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[])
                        AS u(credential_id, at, service, address)
                   WHERE c.credential_id = u.credential_id AND (c.last_used_at IS NULL OR c.last_used_at <= u.at)""",
                [use.credential_id for use in uses],
                [use.at for use in uses],
                [use.service for use in uses],
                [use.address for use in uses],
            )

    async def run(self) -> None:
        """Write for as long as the process lives."""
        while True:
            await self._more.wait()
            try:
                await self.write()
            except DatabaseUnavailable:
                await asyncio.sleep(RETRY_SECONDS)

    async def close(self) -> None:
        """Write the rest, if that is possible."""
        try:
            await self.write()
        except DatabaseUnavailable:
            return
