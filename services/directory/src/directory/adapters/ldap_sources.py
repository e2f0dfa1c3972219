"""LDAP sources of tenants as SQL. The password that looks people up is sealed."""

import time
from collections.abc import Callable
from dataclasses import replace

import asyncpg
from pgkit import OPERATOR, Connection, Pool, transaction

from directory.core.ldap import LdapSource
from directory.core.names import NameInvalid
from directory.core.sealing import Sealer, Unopened
from directory.ports import InUse, Missing

KEPT_SECONDS = 10.0
MOST_KEPT = 10_000


class LdapSources:
    """Every method raises DatabaseUnavailable."""

    def __init__(
        self, pool: Pool, sealer: Sealer | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._sealer = sealer
        self._clock = clock
        self._kept: dict[str, tuple[float, LdapSource | None]] = {}

    def _source(self, row: asyncpg.Record) -> LdapSource:
        password = None
        if row["sealed_password"] is not None:
            if self._sealer is None:
                raise Unopened("there is no secret here")
            password = self._sealer.open(row["sealed_password"], ("ldap", str(row["tenant_id"]))).decode()
        return LdapSource(
            str(row["tenant_id"]),
            row["url"],
            row["base_dn"],
            row["filter"],
            row["bind_dn"],
            password,
            row["ca_certificates"],
        )

    async def put(self, source: LdapSource) -> None:
        """All of it; a password that is None stays, for the server that it was given for. Raises InUse, Missing, NameInvalid."""
        sealed = None
        if source.bind_password is not None:
            if self._sealer is None:
                raise InUse("this installation has no secret to keep a password with")
            sealed = self._sealer.seal(source.bind_password.encode(), ("ldap", source.tenant_id))
        async with transaction(self._pool, source.tenant_id) as connection:
            if source.bind_dn and source.bind_password is None:
                await _check_same_server(connection, source)
            try:
                await connection.execute(
                    """INSERT INTO ldap_source AS l (tenant_id, url, bind_dn, sealed_password, base_dn, filter,
                                                     ca_certificates)
                       VALUES ($1::uuid, $2, $3, $4, $5, $6, $7)
                       ON CONFLICT (tenant_id) DO UPDATE SET url = excluded.url, bind_dn = excluded.bind_dn,
                           sealed_password = CASE WHEN excluded.bind_dn = '' THEN NULL
                                             ELSE coalesce(excluded.sealed_password, l.sealed_password) END,
                           base_dn = excluded.base_dn, filter = excluded.filter,
                           ca_certificates = excluded.ca_certificates""",
                    source.tenant_id,
                    source.url,
                    source.bind_dn,
                    sealed,
                    source.base_dn,
                    source.filter,
                    source.ca_certificates,
                )
            except asyncpg.ForeignKeyViolationError as error:
                raise Missing("the tenant is not here any more") from error
        self._kept.clear()

    async def get(self, tenant_id: str) -> LdapSource:
        """Without its password: "" where it has one. Raises Missing."""
        async with transaction(self._pool, tenant_id) as connection:
            row = await connection.fetchrow("SELECT * FROM ldap_source WHERE tenant_id = $1::uuid", tenant_id)
        if row is None:
            raise Missing("the tenant's passwords are kept here")
        source = LdapSource(
            tenant_id, row["url"], row["base_dn"], row["filter"], row["bind_dn"], None, row["ca_certificates"]
        )
        return replace(source, bind_password="") if row["sealed_password"] is not None else source

    async def delete(self, tenant_id: str) -> None:
        """Raises Missing."""
        async with transaction(self._pool, tenant_id) as connection:
            done = await connection.execute("DELETE FROM ldap_source WHERE tenant_id = $1::uuid", tenant_id)
        self._kept.clear()
        if done == "DELETE 0":
            raise Missing("the tenant's passwords are kept here")

    async def of_domain(self, domain: str) -> LdapSource | None:
        """Who keeps the passwords of a domain's people; None: we. Remembered for some seconds. Raises Unopened."""
        now = self._clock()
        kept = self._kept.get(domain)
        if kept is not None and now < kept[0]:
            return kept[1]
        async with transaction(self._pool, OPERATOR) as connection:
            row = await connection.fetchrow(
                "SELECT l.* FROM ldap_source l JOIN domain d ON d.tenant_id = l.tenant_id WHERE d.name = $1",
                domain,
            )
        source = self._source(row) if row is not None else None
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[domain] = now + KEPT_SECONDS, source
        return source


async def _check_same_server(connection: Connection, source: LdapSource) -> None:
    """Whoever may name another server must not be told by it what we say there. Raises NameInvalid."""
    kept = await connection.fetchrow(
        "SELECT url, sealed_password FROM ldap_source WHERE tenant_id = $1::uuid FOR UPDATE", source.tenant_id
    )
    if kept is not None and kept["sealed_password"] is not None and kept["url"] != source.url:
        raise NameInvalid("the password was given for another server; give it again with the new URL")
