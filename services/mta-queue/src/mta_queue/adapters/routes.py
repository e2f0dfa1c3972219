"""Rules for where and how mail goes (core.way), as rows."""

from collections.abc import Sequence

import asyncpg
from pgkit import Connection
from servicekit import logs

from mta_queue.core.route import RouteInvalid, parse_route
from mta_queue.core.tls import Minimum
from mta_queue.core.way import Protocol, WayRule

LOG = logs.logger("mta_queue.routes")
Scope = tuple[str, str]


async def load_ways(connection: Connection) -> dict[Scope, WayRule]:
    """All that there are, by scope."""
    return _ways(await connection.fetch("SELECT * FROM queue_route"))


def _ways(rows: Sequence[asyncpg.Record]) -> dict[Scope, WayRule]:
    found: dict[Scope, WayRule] = {}
    for row in rows:
        scope = (str(row["tenant_id"] or ""), row["domain"])
        try:
            found[scope] = way_rule(row)
        except (ValueError, RouteInvalid) as error:
            # Not written by us: it stops nobody's mail.
            LOG.error("route_ignored", tenant_id=scope[0], domain=scope[1], error=str(error))
    return found


def way_rule(row: asyncpg.Record) -> WayRule:
    """Raises ValueError, RouteInvalid."""
    if row["host"]:
        parse_route(row["host"])
    return WayRule(
        host=row["host"],
        protocol=Protocol(row["protocol"]),
        username=row["username"],
        password_sealed=row["password_sealed"],
        minimum=Minimum(row["minimum_tls"]) if row["minimum_tls"] else None,
        egress=row["egress"],
    )
