"""What a tenant's own identity management sees and changes, as SQL, all within its tenant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import asyncpg
from pgkit import OPERATOR, Connection, Pool, transaction

from directory.adapters.addresses import halves, insert_address
from directory.core.names import NameInvalid
from directory.ports import InUse, Missing, Stale, Taken

MOST_TOKENS = 10
MOST_MEMBERS = 1000

# $2: which attribute, $3: its value.
USERS = """
FROM account c JOIN address p ON p.account_id = c.account_id AND p.is_primary
WHERE c.tenant_id = $1::uuid AND ($2 = '' OR $2 = 'id' AND c.account_id::text = $3
    OR $2 = 'userName' AND p.local_part || '@' || p.domain = lower($3)
    OR $2 = 'externalId' AND c.external_id = $3 OR $2 = 'displayName' AND lower(c.display_name) = lower($3)
    OR $2 = 'emails.value' AND EXISTS (SELECT FROM address e WHERE e.account_id = c.account_id
                                       AND e.local_part || '@' || e.domain = lower($3)))"""
USER_COLUMNS = """c.*, p.local_part || '@' || p.domain AS address,
    ARRAY(SELECT e.local_part || '@' || e.domain FROM address e WHERE e.account_id = c.account_id
          ORDER BY e.is_primary DESC, e.domain, e.local_part) AS emails"""
GROUPS = """
FROM address_group g WHERE g.tenant_id = $1::uuid AND ($2 = '' OR $2 = 'id' AND g.group_id::text = $3
    OR $2 = 'displayName' AND lower(g.display_name) = lower($3) OR $2 = 'externalId' AND g.external_id = $3)"""
MEMBERS = """
SELECT DISTINCT g.group_id, m.account_id, p.local_part || '@' || p.domain AS address
FROM address_group g JOIN alias_target t ON t.domain = g.domain AND t.local_part = g.local_part
JOIN address m ON m.tenant_id = g.tenant_id AND m.local_part || '@' || m.domain = t.target
    AND m.account_id IS NOT NULL
