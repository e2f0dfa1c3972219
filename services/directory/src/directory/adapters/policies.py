"""What tenants and accounts chose, as SQL: one JSON object each, by the names of the fields."""

from collections.abc import Callable

from pgkit import Pool, transaction


class Policies:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def of_tenant(self, tenant_id: str) -> str:
        """JSON; "" where nothing was chosen."""
        async with transaction(self._pool, tenant_id) as connection:
            found = await connection.fetchval(
                "SELECT choices::text FROM tenant_policy WHERE tenant_id = $1::uuid", tenant_id
            )
        return str(found or "")

    async def of_account(self, tenant_id: str, account_id: str) -> str:
        """JSON; "" where nothing was chosen."""
        async with transaction(self._pool, tenant_id) as connection:
            found = await connection.fetchval(
                "SELECT choices::text FROM account_settings WHERE account_id = $1::uuid", account_id
            )
        return str(found or "")

    async def change_tenant(self, tenant_id: str, change: Callable[[str], str]) -> None:
        """`change` makes the new JSON of the old one; nobody else changes it meanwhile."""
        async with transaction(self._pool, tenant_id) as connection:
            found = await connection.fetchval(
                """INSERT INTO tenant_policy (tenant_id) VALUES ($1::uuid)
                   ON CONFLICT (tenant_id) DO UPDATE SET tenant_id = excluded.tenant_id
                   RETURNING choices::text""",
                tenant_id,
            )
            await connection.execute(
                "UPDATE tenant_policy SET choices = $2::jsonb WHERE tenant_id = $1::uuid",
                tenant_id,
                change(str(found)),
            )

    async def change_account(self, tenant_id: str, account_id: str, change: Callable[[str], str]) -> None:
        """As `change_tenant`."""
        async with transaction(self._pool, tenant_id) as connection:
            found = await connection.fetchval(
                """INSERT INTO account_settings (account_id, tenant_id) VALUES ($1::uuid, $2::uuid)
                   ON CONFLICT (account_id) DO UPDATE SET tenant_id = excluded.tenant_id
                   RETURNING choices::text""",
                account_id,
                tenant_id,
            )
            await connection.execute(
                "UPDATE account_settings SET choices = $2::jsonb WHERE account_id = $1::uuid",
                account_id,
                change(str(found)),
            )
