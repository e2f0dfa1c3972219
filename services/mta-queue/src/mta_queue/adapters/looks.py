"""Looking whether there is anything to do: functions of the database (step 0012), one turn to the server and back each."""

from typing import Any

from pgkit import OutsideTenant, Pool, is_within
from pgkit.single import call


async def look(pool: Pool, statement: str, *values: object) -> Any:
    """The one row of a function that enters the operator's scope by itself. Raises DatabaseUnavailable, OutsideTenant."""
    if is_within():
        raise OutsideTenant("only the operator looks over all tenants")
    [row] = await call(pool, (), statement, *values)
    return row