JOIN address p ON p.account_id = m.account_id AND p.is_primary
WHERE g.group_id = ANY($1::uuid[]) ORDER BY 3"""


@dataclass(frozen=True, slots=True)
class Sought:
    """`attribute` eq `value`; "" for all."""

    attribute: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class UserRecord:
    account_id: str
    user_name: str
    external_id: str
    display_name: str
    active: bool
    emails: tuple[str, ...]
    created_at: datetime
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """Members by account id and primary address."""

    group_id: str
    display_name: str
    external_id: str
    address: str
    members: tuple[tuple[str, str], ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TokenRecord:
    token_id: str
    name: str
    created_at: datetime


class Provisioning:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    # -- tokens

    async def add_token(self, tenant_id: str, name: str, verifier: str) -> TokenRecord:
        """Raises InUse, Missing."""
        async with transaction(self._pool, tenant_id) as connection:
            held = await connection.fetchval("SELECT count(*) FROM scim_token")
            if held >= MOST_TOKENS:
                raise InUse(f"a tenant has at most {MOST_TOKENS} tokens; delete one first")
            try:
                row = await connection.fetchrow(
                    "INSERT INTO scim_token (tenant_id, name, verifier) VALUES ($1::uuid, $2, $3) RETURNING *",
                    tenant_id,
                    name,
                    verifier,
                )
            except asyncpg.ForeignKeyViolationError as error:
                raise Missing("the tenant is not here any more") from error
        assert row is not None
        return TokenRecord(str(row["token_id"]), row["name"], row["created_at"])

    async def tokens(self, tenant_id: str) -> list[TokenRecord]:
        """The oldest first."""
        async with transaction(self._pool, tenant_id) as connection:
            rows = await connection.fetch(
                "SELECT * FROM scim_token WHERE tenant_id = $1::uuid ORDER BY created_at, token_id", tenant_id
            )
        return [TokenRecord(str(row["token_id"]), row["name"], row["created_at"]) for row in rows]

    async def delete_token(self, tenant_id: str, token_id: str) -> None:
        """Raises Missing."""
        async with transaction(self._pool, tenant_id) as connection:
            done = await connection.execute("DELETE FROM scim_token WHERE token_id::text = $1", token_id)
        if done == "DELETE 0":
            raise Missing(f"the tenant has no token {token_id}")

    async def tenant_of(self, verifier: str) -> str:
        """Whose token it is, where the tenant is not suspended. Raises Missing."""
        async with transaction(self._pool, OPERATOR) as connection:
            found = await connection.fetchval(
                """SELECT s.tenant_id FROM scim_token s JOIN tenant t ON t.tenant_id = s.tenant_id
                   WHERE s.verifier = $1 AND NOT t.suspended""",
                verifier,
            )
        if found is None:
            raise Missing("that is nobody's token")
        return str(found)

    # -- users

    async def users(
        self, tenant_id: str, sought: Sought, offset: int, limit: int
    ) -> tuple[list[UserRecord], int]:
        """By user name, and how many there are in all."""
        query = (tenant_id, sought.attribute, sought.value)
        async with transaction(self._pool, tenant_id) as connection:
            total = await connection.fetchval("SELECT count(*)" + USERS, *query)
            rows = await connection.fetch(
                "SELECT " + USER_COLUMNS + USERS + " ORDER BY p.domain, p.local_part LIMIT $4 OFFSET $5",
                *query,
                limit,
                offset,
            )
        return [_user(row) for row in rows], int(total)

    async def user(self, tenant_id: str, account_id: str) -> UserRecord:
        """Raises Missing, also for one of another tenant."""
        found, _ = await self.users(tenant_id, Sought("id", account_id), 0, 1)
        if not found:
            raise Missing(f"there is no user {account_id}")
        return found[0]

    async def set_external_id(self, tenant_id: str, account_id: str, external_id: str) -> None:
        """Raises Taken."""
        async with transaction(self._pool, tenant_id) as connection:
            try:
                await connection.execute(
                    "UPDATE account SET external_id = $2 WHERE account_id = $1::uuid", account_id, external_id
                )
            except asyncpg.UniqueViolationError as error:
                raise Taken(f"another user has the externalId {external_id}") from error

    async def has_domain(self, tenant_id: str, name: str) -> bool:
        """Whether it is one of the tenant's."""
        async with transaction(self._pool, tenant_id) as connection:
            return bool(
                await connection.fetchval(
                    "SELECT true FROM domain WHERE tenant_id = $1::uuid AND name = $2", tenant_id, name
                )
            )

    async def first_domain(self, tenant_id: str) -> str:
        """The oldest one. Raises InUse where there is none."""
        async with transaction(self._pool, tenant_id) as connection:
            found = await connection.fetchval(
                "SELECT name FROM domain WHERE tenant_id = $1::uuid ORDER BY created_at, name LIMIT 1",
                tenant_id,
            )
        if found is None:
            raise InUse("the tenant has no domain")
        return str(found)

    # -- groups

    async def groups(
        self, tenant_id: str, sought: Sought, offset: int, limit: int
    ) -> tuple[list[GroupRecord], int]:
        """By name, and how many there are in all."""
        query = (tenant_id, sought.attribute, sought.value)
        async with transaction(self._pool, tenant_id) as connection:
            total = await connection.fetchval("SELECT count(*)" + GROUPS, *query)
            rows = await connection.fetch(
                "SELECT g.*" + GROUPS + " ORDER BY g.display_name, g.group_id LIMIT $4 OFFSET $5",
                *query,
                limit,
                offset,
            )
            members: dict[str, list[tuple[str, str]]] = {}
            for row in await connection.fetch(MEMBERS, [row["group_id"] for row in rows]):
                member = (str(row["account_id"]), row["address"])
                members.setdefault(str(row["group_id"]), []).append(member)
        return [_group(row, members.get(str(row["group_id"]), [])) for row in rows], int(total)

    async def group(self, tenant_id: str, group_id: str) -> GroupRecord:
        """Raises Missing."""
        found, _ = await self.groups(tenant_id, Sought("id", group_id), 0, 1)
        if not found:
            raise Missing(f"there is no group {group_id}")
        return found[0]

    async def create_group(
        self, tenant_id: str, address: str, name: str, external_id: str, members: Sequence[str]
    ) -> GroupRecord:
        """`members` are account ids of the tenant. Raises Taken, Missing, InUse."""
        local_part, domain = halves(address)
        async with transaction(self._pool, tenant_id) as connection:
            await insert_address(connection, tenant_id, address, None, False)
            group_id = await connection.fetchval(
                """INSERT INTO address_group (tenant_id, domain, local_part, display_name, external_id)
                   VALUES ($1::uuid, $2, $3, $4, $5) RETURNING group_id""",
                tenant_id,
                domain,
                local_part,
                name,
                external_id,
            )
            await _write_members(connection, tenant_id, address, members)
        return await self.group(tenant_id, str(group_id))

    async def update_group(
        self,
        tenant_id: str,
        record: GroupRecord,
        name: str,
        external_id: str,
        members: Sequence[str],
        before: GroupRecord | None = None,
    ) -> GroupRecord:
        """`before`: as whoever wants it changed has seen it. Raises Missing, InUse, Stale."""
        local_part, domain = halves(record.address)
        async with transaction(self._pool, tenant_id) as connection:
            # Two that change it at once take turns, also one that changes it as the alias that it is.
            await connection.execute(
                "SELECT FROM address WHERE domain = $1 AND local_part = $2 FOR UPDATE", domain, local_part
            )
            if before is not None and await _looks(connection, record.group_id) != _look_of(before):
                raise Stale("the group was changed meanwhile")
            done = await connection.execute(
                "UPDATE address_group SET display_name = $2, external_id = $3 WHERE group_id = $1::uuid",
                record.group_id,
                name,
                external_id,
            )
            if done == "UPDATE 0":
                raise Missing(f"there is no group {record.group_id}")
            await connection.execute(
                "DELETE FROM alias_target WHERE domain = $1 AND local_part = $2", domain, local_part
            )
            await _write_members(connection, tenant_id, record.address, members)
        return await self.group(tenant_id, record.group_id)

    async def delete_group(self, tenant_id: str, record: GroupRecord) -> None:
        """With its address."""
        local_part, domain = halves(record.address)
        async with transaction(self._pool, tenant_id) as connection:
            await connection.execute(
                "DELETE FROM address WHERE domain = $1 AND local_part = $2 AND account_id IS NULL",
                domain,
                local_part,
            )


