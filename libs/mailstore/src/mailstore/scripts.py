"""Sieve scripts of accounts: several by name, one of them active (RFC 5804).

A script is kept as the user wrote it; whoever puts it here has checked it. What is replaced or deleted stays as a version,
`VERSIONS_KEPT` of a name and `VERSIONS_OF_ACCOUNT` of all, under the name that it had. Changes lock the account, as all
changes do.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from mailmodel import AccountRef
from pgkit import Connection, Pool, transaction
from pgkit.single import call

from mailstore import rows
from mailstore.errors import ScriptActive, ScriptExists, ScriptMissing, TooManyScripts
from mailstore.tenant_scripts import AFTER, BEFORE

VERSIONS_KEPT = 10
VERSIONS_OF_ACCOUNT = 30

# The script $2 of account $1 as it is now becomes a version, unless its digest is $3.
SET_ASIDE = """INSERT INTO sieve_script_version (account_id, name, version, tenant_id, content, made_at)
    SELECT s.account_id, s.name, 1 + coalesce((SELECT max(v.version) FROM sieve_script_version v
           WHERE v.account_id = $1 AND v.name = $2), 0), s.tenant_id, s.content, s.changed_at
    FROM sieve_script s WHERE s.account_id = $1 AND s.name = $2 AND s.digest <> $3"""

FORGET = f"""DELETE FROM sieve_script_version v USING (
        SELECT name, version, row_number() OVER (PARTITION BY name ORDER BY version DESC) AS of_name,
               row_number() OVER (ORDER BY replaced_at DESC, name, version DESC) AS of_account
        FROM sieve_script_version WHERE account_id = $1) o
    WHERE v.account_id = $1 AND v.name = o.name AND v.version = o.version
      AND (o.of_name > {VERSIONS_KEPT} OR o.of_account > {VERSIONS_OF_ACCOUNT})"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class ScriptInfo:
    """One script without its content."""

    name: str
    is_active: bool
    size_octets: int


@dataclass(frozen=True, slots=True)
class OldScript:
    """A version that was replaced, or deleted, without its content."""

    name: str
    version: int
    size_octets: int
    made_at: datetime
    replaced_at: datetime


@dataclass(frozen=True, slots=True)
class ActiveScripts:
    """Digests of the scripts that run for an account: its tenant's before its own, its own, its tenant's after."""

    before: bytes | None = None
    own: bytes | None = None
    after: bytes | None = None


NO_SCRIPTS = ActiveScripts()


