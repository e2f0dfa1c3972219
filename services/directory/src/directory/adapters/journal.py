"""What logins leave behind, written a moment later: a login never waits for it.

A batch is what came while the one before it was being written. What is noted twice meanwhile is written once. While
PostgreSQL is away it is kept, up to a limit, and tried again.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from pgkit import OPERATOR, Connection, DatabaseUnavailable, Pool, transaction

from directory.adapters.sign_ins import hour_of, write
from directory.ports import SignInRecord

MOST_KEPT = 10_000
RETRY_SECONDS = 1.0
SignInKey: TypeAlias = tuple[str, datetime, str, str, str]


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
        self._sign_ins: dict[SignInKey, SignInRecord] = {}
        self._more = asyncio.Event()
        self._turn = asyncio.Lock()

    def used(self, use: Use) -> None:
        """Note the use of an app password; the last one counts."""
        if len(self._uses) < MOST_KEPT or use.credential_id in self._uses:
            self._uses[use.credential_id] = use
            self._more.set()

    def came(self, record: SignInRecord) -> None:
        """Note for the sign-in log; what is the same within the hour is counted."""
        key = (record.account_id, hour_of(record.first_at), record.service, record.address, record.outcome)
        if (noted := self._sign_ins.get(key)) is not None:
            record = replace(
                noted,
                first_at=min(noted.first_at, record.first_at),
                last_at=max(noted.last_at, record.last_at),
                times=noted.times + record.times,
                new_device=noted.new_device or record.new_device,
                suspicious=noted.suspicious or record.suspicious,
            )
        elif len(self._sign_ins) >= MOST_KEPT:
            return
        self._sign_ins[key] = record
        self._more.set()

    async def write(self) -> None:
        """Write what is noted now. Raises DatabaseUnavailable; it is kept then."""
        async with self._turn:
            self._more.clear()
            uses, self._uses = self._uses, {}
            sign_ins, self._sign_ins = self._sign_ins, {}
            if not uses and not sign_ins:
                return
            try:
                async with transaction(self._pool, OPERATOR) as connection:
                    if uses:
                        await self._write_uses(connection, list(uses.values()))
                    if sign_ins:
                        await write(connection, list(sign_ins.values()))
            except DatabaseUnavailable:
                for use in uses.values():
                    if use.credential_id not in self._uses:
                        self.used(use)
                for record in sign_ins.values():
                    self.came(record)
                raise

    @staticmethod
    async def _write_uses(connection: Connection, uses: list[Use]) -> None:
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

    async def run(self, draining: asyncio.Event) -> None:
        """Write until the drain; what comes after it is written at the close."""
        told = asyncio.ensure_future(draining.wait())
        told.add_done_callback(lambda _: self._more.set())
        while True:
            await self._more.wait()
            if draining.is_set():
                return
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
