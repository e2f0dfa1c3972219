"""What tenants chose, as SQL."""

from pgkit import Pool, transaction


class Policies:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def dmarc(self, tenant_id: str) -> str:
        """mark, quarantine or reject; "" where nothing was chosen."""
        async with transaction(self._pool, tenant_id) as connection:
            found = await connection.fetchval(
                "SELECT dmarc FROM tenant_policy WHERE tenant_id = $1::uuid", tenant_id
            )
        return str(found or "")

    async def choose_dmarc(self, tenant_id: str, dmarc: str) -> None:
        """ "" takes the choice back."""
        async with transaction(self._pool, tenant_id) as connection:
            await connection.execute(
                """INSERT INTO tenant_policy (tenant_id, dmarc) VALUES ($1::uuid, $2)
                   ON CONFLICT (tenant_id) DO UPDATE SET dmarc = excluded.dmarc""",
                tenant_id,
                dmarc,
            )
