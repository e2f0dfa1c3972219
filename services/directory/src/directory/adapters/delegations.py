"""Who may send for an address, as SQL. Address and delegate are of one tenant: the tables hold that."""

from dataclasses import dataclass
from datetime import datetime

from pgkit import Pool, transaction

from directory.adapters.addresses import halves
from directory.ports import AccountRecord, InUse, Missing

MOST_OF_AN_ACCOUNT = 500
LISTING = """
SELECT g.*, p.local_part || '@' || p.domain AS delegate FROM delegation g
JOIN address p ON p.account_id = g.account_id AND p.is_primary
WHERE ($1 = '' OR g.domain = $1 AND g.local_part = $2) AND ($3::uuid IS NULL OR g.account_id = $3)
ORDER BY g.domain, g.local_part, p.domain, p.local_part"""


@dataclass(frozen=True, slots=True)
class DelegationRecord:
    """`right`: send_as or send_on_behalf."""

    address: str
    delegate: str
    right: str
    created_at: datetime


class Delegations:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def allow(self, address: str, delegate: AccountRecord, right: str) -> DelegationRecord:
        """The last word counts. Raises Missing where the address is not the delegate's tenant's, InUse."""
        local_part, domain = halves(address)
        async with transaction(self._pool, delegate.tenant_id) as connection:
            if not await connection.fetchval(
                "SELECT true FROM address WHERE domain = $1 AND local_part = $2 FOR KEY SHARE",
                domain,
                local_part,
            ):
                raise Missing(f"there is no address {address} in the tenant of {delegate.address}")
            held = await connection.fetchval(
                "SELECT count(*) FROM delegation WHERE account_id = $1::uuid", delegate.account_id
            )
            if held >= MOST_OF_AN_ACCOUNT:
                raise InUse(f"an account may send for at most {MOST_OF_AN_ACCOUNT} addresses")
            at = await connection.fetchval(
                """INSERT INTO delegation (domain, local_part, account_id, tenant_id, send_right)
                   VALUES ($1, $2, $3::uuid, $4::uuid, $5)
                   ON CONFLICT (domain, local_part, account_id) DO UPDATE SET send_right = excluded.send_right
                   RETURNING created_at""",
                domain,
                local_part,
                delegate.account_id,
                delegate.tenant_id,
                right,
            )
        return DelegationRecord(address, delegate.address, right, at)

    async def revoke(self, address: str, delegate: AccountRecord) -> None:
        """Raises Missing."""
        local_part, domain = halves(address)
        async with transaction(self._pool, delegate.tenant_id) as connection:
            done = await connection.execute(
                "DELETE FROM delegation WHERE domain = $1 AND local_part = $2 AND account_id = $3::uuid",
                domain,
                local_part,
                delegate.account_id,
            )
        if done == "DELETE 0":
            raise Missing(f"{delegate.address} may not send for {address}")

    async def listing(self, tenant_id: str, address: str, delegate_id: str | None) -> list[DelegationRecord]:
        """For an address ("" for any), of a delegate (None for any)."""
        local_part, domain = halves(address)
        async with transaction(self._pool, tenant_id) as connection:
            rows = await connection.fetch(LISTING, domain, local_part, delegate_id)
        return [
            DelegationRecord(
                f"{row['local_part']}@{row['domain']}", row["delegate"], row["send_right"], row["created_at"]
            )
            for row in rows
        ]
