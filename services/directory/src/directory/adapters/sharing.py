"""Accounts as those of their tenant may know them who share mailboxes, as SQL."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pgkit import Pool, transaction

# The tenant is named too: its index, beside the walls.
DESCRIBED = """
SELECT c.account_id, p.local_part || '@' || p.domain AS address, c.shared, c.suspended OR d.suspended AS suspended,
       ARRAY(SELECT DISTINCT g.local_part || '@' || g.domain FROM address own
             JOIN alias_target g ON g.tenant_id = $1 AND g.target = own.local_part || '@' || own.domain
             WHERE own.account_id = c.account_id ORDER BY 1) AS groups
FROM account c
JOIN address p ON p.account_id = c.account_id AND p.is_primary
JOIN domain d ON d.name = p.domain
WHERE c.tenant_id = $1 AND (c.account_id = ANY($2::uuid[])
    OR (p.local_part, p.domain) IN (SELECT * FROM unnest($3::text[], $4::text[])))
ORDER BY p.domain, p.local_part"""


@dataclass(frozen=True, slots=True)
class Description:
    """What others of the tenant may know of an account."""

    account_id: str
    address: str
    shared: bool
    suspended: bool
    groups: tuple[str, ...]


class Descriptions:
    """Raises DatabaseUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def of(
        self, tenant_id: str, account_ids: Sequence[str], addresses: Sequence[tuple[str, str]]
    ) -> list[Description]:
        """By ids, and by primary addresses as (local part, domain); those of other tenants are not there."""
        async with transaction(self._pool, tenant_id) as connection:
            found = await connection.fetch(
                DESCRIBED,
                UUID(tenant_id),
                [UUID(each) for each in account_ids],
                [local_part for local_part, _ in addresses],
                [domain for _, domain in addresses],
            )
        return [
            Description(
                str(row["account_id"]), row["address"], row["shared"], row["suspended"], tuple(row["groups"])
            )
            for row in found
        ]