class ScriptStore:
    """The scripts in one store. Every method raises StoreUnavailable where PostgreSQL is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def listing(self, account: AccountRef) -> list[ScriptInfo]:
        """All of an account, by name."""
        async with transaction(self._pool, account.tenant_id) as connection:
            found = await connection.fetch(
                "SELECT name, active, octet_length(content) AS size FROM sieve_script WHERE account_id = $1"
                ' ORDER BY name COLLATE "C"',
                UUID(account.account_id),
            )
        return [ScriptInfo(row["name"], row["active"], row["size"]) for row in found]

    async def get(self, account: AccountRef, name: str) -> bytes:
        """The content. Raises ScriptMissing."""
        async with transaction(self._pool, account.tenant_id) as connection:
            content = await connection.fetchval(
                "SELECT content FROM sieve_script WHERE account_id = $1 AND name = $2",
                UUID(account.account_id),
                name,
            )
        if content is None:
            raise ScriptMissing
        return bytes(content)

    async def put(self, account: AccountRef, name: str, content: bytes, *, most: int) -> None:
        """Create or replace; an active one stays active. Raises TooManyScripts above `most`."""
        async with transaction(self._pool, account.tenant_id) as connection:
            await rows.lock_account(connection, account)
            others = await connection.fetchval(
                "SELECT count(*) FROM sieve_script WHERE account_id = $1 AND name <> $2",
                UUID(account.account_id),
                name,
            )
            if others >= most:
                raise TooManyScripts
            digest = hashlib.sha256(content).digest()
            await _set_aside(connection, account, name, digest)
            await connection.execute(
                """INSERT INTO sieve_script (account_id, name, tenant_id, content, digest)
                   VALUES ($1, $2, $3, $4, $5)
                   ON CONFLICT (account_id, name)
                   DO UPDATE SET content = $4, digest = $5, changed_at = now()""",
                UUID(account.account_id),
                name,
                UUID(account.tenant_id),
                content,
                digest,
            )

    async def versions(self, account: AccountRef) -> list[OldScript]:
        """What scripts were before, by name, the newest first."""
        async with transaction(self._pool, account.tenant_id) as connection:
            found = await connection.fetch(
                """SELECT name, version, octet_length(content) AS size, made_at, replaced_at FROM sieve_script_version
                   WHERE account_id = $1 ORDER BY name COLLATE "C", version DESC""",
                UUID(account.account_id),
            )
        return [
            OldScript(row["name"], row["version"], row["size"], row["made_at"], row["replaced_at"])
            for row in found
        ]

    async def version(self, account: AccountRef, name: str, version: int) -> bytes:
        """The content of one that was replaced. Raises ScriptMissing."""
        async with transaction(self._pool, account.tenant_id) as connection:
            content = await connection.fetchval(
                "SELECT content FROM sieve_script_version WHERE account_id = $1 AND name = $2 AND version = $3",
                UUID(account.account_id),
                name,
                version,
            )
        if content is None:
            raise ScriptMissing
        return bytes(content)

    async def activate(self, account: AccountRef, name: str) -> None:
        """Let this one run and no other; "": none. Raises ScriptMissing, and then nothing changes."""
        async with transaction(self._pool, account.tenant_id) as connection:
            await rows.lock_account(connection, account)
            if name and not await _is_there(connection, account, name):
                raise ScriptMissing
            await connection.execute(
                "UPDATE sieve_script SET active = false WHERE account_id = $1 AND active",
                UUID(account.account_id),
            )
            await connection.execute(
                "UPDATE sieve_script SET active = true WHERE account_id = $1 AND name = $2",
                UUID(account.account_id),
                name,
            )

    async def delete(self, account: AccountRef, name: str) -> None:
        """Remove one that is not active. Raises ScriptMissing, ScriptActive."""
        async with transaction(self._pool, account.tenant_id) as connection:
            await rows.lock_account(connection, account)
            active = await connection.fetchval(
                "SELECT active FROM sieve_script WHERE account_id = $1 AND name = $2",
                UUID(account.account_id),
                name,
            )
            if active is None:
                raise ScriptMissing
            if active:
                raise ScriptActive
            await _set_aside(connection, account, name, b"")
            await connection.execute(
                "DELETE FROM sieve_script WHERE account_id = $1 AND name = $2", UUID(account.account_id), name
            )

    async def rename(self, account: AccountRef, name: str, new_name: str) -> None:
        """Another name; an active one stays active. Raises ScriptMissing, ScriptExists."""
        async with transaction(self._pool, account.tenant_id) as connection:
            await rows.lock_account(connection, account)
            if not await _is_there(connection, account, name):
                raise ScriptMissing
            if await _is_there(connection, account, new_name):
                raise ScriptExists
            await connection.execute(
                "UPDATE sieve_script SET name = $3 WHERE account_id = $1 AND name = $2",
                UUID(account.account_id),
                name,
                new_name,
            )

    async def active_digests(self, accounts: Sequence[AccountRef]) -> dict[str, ActiveScripts]:
        """What runs for each of these accounts, of any tenant; those for whom nothing runs are left out."""
        tenants = {account.tenant_id for account in accounts}
        found = await call(
            self._pool,
            tenants,
            "SELECT * FROM active_scripts_1($1, $2)",
            [UUID(account.account_id) for account in accounts],
            [UUID(tenant_id) for tenant_id in tenants],
        )
        digests = {(str(row["owner"]), row["name"]): bytes(row["digest"]) for row in found}
        active = {
            account.account_id: ActiveScripts(
                digests.get((account.tenant_id, BEFORE)),
                digests.get((account.account_id, "")),
                digests.get((account.tenant_id, AFTER)),
            )
            for account in accounts
        }
        return {account_id: scripts for account_id, scripts in active.items() if scripts != NO_SCRIPTS}

    async def remember(self, account: AccountRef, handle: bytes, seconds: int) -> bool:
        """Note a handle for so long; False where it is noted still: nothing changes then."""
        async with transaction(self._pool, account.tenant_id) as connection:
            noted = await connection.fetchval(
                """INSERT INTO sieve_memory (account_id, handle, tenant_id, kept_until)
                   VALUES ($1, $2, $3, now() + $4::interval)
                   ON CONFLICT (account_id, handle) DO UPDATE SET kept_until = now() + $4::interval
                   WHERE sieve_memory.kept_until <= now() RETURNING true""",
                UUID(account.account_id),
                handle,
                UUID(account.tenant_id),
                timedelta(seconds=seconds),
            )
        return bool(noted)

    async def prolong(self, account: AccountRef, handle: bytes, seconds: int) -> None:
        """Note a handle for so long from now, whether it was noted or not."""
        async with transaction(self._pool, account.tenant_id) as connection:
            await connection.execute(
                """INSERT INTO sieve_memory (account_id, handle, tenant_id, kept_until)
                   VALUES ($1, $2, $3, now() + $4::interval)
                   ON CONFLICT (account_id, handle) DO UPDATE SET kept_until = now() + $4::interval""",
                UUID(account.account_id),
                handle,
                UUID(account.tenant_id),
                timedelta(seconds=seconds),
            )

    async def remembers(self, account: AccountRef, handle: bytes) -> bool:
        """Whether a handle is noted still."""
        async with transaction(self._pool, account.tenant_id) as connection:
            return bool(
                await connection.fetchval(
                    """SELECT EXISTS (SELECT FROM sieve_memory
                       WHERE account_id = $1 AND handle = $2 AND kept_until > now())""",
                    UUID(account.account_id),
                    handle,
                )
            )

    async def active(self, account: AccountRef) -> bytes | None:
        """The active script's content, if there is one."""
        async with transaction(self._pool, account.tenant_id) as connection:
            content = await connection.fetchval(
                "SELECT content FROM sieve_script WHERE account_id = $1 AND active", UUID(account.account_id)
            )
        return None if content is None else bytes(content)


async def _set_aside(connection: Connection, account: AccountRef, name: str, digest: bytes) -> None:
    """Before it is something else."""
    owner = UUID(account.account_id)
    if await connection.execute(SET_ASIDE, owner, name, digest) != "INSERT 0 0":
        await connection.execute(FORGET, owner)


async def _is_there(connection: Connection, account: AccountRef, name: str) -> bool:
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT FROM sieve_script WHERE account_id = $1 AND name = $2)",
            UUID(account.account_id),
            name,
        )
    )
