"""Rules for where and how mail goes (core.way), as rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import asyncpg
from mailproto.smtp.client_login import Login
from pgkit import Connection, Pool, transaction
from servicekit import logs
from servicekit.sealing import Sealer, Unopened

from mta_queue.adapters.auditing import audit, tenant_meant
from mta_queue.adapters.items import scope_of
from mta_queue.core.destinations import domain_of
from mta_queue.core.item_filter import FilterInvalid
from mta_queue.core.records import Caller, Missing
from mta_queue.core.route import RouteInvalid, parse_route
from mta_queue.core.tls import Minimum
from mta_queue.core.way import Protocol, WayRule

LOG = logs.logger("mta_queue.routes")
Scope = tuple[str, str]
PASSWORD_MOST = 500
USERNAME_MOST = 255


@dataclass(frozen=True, slots=True)
class NewRule:
    """A rule as it is asked for. An empty password leaves the one that is kept, for the same host and username."""

    tenant_id: str
    domain: str
    host: str
    protocol: Protocol
    username: str
    password: str
    minimum: Minimum | None
    egress: str = ""


class RouteBook:
    """Rules as the operator sees and sets them. Every method raises DatabaseUnavailable and FilterInvalid.

    Without a sealer there are no passwords.
    """

    def __init__(self, pool: Pool, sealer: Sealer | None) -> None:
        self._pool = pool
        self._sealer = sealer

    async def set(self, caller: Caller, new: NewRule) -> WayRule:
        """For what it covers there was this or another before. Raises RouteInvalid."""
        _check(new)
        if caller.tenant_id and new.host:
            # A host of a route may be inside.
            raise FilterInvalid("hosts are the operator's to choose")
        tenant, domain = tenant_meant(caller, new.tenant_id), _domain(new.domain)
        async with transaction(self._pool, scope_of(caller)) as connection:
            known = await connection.fetchrow(
                "SELECT * FROM queue_route WHERE tenant_id IS NOT DISTINCT FROM $1 AND domain = $2 FOR UPDATE",
                tenant,
                domain,
            )
            sealed = b""
            if new.password:
                sealed = self._seal(new)
            elif new.username:
                if known is None or (known["host"], known["username"]) != (new.host, new.username):
                    raise FilterInvalid("a username needs a password")
                sealed = known["password_sealed"]
            row = await connection.fetchrow(
                """INSERT INTO queue_route (tenant_id, domain, host, protocol, username, password_sealed, minimum_tls, egress)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                   ON CONFLICT ON CONSTRAINT queue_route_once DO UPDATE
                   SET host = excluded.host, protocol = excluded.protocol, username = excluded.username,
                       password_sealed = excluded.password_sealed, minimum_tls = excluded.minimum_tls,
                       egress = excluded.egress
                   RETURNING *""",
                tenant,
                domain,
                new.host,
                new.protocol.value,
                new.username,
                sealed,
                new.minimum.value if new.minimum is not None else "",
                new.egress,
            )
            assert row is not None
            change = {
                "host": new.host,
                "protocol": new.protocol.value,
                "username": new.username,
                "minimum_tls": row["minimum_tls"],
                "egress": new.egress,
            }
            await audit(connection, caller, tenant, {"domain": domain}, "route", "", change)
        return way_rule(row)

    async def delete(self, caller: Caller, tenant_id: str, domain: str) -> None:
        """Back to the next wider one, or to the MX. Raises Missing."""
        tenant, domain = tenant_meant(caller, tenant_id), _domain(domain)
        async with transaction(self._pool, scope_of(caller)) as connection:
            gone = await connection.fetchval(
                "DELETE FROM queue_route WHERE tenant_id IS NOT DISTINCT FROM $1 AND domain = $2 RETURNING 1",
                tenant,
                domain,
            )
            if gone is None:
                raise Missing("there is no such route")
            await audit(connection, caller, tenant, {"domain": domain}, "unroute", "", {})

    async def listing(self, caller: Caller) -> dict[Scope, WayRule]:
        """All that this caller may see."""
        async with transaction(self._pool, scope_of(caller)) as connection:
            return _ways(
                await connection.fetch("SELECT * FROM queue_route ORDER BY tenant_id NULLS FIRST, domain")
            )

    def _seal(self, new: NewRule) -> bytes:
        if self._sealer is None:
            raise FilterInvalid("there is no secret to keep passwords with: MTA_QUEUE_SECRET_FILE")
        return self._sealer.seal(new.password.encode(), place_of(new.host, new.username))


def login_of(sealer: Sealer | None) -> Callable[[WayRule], Login | None]:
    """Who we are at a rule's host; None where the password cannot be opened."""

    def opened(rule: WayRule) -> Login | None:
        if sealer is None:
            return None
        try:
            password = sealer.open(rule.password_sealed, place_of(rule.host, rule.username))
        except Unopened as error:
            LOG.error("route_password_not_opened", host=rule.host, error=str(error))
            return None
        return Login(rule.username, password.decode())

    return opened


def place_of(host: str, username: str) -> tuple[str, str]:
    """What a password belongs to: whoever changes the host cannot have it sent there."""
    return host, username


def _check(new: NewRule) -> None:
    """Raises FilterInvalid, RouteInvalid."""
    if new.host:
        parse_route(new.host)
    elif new.username or new.protocol is Protocol.LMTP:
        raise FilterInvalid("a protocol and a username need a host")
    if not (new.host or new.minimum is not None or new.egress):
        raise FilterInvalid("the route says nothing: give a host, a minimum of TLS, or an egress")
    if new.password and not new.username:
        raise FilterInvalid("a password needs a username")
    for text, most in ((new.username, USERNAME_MOST), (new.password, PASSWORD_MOST)):
        if len(text.encode()) > most or not text.isprintable():
            raise FilterInvalid(
                f"a username or password has at most {most} octets, and no control characters"
            )


def _domain(domain: str) -> str:
    """As items have it; "" stays ""."""
    return domain_of("@" + domain) if domain else ""


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
