"""What tenants and accounts chose, as SQL: one JSON object each, by the names of the fields."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from pgkit import OPERATOR, Pool, transaction

from directory.core.names import NameInvalid


@dataclass(frozen=True, slots=True)
class Quota:
    """How much an account, and its tenant together, may keep; 0: no limit."""

    account_id: str
    octets: int
    messages: int
    tenant_octets: int


# An account's own choice goes before its tenant's; 0 is none.
QUOTAS = """SELECT * FROM (
    SELECT a.account_id,
           coalesce(nullif((s.choices->>'quota_octets')::numeric, 0),
                    (p.choices->>'account_quota_octets')::numeric, 0)::bigint AS octets,
           coalesce(nullif((s.choices->>'quota_messages')::numeric, 0),
                    (p.choices->>'account_quota_messages')::numeric, 0)::bigint AS messages,
           coalesce((p.choices->>'tenant_quota_octets')::numeric, 0)::bigint AS tenant_octets
    FROM account a LEFT JOIN account_settings s USING (account_id)
    LEFT JOIN tenant_policy p ON p.tenant_id = a.tenant_id
    WHERE a.account_id = ANY($1::uuid[])) q
WHERE octets > 0 OR messages > 0 OR tenant_octets > 0"""


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

    async def quotas(self, account_ids: Sequence[str]) -> list[Quota]:
        """Of those of these accounts that have a limit; of any tenant. Raises NameInvalid."""
        try:
            wanted = [UUID(account_id) for account_id in account_ids]
        except ValueError as error:
            raise NameInvalid("that is no account's id") from error
        async with transaction(self._pool, OPERATOR) as connection:
            found = await connection.fetch(QUOTAS, wanted)
        return [
            Quota(str(row["account_id"]), row["octets"], row["messages"], row["tenant_octets"])
            for row in found
        ]

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
