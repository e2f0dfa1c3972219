"""Deleted accounts as SQL: kept for some days without addresses, then removed for good, and that is told.

A deleted account has no address: nobody finds it, nothing is delivered to it and nobody logs in, and its addresses are
free for others. What it had is written down, to be given back. Whoever keeps its mail asks for `removed_account`, and
takes it off when the mail is gone: no message that could get lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from pgkit import OPERATOR, Connection, Pool, transaction

from directory.adapters.addresses import insert_address
from directory.ports import AccountRecord, Missing, Taken

DELETED = """
SELECT c.*, t.name AS tenant_name FROM account c JOIN tenant t ON t.tenant_id = c.tenant_id
WHERE c.deleted_at IS NOT NULL"""


@dataclass(frozen=True, slots=True)
class DeletedRecord:
    account_id: str
    tenant_id: str
    tenant_name: str
    display_name: str
    addresses: tuple[str, ...]
    deleted_at: datetime


@dataclass(frozen=True, slots=True)
class RemovedRecord:
    account_id: str
    tenant_id: str
    store: str


def _deleted(row: asyncpg.Record) -> DeletedRecord:
    return DeletedRecord(
        str(row["account_id"]),
        str(row["tenant_id"]),
        row["tenant_name"],
        row["display_name"],
        tuple(row["deleted_addresses"]),
        row["deleted_at"],
    )


class DeletedAccounts:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def delete(self, account: AccountRecord, now: datetime) -> tuple[str, ...]:
        """Take its addresses away; which they were."""
        async with transaction(self._pool, account.tenant_id) as connection:
            rows = await connection.fetch(
                """SELECT local_part || '@' || domain AS address FROM address WHERE account_id = $1::uuid
                   ORDER BY is_primary DESC, domain, local_part FOR UPDATE""",
                account.account_id,
            )
            addresses = [row["address"] for row in rows]
            if addresses:
                await connection.execute(
                    """UPDATE account SET deleted_at = $2, deleted_addresses = $3::text[]
                       WHERE account_id = $1::uuid""",
                    account.account_id,
                    now,
                    addresses,
                )
                await connection.execute(
                    "DELETE FROM address WHERE account_id = $1::uuid", account.account_id
                )
        return tuple(addresses)

    async def get(self, account_id: str) -> DeletedRecord:
        """Raises Missing."""
        async with transaction(self._pool, OPERATOR) as connection:
            row = await connection.fetchrow(DELETED + " AND c.account_id = $1::uuid", account_id)
        if row is None:
            raise Missing(f"there is no deleted account {account_id}")
        return _deleted(row)

    async def listing(self, tenant_id: str | None, after: str, limit: int) -> list[DeletedRecord]:
        """By id, those after `after` (an id, or "")."""
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                DELETED
                + """ AND ($1::uuid IS NULL OR c.tenant_id = $1) AND ($2::uuid IS NULL OR c.account_id > $2)
                      ORDER BY c.account_id LIMIT $3""",
                tenant_id,
                after or None,
                limit,
            )
        return [_deleted(row) for row in rows]

    async def restore(self, record: DeletedRecord) -> None:
        """With all its addresses. Raises Taken where somebody has one of them now, Missing."""
        async with transaction(self._pool, record.tenant_id) as connection:
            try:
                restored = await connection.fetchrow(
                    """UPDATE account SET deleted_at = NULL, deleted_addresses = '{}'
                       WHERE account_id = $1::uuid AND deleted_at IS NOT NULL RETURNING account_id""",
                    record.account_id,
                )
            except asyncpg.UniqueViolationError as error:
                raise Taken("another account has its externalId now") from error
            if restored is None:
                raise Missing(f"there is no deleted account {record.account_id}")
            for place, address in enumerate(record.addresses):
                await insert_address(connection, record.tenant_id, address, record.account_id, not place)

    async def remove(self, account_id: str) -> None:
        """For good, now. Raises Missing."""
        async with transaction(self._pool, OPERATOR) as connection:
            if not await _removed(connection, account_id=account_id):
                raise Missing(f"there is no deleted account {account_id}")

    async def remove_old(self, before: datetime) -> int:
        """Those deleted before then; how many."""
        async with transaction(self._pool, OPERATOR) as connection:
            return await _removed(connection, before=before)

    async def removed(self, limit: int) -> list[RemovedRecord]:
        """Whose mail is still to be removed, the oldest first."""
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                "SELECT * FROM removed_account ORDER BY removed_at, account_id LIMIT $1", limit
            )
        return [RemovedRecord(str(row["account_id"]), str(row["tenant_id"]), row["store"]) for row in rows]

    async def settle(self, account_ids: Sequence[str]) -> None:
        """Their mail is gone."""
        async with transaction(self._pool, OPERATOR) as connection:
            await connection.execute(
                "DELETE FROM removed_account WHERE account_id = ANY($1::uuid[])",
                [UUID(account_id) for account_id in account_ids],
            )


async def remove_deleted_of(connection: Connection, tenant_id: str) -> None:
    """All that a tenant has deleted: for good."""
    await _removed(connection, tenant_id=tenant_id)


async def _removed(
    connection: Connection,
    *,
    account_id: str | None = None,
    tenant_id: str | None = None,
    before: datetime | None = None,
) -> int:
    done = await connection.execute(
        """WITH gone AS (
               DELETE FROM account WHERE deleted_at IS NOT NULL AND ($1::uuid IS NULL OR account_id = $1)
                   AND ($2::uuid IS NULL OR tenant_id = $2) AND ($3::timestamptz IS NULL OR deleted_at < $3)
               RETURNING account_id, tenant_id, store)
           INSERT INTO removed_account (account_id, tenant_id, store) SELECT * FROM gone
           ON CONFLICT (account_id) DO NOTHING""",
        account_id,
        tenant_id,
        before,
    )
    return int(done.rpartition(" ")[2])
