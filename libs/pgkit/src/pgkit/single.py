"""One statement that is a transaction by itself: one turn to the server and back, where BEGIN and COMMIT make it three.

For functions of ours in the database that begin with set_config('posthouse.tenant', ..., true): as in any transaction,
no rows are seen before that, and nothing is left of it after.
"""

from collections.abc import Iterable

import asyncpg

from pgkit.errors import is_away, unavailable
from pgkit.pool import Pool
from pgkit.tenancy import may_enter


async def call(pool: Pool, tenants: Iterable[str], statement: str, *values: object) -> list[asyncpg.Record]:
    """The rows of a statement that enters these tenants (their ids) by itself, committed.

    Raises OutsideTenant, and DatabaseUnavailable where PostgreSQL is away; whether it was done may be unknown then.
    """
    for tenant_id in tenants:
        may_enter(tenant_id)
    try:
        return await pool.fetch(statement, *values)
    except Exception as error:
        if is_away(error):
            raise unavailable(error) from error
        raise
