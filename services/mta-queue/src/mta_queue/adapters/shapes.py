"""Rules of shaping as rows: read with the other rules every moment, set by the operator."""

import json

from pgkit import Connection, Pool, transaction
from servicekit import logs

from mta_queue.adapters.auditing import audit, tenant_meant
from mta_queue.adapters.items import scope_of
from mta_queue.core.records import Caller, Missing
from mta_queue.core.shaping import DEFAULT, Shape, ShapeInvalid, Shapes, parse_matches

LOG = logs.logger("mta_queue.shapes")
# A tenant's id ("" for the installation's) and what the rule matches.
Key = tuple[str, str]


class ShapeBook:
    """Every method raises DatabaseUnavailable; those of the operator FilterInvalid, ShapeInvalid."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def listing(self, caller: Caller) -> dict[Key, Shape]:
        """Those that were set, after the one that holds where none was."""
        async with transaction(self._pool, scope_of(caller)) as connection:
            return {("", "*"): DEFAULT, **await _all(connection)}

    async def set(self, caller: Caller, tenant_id: str, matches: str, shape: Shape) -> Key:
        """In the place of the one for the same."""
        tenant, matches = tenant_meant(caller, tenant_id), parse_matches(matches)
        async with transaction(self._pool, scope_of(caller)) as connection:
            await connection.execute(
                """INSERT INTO queue_shape (tenant_id, matches, shape) VALUES ($1, $2, $3::jsonb)
                   ON CONFLICT ON CONSTRAINT queue_shape_once DO UPDATE SET shape = excluded.shape""",
                tenant,
                matches,
                json.dumps(shape.to_json()),
            )
            await audit(connection, caller, tenant, {"matches": matches}, "shape", "", shape.to_json())
        return str(tenant or ""), matches

    async def delete(self, caller: Caller, tenant_id: str, matches: str) -> None:
        """Back to the next wider one. Raises Missing."""
        tenant, matches = tenant_meant(caller, tenant_id), parse_matches(matches)
        async with transaction(self._pool, scope_of(caller)) as connection:
            row = await connection.fetchrow(
                "DELETE FROM queue_shape WHERE tenant_id IS NOT DISTINCT FROM $1 AND matches = $2 RETURNING 1",
                tenant,
                matches,
            )
            if row is None:
                raise Missing("there is no such rule")
            await audit(connection, caller, tenant, {"matches": matches}, "unshape", "", {})


async def load_shapes(connection: Connection) -> Shapes:
    """All that hold now."""
    rules: dict[str, dict[str, Shape]] = {}
    for (tenant_id, matches), shape in (await _all(connection)).items():
        rules.setdefault(tenant_id, {})[matches] = shape
    return Shapes(rules)


async def _all(connection: Connection) -> dict[Key, Shape]:
    found: dict[Key, Shape] = {}
    for row in await connection.fetch("SELECT * FROM queue_shape ORDER BY tenant_id NULLS FIRST, matches"):
        key = (str(row["tenant_id"] or ""), row["matches"])
        try:
            found[key] = Shape.from_json(json.loads(row["shape"]))
        except ShapeInvalid as error:
            # Not written by us: it stops nobody's mail.
            LOG.error("shape_ignored", tenant_id=key[0], matches=key[1], error=str(error))
    return found
