"""The list of addresses that are written to no more, in PostgreSQL. Look-ups that come together are one query."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from pgkit import OPERATOR, Pool, transaction

from mta_queue.adapters.auditing import audit
from mta_queue.adapters.filtering import Conditions, tenant_uuid
from mta_queue.adapters.items import scope_of
from mta_queue.adapters.together import Together
from mta_queue.core.item_filter import FilterInvalid
from mta_queue.core.records import Caller, Missing
from mta_queue.core.suppression import Cause, Suppression, key_of

ADDRESS_MOST = 320
QUESTIONS_AT_ONCE = 500
# What somebody said by hand is not overwritten by what happened to happen.
ADD = """
INSERT INTO suppression AS known (tenant_id, address, cause, detail, queue_id, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (tenant_id, address) DO UPDATE
SET cause = excluded.cause, detail = excluded.detail, queue_id = excluded.queue_id, created_at = now(),
    expires_at = excluded.expires_at
WHERE $3 = 'manual' OR known.cause <> 'manual' OR known.expires_at <= now()
RETURNING *"""
Question = tuple[str, tuple[str, ...]]


class Suppressions:
    """Every method raises DatabaseUnavailable; those of the operator FilterInvalid."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._asked: Together[Question, Mapping[str, Suppression]] = Together(self._ask, QUESTIONS_AT_ONCE)

    async def among(self, tenant_id: str, addresses: Sequence[str]) -> Mapping[str, Suppression]:
        """Those of these addresses that are on the tenant's list now."""
        return await self._asked.do((tenant_id, tuple(addresses)))

    async def _ask(self, questions: Sequence[Question]) -> Sequence[Mapping[str, Suppression]]:
        wanted = [(tenant_id, each) for tenant_id, addresses in questions for each in addresses]
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                """SELECT s.* FROM suppression s
                   JOIN unnest($1::uuid[], $2::text[]) AS asked(tenant_id, address) USING (tenant_id, address)
                   WHERE s.expires_at IS NULL OR s.expires_at > now()""",
                [UUID(tenant_id) for tenant_id, _ in wanted],
                [key_of(address) for _, address in wanted],
            )
        found = {(str(row["tenant_id"]), row["address"]): _suppression(row) for row in rows}
        return [
            {
                address: found[tenant_id, key_of(address)]
                for address in addresses
                if (tenant_id, key_of(address)) in found
            }
            for tenant_id, addresses in questions
        ]

    async def happened(
        self,
        tenant_id: str,
        address: str,
        cause: Cause,
        detail: str,
        queue_id: str,
        expires_at: datetime | None,
    ) -> bool:
        """Put on the list by what came back; False where somebody's word stands there already."""
        async with transaction(self._pool, tenant_id) as connection:
            row = await connection.fetchrow(
                ADD, UUID(tenant_id), key_of(address), cause.value, detail[:500], queue_id, expires_at
            )
        return row is not None

    # -- the operator

    async def add(
        self, caller: Caller, tenant_id: str, address: str, detail: str, expires_at: datetime | None
    ) -> Suppression:
        """By hand."""
        tenant = _tenant(caller, tenant_id)
        async with transaction(self._pool, scope_of(caller)) as connection:
            row = await connection.fetchrow(
                ADD, tenant, _address(address), Cause.MANUAL.value, detail, "", expires_at
            )
            assert row is not None
            what = {"address": row["address"]}
            change = {"expires_at": expires_at.isoformat() if expires_at is not None else ""}
            await audit(connection, caller, tenant, what, "suppress", detail, change)
        return _suppression(row)

    async def remove(self, caller: Caller, tenant_id: str, address: str) -> None:
        """Mail goes there again. Raises Missing."""
        tenant = _tenant(caller, tenant_id)
        async with transaction(self._pool, scope_of(caller)) as connection:
            row = await connection.fetchrow(
                "DELETE FROM suppression WHERE tenant_id = $1 AND address = $2 RETURNING *",
                tenant,
                _address(address),
            )
            if row is None:
                raise Missing("it is not on the list")
            change = {"cause": row["cause"], "detail": row["detail"]}
            await audit(connection, caller, tenant, {"address": row["address"]}, "unsuppress", "", change)

    async def show(self, caller: Caller, tenant_id: str, address: str) -> Suppression:
        """Raises Missing."""
        tenant = _tenant(caller, tenant_id)
        async with transaction(self._pool, scope_of(caller)) as connection:
            row = await connection.fetchrow(
                """SELECT * FROM suppression WHERE tenant_id = $1 AND address = $2
                   AND (expires_at IS NULL OR expires_at > now())""",
                tenant,
                _address(address),
            )
        if row is None:
            raise Missing("it is not on the list")
        return _suppression(row)

    async def listing(
        self, caller: Caller, tenant_id: str, cause: str, after: str, limit: int
    ) -> list[Suppression]:
        """One tenant's, in the order of addresses."""
        found = Conditions()
        found.add("tenant_id = {}", _tenant(caller, tenant_id))
        found.add("(expires_at IS NULL OR expires_at > now()) AND address > {}", after)
        if cause:
            found.add("cause = {}", cause)
        found.add("true ORDER BY address LIMIT {}", limit)
        async with transaction(self._pool, scope_of(caller)) as connection:
            rows = await connection.fetch(
                " ".join(("SELECT * FROM suppression WHERE", found.sql())), *found.values
            )
        return [_suppression(row) for row in rows]

    async def forget_expired(self, limit: int) -> int:
        """Returns how many."""
        async with transaction(self._pool, OPERATOR) as connection:
            done = await connection.execute(
                """DELETE FROM suppression WHERE (tenant_id, address) IN (
                       SELECT tenant_id, address FROM suppression WHERE expires_at <= now() LIMIT $1)""",
                limit,
            )
        return int(done.rpartition(" ")[2])


def _tenant(caller: Caller, tenant_id: str) -> UUID:
    if caller.tenant_id and tenant_id not in ("", caller.tenant_id):
        raise FilterInvalid("there is no such tenant")
    chosen = tenant_id or caller.tenant_id
    if not chosen:
        raise FilterInvalid("say whose list: a tenant's")
    return tenant_uuid(chosen)


def _address(address: str) -> str:
    key = key_of(address)
    local, at, domain = key.rpartition("@")
    if not (local and at and domain) or len(key) > ADDRESS_MOST or any(each <= " " for each in key):
        raise FilterInvalid(f"{address!r} is no address")
    return key


def _suppression(row: asyncpg.Record) -> Suppression:
    return Suppression(
        tenant_id=str(row["tenant_id"]),
        address=row["address"],
        cause=Cause(row["cause"]),
        detail=row["detail"],
        queue_id=row["queue_id"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )
