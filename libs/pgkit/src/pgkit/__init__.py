"""How we use PostgreSQL: pools, transactions within one tenant, migrations, what a weak server is.

Knows: PostgreSQL, row-level security, alembic. Does not know: any table of ours.
"""

from pgkit.errors import DatabaseMisconfigured, DatabaseUnavailable
from pgkit.pool import Connection, Pool, check, check_durability, open_pool
from pgkit.tenancy import OPERATOR, transaction

__all__ = [
    "OPERATOR",
    "Connection",
    "DatabaseMisconfigured",
    "DatabaseUnavailable",
    "Pool",
    "check",
    "check_durability",
    "open_pool",
    "transaction",
]
