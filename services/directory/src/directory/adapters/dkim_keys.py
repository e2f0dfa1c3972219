"""Keys that sign for domains as SQL, each within its tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg
from pgkit import Pool, transaction
from senderauth.dkim import Algorithm

from directory.core.dkim_keys import MOST_OF_A_DOMAIN
from directory.ports import DomainRecord, InUse, Missing, Taken


@dataclass(frozen=True, slots=True)
class DkimKeyRecord:
    """A key as it rests. `record` is what DNS must say."""

    domain: str
    selector: str
    algorithm: Algorithm
    sealed: bytes
    record: str
    created_at: datetime


def _record(row: asyncpg.Record) -> DkimKeyRecord:
    return DkimKeyRecord(
        row["domain"],
        row["selector"],
        Algorithm(row["algorithm"]),
        row["sealed"],
        row["record"],
        row["created_at"],
    )


class DkimKeys:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(
        self, domain: DomainRecord, keys: Sequence[tuple[str, Algorithm, bytes, str]]
    ) -> list[DkimKeyRecord]:
        """All or none; each is selector, algorithm, sealed key and record.

        Raises Taken, InUse where there are too many, Missing where the domain is gone.
        """
        made = []
        async with transaction(self._pool, domain.tenant_id) as connection:
            # Two that create at once take turns, so that the count holds.
            if not await connection.fetchval(
                "SELECT true FROM domain WHERE name = $1 FOR UPDATE", domain.name
            ):
                raise Missing(f"there is no domain {domain.name}")
            held = await connection.fetchval("SELECT count(*) FROM dkim_key WHERE domain = $1", domain.name)
            if held + len(keys) > MOST_OF_A_DOMAIN:
                raise InUse(
                    f"a domain has at most {MOST_OF_A_DOMAIN} keys that sign; delete an old one first"
                )
            for selector, algorithm, sealed, record in keys:
                try:
                    row = await connection.fetchrow(
                        """INSERT INTO dkim_key (domain, selector, tenant_id, algorithm, sealed, record)
                           VALUES ($1, $2, $3::uuid, $4, $5, $6) RETURNING *""",
                        domain.name,
                        selector,
                        domain.tenant_id,
                        algorithm.value,
                        sealed,
                        record,
                    )
                except asyncpg.UniqueViolationError as error:
                    raise Taken(f"{domain.name} has a key with the selector {selector} already") from error
                assert row is not None
                made.append(_record(row))
        return made

    async def listing(self, tenant_id: str, domain: str) -> list[DkimKeyRecord]:
        """All of a domain, the oldest first; none of another tenant's."""
        async with transaction(self._pool, tenant_id) as connection:
            rows = await connection.fetch(
                "SELECT * FROM dkim_key WHERE domain = $1 ORDER BY created_at, selector", domain
            )
        return [_record(row) for row in rows]

    async def delete(self, domain: DomainRecord, selector: str) -> None:
        """Raises Missing."""
        async with transaction(self._pool, domain.tenant_id) as connection:
            done = await connection.execute(
                "DELETE FROM dkim_key WHERE domain = $1 AND selector = $2", domain.name, selector
            )
        if done == "DELETE 0":
            raise Missing(f"{domain.name} has no key with the selector {selector}")
