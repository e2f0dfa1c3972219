"""How we use PostgreSQL: pools, transactions within one tenant, migrations, what a weak server is.

Knows: PostgreSQL, row-level security, alembic. Does not know: any table of ours.
"""

from pgkit.again import again_after_collision
from pgkit.errors import Collided, DatabaseMisconfigured, DatabaseUnavailable
from pgkit.pool import Connection, Pool, check, check_durability, open_pool
from pgkit.tenancy import OPERATOR, OutsideTenant, is_within, only_within, tenant_within, transaction

__all__ = [
    "OPERATOR",
    "Collided",
    "Connection",
    "DatabaseMisconfigured",
    "DatabaseUnavailable",
    "OutsideTenant",
    "Pool",
    "again_after_collision",
    "check",
    "check_durability",
    "is_within",
    "only_within",
    "open_pool",
    "tenant_within",
    "transaction",
]
