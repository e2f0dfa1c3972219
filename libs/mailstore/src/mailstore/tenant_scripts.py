"""Sieve scripts of a tenant, by name: "before" and "after" run around its users' own, others are there to be included.

Each change is a new version; one version of a name, or none, is the active one. Old versions stay, so that one can go
back; beyond `VERSIONS_KEPT` the oldest go.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pgkit import Connection, Pool, transaction

from mailstore.errors import ScriptMissing, TooManyScripts

BEFORE, AFTER = "before", "after"
VERSIONS_KEPT = 50
MOST_NAMES = 100
# One writer at a time for a tenant's scripts: they have no row to lock that is always there.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('tenant_script' || $1, 0))"


@dataclass(frozen=True, slots=True)
class ScriptVersion:
    """One version without its content."""

    name: str
    version: int
    is_active: bool
    size_octets: int
    made_at: datetime
    made_by: str


class TenantScriptStore:
    """Every method raises StoreUnavailable where PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def listing(self, tenant_id: str) -> list[ScriptVersion]:
        """All versions, by name, the newest first."""
        async with transaction(self._pool, tenant_id) as connection:
            found = await connection.fetch(
                """SELECT name, version, active, octet_length(content) AS size, made_at, made_by FROM tenant_script
                   WHERE tenant_id = $1 ORDER BY name COLLATE "C", version DESC""",
                UUID(tenant_id),
            )
        return [
            ScriptVersion(
                row["name"], row["version"], row["active"], row["size"], row["made_at"], row["made_by"]
            )
            for row in found
        ]

    async def get(self, tenant_id: str, name: str, version: int | None = None) -> tuple[int, bytes]:
        """A version, or the active one, and its content. Raises ScriptMissing."""
        async with transaction(self._pool, tenant_id) as connection:
            row = await connection.fetchrow(
                """SELECT version, content FROM tenant_script WHERE tenant_id = $1 AND name = $2
                   AND CASE WHEN $3::int IS NULL THEN active ELSE version = $3 END""",
                UUID(tenant_id),
                name,
                version,
            )
        if row is None:
            raise ScriptMissing
        return row["version"], bytes(row["content"])

    async def put(self, tenant_id: str, name: str, content: bytes, made_by: str) -> int:
        """A new version, active from now on; its number. Raises TooManyScripts."""
        async with transaction(self._pool, tenant_id) as connection:
            await connection.execute(LOCK, tenant_id)
            others = await connection.fetchval(
                "SELECT count(DISTINCT name) FROM tenant_script WHERE tenant_id = $1 AND name <> $2",
                UUID(tenant_id),
                name,
            )
            if others >= MOST_NAMES:
                raise TooManyScripts
            await _deactivate(connection, tenant_id, name)
            version = await connection.fetchval(
                """INSERT INTO tenant_script (tenant_id, name, version, content, digest, active, made_by)
                   SELECT $1, $2, coalesce(max(version), 0) + 1, $3, $4, true, $5 FROM tenant_script
                   WHERE tenant_id = $1 AND name = $2 RETURNING version""",
                UUID(tenant_id),
                name,
                content,
                hashlib.sha256(content).digest(),
                made_by,
            )
            await connection.execute(
                "DELETE FROM tenant_script WHERE tenant_id = $1 AND name = $2 AND version <= $3",
                UUID(tenant_id),
                name,
                version - VERSIONS_KEPT,
            )
        return int(version)

    async def activate(self, tenant_id: str, name: str, version: int) -> None:
        """Let this version run; 0: none of this name. Raises ScriptMissing, and then nothing changes."""
        async with transaction(self._pool, tenant_id) as connection:
            await connection.execute(LOCK, tenant_id)
            await _deactivate(connection, tenant_id, name)
            if version:
                done = await connection.execute(
                    "UPDATE tenant_script SET active = true WHERE tenant_id = $1 AND name = $2 AND version = $3",
                    UUID(tenant_id),
                    name,
                    version,
                )
                if done == "UPDATE 0":
                    raise ScriptMissing

    async def delete(self, tenant_id: str, name: str) -> None:
        """All versions of a name. Raises ScriptMissing."""
        async with transaction(self._pool, tenant_id) as connection:
            done = await connection.execute(
                "DELETE FROM tenant_script WHERE tenant_id = $1 AND name = $2", UUID(tenant_id), name
            )
        if done == "DELETE 0":
            raise ScriptMissing


async def _deactivate(connection: Connection, tenant_id: str, name: str) -> None:
    await connection.execute(
        "UPDATE tenant_script SET active = false WHERE tenant_id = $1 AND name = $2 AND active",
        UUID(tenant_id),
        name,
    )
