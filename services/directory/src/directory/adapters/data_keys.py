"""Wrapped data keys as SQL, each within its tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from pgkit import OPERATOR, Pool, transaction

from directory.core.data_keys import Wrapped
from directory.ports import Missing


@dataclass(frozen=True, slots=True)
class DataKeyRecord:
    """`wrapped` is None where the key was deleted."""

    tenant_id: str
    version: int
    wrapped: Wrapped | None
    created_at: datetime
    deleted_at: datetime | None


def _record(row: asyncpg.Record) -> DataKeyRecord:
    octets = row["wrapped"]
    return DataKeyRecord(
        str(row["tenant_id"]),
        row["version"],
        None if octets is None else Wrapped(row["wrapped_with"], bytes(octets)),
        row["created_at"],
        row["deleted_at"],
    )


class DataKeys:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def current(self, tenant_id: str) -> tuple[bool, DataKeyRecord | None]:
        """Whether the tenant wants to encrypt, and its newest key, which may be deleted. Raises Missing."""
        async with transaction(self._pool, tenant_id) as connection:
            row = await connection.fetchrow(
                """SELECT coalesce((p.choices->>'encrypt_bodies')::boolean, false) AS encrypts, t.tenant_id, k.*
                   FROM tenant t LEFT JOIN tenant_policy p ON p.tenant_id = t.tenant_id
                   LEFT JOIN LATERAL (
                       SELECT version, wrapped_with, wrapped, created_at, deleted_at FROM data_key d
                       WHERE d.tenant_id = t.tenant_id ORDER BY version DESC LIMIT 1) k ON true
                   WHERE t.tenant_id = $1::uuid""",
                tenant_id,
            )
        if row is None:
            raise Missing("there is no such tenant")
        return row["encrypts"], None if row["version"] is None else _record(row)

    async def get(self, tenant_id: str, version: int) -> DataKeyRecord | None:
        """None where it was never there; `wrapped` is None where it was deleted."""
        async with transaction(self._pool, tenant_id) as connection:
            row = await connection.fetchrow("SELECT * FROM data_key WHERE version = $1", version)
        return None if row is None else _record(row)

    async def listing(self, tenant_id: str) -> list[DataKeyRecord]:
        """The newest first."""
        async with transaction(self._pool, tenant_id) as connection:
            rows = await connection.fetch("SELECT * FROM data_key ORDER BY version DESC")
        return [_record(row) for row in rows]

    async def add(self, tenant_id: str, version: int, wrapped: Wrapped) -> bool:
        """False where the number is taken. Raises Missing."""
        async with transaction(self._pool, tenant_id) as connection:
            try:
                done = await connection.execute(
                    """INSERT INTO data_key (tenant_id, version, wrapped_with, wrapped)
                       VALUES ($1::uuid, $2, $3, $4) ON CONFLICT DO NOTHING""",
                    tenant_id,
                    version,
                    wrapped.with_,
                    wrapped.octets,
                )
            except asyncpg.ForeignKeyViolationError as error:
                raise Missing("there is no such tenant") from error
        return bool(done != "INSERT 0 0")

    async def delete_all(self, tenant_id: str) -> int:
        """How many were not deleted yet."""
        async with transaction(self._pool, tenant_id) as connection:
            done = await connection.execute(
                """UPDATE data_key SET wrapped = NULL, wrapped_with = '', deleted_at = now()
                   WHERE wrapped IS NOT NULL"""
            )
        return int(done.split()[1])

    async def uses(self) -> list[tuple[str, int]]:
        """Which key-encryption keys wrap how many, of all tenants."""
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                """SELECT wrapped_with, count(*) AS keys FROM data_key WHERE wrapped IS NOT NULL
                   GROUP BY wrapped_with ORDER BY wrapped_with"""
            )
        return [(row["wrapped_with"], row["keys"]) for row in rows]

    async def wrapped_otherwise(
        self, current: str, after: tuple[str, int], size: int
    ) -> Sequence[DataKeyRecord]:
        """Those that are not wrapped with this one, of all tenants, in pieces."""
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                """SELECT * FROM data_key WHERE wrapped IS NOT NULL AND wrapped_with <> $1
                   AND (tenant_id, version) > ($2::uuid, $3) ORDER BY tenant_id, version LIMIT $4""",
                current,
                *after,
                size,
            )
        return [_record(row) for row in rows]

    async def rewrap(self, record: DataKeyRecord, wrapped: Wrapped) -> bool:
        """False where it is not what it was: deleted, or another did it."""
        assert record.wrapped is not None
        async with transaction(self._pool, record.tenant_id) as connection:
            done = await connection.execute(
                """UPDATE data_key SET wrapped_with = $3, wrapped = $4
                   WHERE tenant_id = $1::uuid AND version = $2 AND wrapped = $5""",
                record.tenant_id,
                record.version,
                wrapped.with_,
                wrapped.octets,
                record.wrapped.octets,
            )
        return bool(done == "UPDATE 1")