Look: TypeAlias = tuple[str, str, frozenset[str]]


def _look_of(record: GroupRecord) -> Look:
    return record.display_name, record.external_id, frozenset(account_id for account_id, _ in record.members)


async def _looks(connection: Connection, group_id: str) -> Look | None:
    row = await connection.fetchrow(
        "SELECT display_name, external_id FROM address_group WHERE group_id = $1::uuid", group_id
    )
    members = await connection.fetch(MEMBERS, [group_id])
    ids = frozenset(str(each["account_id"]) for each in members)
    return None if row is None else (row["display_name"], row["external_id"], ids)


async def _write_members(
    connection: Connection, tenant_id: str, address: str, members: Sequence[str]
) -> None:
    wanted = list(dict.fromkeys(members))
    if len(wanted) > MOST_MEMBERS:
        raise InUse(f"a group has at most {MOST_MEMBERS} members")
    rows = await connection.fetch(
        """SELECT account_id::text AS id, local_part || '@' || domain AS address FROM address
           WHERE tenant_id = $1::uuid AND is_primary AND account_id::text = ANY($2::text[])""",
        tenant_id,
        wanted,
    )
    found = {row["id"]: row["address"] for row in rows}
    for each in wanted:
        if each not in found:
            raise NameInvalid(f"there is no user {each}")
    local_part, domain = halves(address)
    await connection.execute(
        """INSERT INTO alias_target (domain, local_part, place, tenant_id, target)
           SELECT $1, $2, place, $3::uuid, target FROM unnest($4::text[]) WITH ORDINALITY AS t(target, place)""",
        domain,
        local_part,
        tenant_id,
        [found[each] for each in wanted],
    )


def _user(row: asyncpg.Record) -> UserRecord:
    return UserRecord(
        str(row["account_id"]),
        row["address"],
        row["external_id"],
        row["display_name"],
        not row["suspended"],
        tuple(row["emails"]),
        row["created_at"],
        tuple(row["roles"]),
    )


def _group(row: asyncpg.Record, members: Sequence[tuple[str, str]]) -> GroupRecord:
    return GroupRecord(
        str(row["group_id"]),
        row["display_name"],
        row["external_id"],
        f"{row['local_part']}@{row['domain']}",
        tuple(members),
        row["created_at"],
    )
