"""OpenID providers of tenants as SQL. Their secrets are sealed: the database alone opens nothing."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg
from pgkit import OPERATOR, Pool, transaction

from directory.core.openid import Provider
from directory.core.sealing import Sealer, Unopened
from directory.ports import InUse, Missing

MOST_OF_A_TENANT = 10


@dataclass(frozen=True, slots=True)
class ProviderRecord:
    provider: Provider
    has_secret: bool
    created_at: datetime


class OpenidProviders:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, pool: Pool, sealer: Sealer | None) -> None:
        self._pool = pool
        self._sealer = sealer

    def _provider(self, row: asyncpg.Record) -> Provider:
        secret = None
        if row["sealed_secret"] is not None and self._sealer is not None:
            try:
                place = ("openid", str(row["tenant_id"]), row["issuer"])
                secret = self._sealer.open(row["sealed_secret"], place).decode()
            except Unopened:
                secret = None  # It can still say what JWTs are worth.
        return Provider(
            str(row["tenant_id"]),
            row["issuer"],
            tuple(row["audiences"]),
            row["address_claim"],
            tuple(row["required_scopes"]),
            row["client_id"],
            secret,
        )

    async def put(self, provider: Provider) -> None:
        """All of it; the secret where there is one, else it stays. Raises InUse, Missing."""
        sealed = None
        if provider.client_secret is not None:
            if self._sealer is None:
                raise InUse("this installation has no secret to keep a client's secret with")
            place = ("openid", provider.tenant_id, provider.issuer)
            sealed = self._sealer.seal(provider.client_secret.encode(), place)
        async with transaction(self._pool, provider.tenant_id) as connection:
            held = await connection.fetchval(
                "SELECT count(*) FROM openid_provider WHERE issuer <> $1", provider.issuer
            )
            if held >= MOST_OF_A_TENANT:
                raise InUse(f"a tenant has at most {MOST_OF_A_TENANT} OpenID providers")
            try:
                await connection.execute(
                    """INSERT INTO openid_provider AS o (tenant_id, issuer, audiences, address_claim,
                                                         required_scopes, client_id, sealed_secret)
                       VALUES ($1::uuid, $2, $3::text[], $4, $5::text[], $6, $7)
                       ON CONFLICT (tenant_id, issuer) DO UPDATE SET audiences = excluded.audiences,
                           address_claim = excluded.address_claim, required_scopes = excluded.required_scopes,
                           client_id = excluded.client_id,
                           sealed_secret = coalesce(excluded.sealed_secret, o.sealed_secret)""",
                    provider.tenant_id,
                    provider.issuer,
                    list(provider.audiences),
                    provider.address_claim,
                    list(provider.required_scopes),
                    provider.client_id,
                    sealed,
                )
            except asyncpg.ForeignKeyViolationError as error:
                raise Missing("the tenant is not here any more") from error

    async def listing(self, tenant_id: str) -> list[ProviderRecord]:
        """By issuer."""
        async with transaction(self._pool, tenant_id) as connection:
            rows = await connection.fetch(
                "SELECT * FROM openid_provider WHERE tenant_id = $1::uuid ORDER BY issuer", tenant_id
            )
        return [
            ProviderRecord(self._provider(row), row["sealed_secret"] is not None, row["created_at"])
            for row in rows
        ]

    async def delete(self, tenant_id: str, issuer: str) -> None:
        """Raises Missing."""
        async with transaction(self._pool, tenant_id) as connection:
            done = await connection.execute("DELETE FROM openid_provider WHERE issuer = $1", issuer)
        if done == "DELETE 0":
            raise Missing(f"the tenant has no OpenID provider {issuer}")

    async def of_domain(self, domain: str) -> list[Provider]:
        """Those of the tenant that a domain belongs to."""
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                """SELECT o.* FROM openid_provider o JOIN domain d ON d.tenant_id = o.tenant_id
                   WHERE d.name = $1 ORDER BY o.issuer""",
                domain,
            )
        return [self._provider(row) for row in rows]

    async def claims_of(self, issuer: str) -> list[str]:
        """By which claims tenants that have this issuer know their people."""
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                "SELECT DISTINCT address_claim FROM openid_provider WHERE issuer = $1 ORDER BY 1 LIMIT 20",
                issuer,
            )
        return [row["address_claim"] for row in rows]
