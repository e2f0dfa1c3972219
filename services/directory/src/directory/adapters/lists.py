"""Mailing lists and their members as SQL.

A member has a number that nobody else of the list gets again: pages are ranges of numbers, so what a page is does not
change by who comes and goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
from pgkit import OPERATOR, Pool, transaction

from directory.adapters.addresses import halves, insert_address
from directory.core.confusable import skeleton
from directory.core.names import LOCAL_PART_OCTETS
from directory.ports import InUse, Missing

PAGE_NUMBERS = 500
MOST_MEMBERS = 200_000
# NAME-request@ and so on are the list's own (RFC 2142 §6).
BESIDE = ("request", "subscribe", "unsubscribe", "owner")

LIST = """
SELECT m.account_id, m.tenant_id, t.name AS tenant_name, p.local_part || '@' || p.domain AS address, m.name,
       m.description, m.posting, m.reply_to, m.owners, m.moderators, m.subscribing, m.visible_to, m.bounce_limit,
       m.bounce_action,
       (SELECT count(*) FROM list_member e WHERE e.account_id = m.account_id) AS members
FROM mailing_list m
JOIN tenant t ON t.tenant_id = m.tenant_id
JOIN address p ON p.account_id = m.account_id AND p.is_primary"""
# Without counting.
FOUND = LIST.replace("(SELECT count(*) FROM list_member e WHERE e.account_id = m.account_id)", "0")


@dataclass(frozen=True, slots=True)
class ListSettings:
    """What its owner decides. `posting`: anyone, members, moderators; `reply_to`: author, list; `subscribing`: closed, open.

    `visible_to`: owners, members, tenant; `bounce_action`: suspend, remove, on the day `bounce_limit` (0: never).
    """

    name: str
    description: str
    posting: str
    reply_to: str
    owners: tuple[str, ...]
    moderators: tuple[str, ...]
    subscribing: str = "closed"
    visible_to: str = "owners"
    bounce_limit: int = 5
    bounce_action: str = "suspend"


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """A member. `bounce_days`: on how many days mail to it came back lately."""

    number: int
    address: str
    bounce_days: int
    last_bounce: str
    suspended: bool


@dataclass(frozen=True, slots=True)
class ListRecord:
    """A list; its id is that of the account that stands for it."""

    list_id: str
    tenant_id: str
    tenant_name: str
    address: str
    settings: ListSettings
    members: int


def list_of(row: asyncpg.Record) -> ListRecord:
    """A row of LIST."""
    return ListRecord(
        str(row["account_id"]),
        str(row["tenant_id"]),
        row["tenant_name"],
        row["address"],
        ListSettings(
            row["name"],
            row["description"],
            row["posting"],
            row["reply_to"],
            tuple(row["owners"]),
            tuple(row["moderators"]),
            row["subscribing"],
            row["visible_to"],
            row["bounce_limit"],
            row["bounce_action"],
        ),
        row["members"],
    )


class Lists:
    """Every method raises DatabaseUnavailable; those that name a list raise Missing."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(self, tenant_id: str, address: str, salt: bytes, settings: ListSettings) -> str:
        """Its id. Raises Taken."""
        async with transaction(self._pool, tenant_id) as connection:
            account_id = await connection.fetchval(
                """INSERT INTO account (tenant_id, display_name, scram_salt, shared)
                   VALUES ($1::uuid, $2, $3, true) RETURNING account_id""",
                tenant_id,
                settings.name,
                salt,
            )
            await insert_address(connection, tenant_id, address, account_id, True)
            local_part, domain = halves(address)
            # Somebody may have one of these already: with a + it leads here all the same.
            whole = [f"{local_part}-{word}" for word in BESIDE]
            beside = [each for each in whole if len(each.encode()) <= LOCAL_PART_OCTETS]
            await connection.execute(
                """INSERT INTO address (domain, local_part, tenant_id, account_id, is_primary, skeleton)
                   SELECT $1, each.local_part, $2::uuid, $3, false, each.skeleton
                   FROM unnest($4::text[], $5::text[]) AS each(local_part, skeleton) ON CONFLICT DO NOTHING""",
                domain,
                tenant_id,
                account_id,
                beside,
                [skeleton(each) for each in beside],
            )
            await connection.execute(
                """INSERT INTO mailing_list (account_id, tenant_id, name, description, posting, reply_to, owners,
                                             moderators, subscribing, visible_to, bounce_limit, bounce_action)
                   VALUES ($1, $2::uuid, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)""",
                account_id,
                tenant_id,
                *_values(settings),
            )
        return str(account_id)

    async def get(self, list_id: str) -> ListRecord:
        """By its id, which is a uuid."""
        async with transaction(self._pool, OPERATOR) as connection:
            row = await connection.fetchrow(LIST + " WHERE m.account_id = $1::uuid", list_id)
        if row is None:
            raise Missing("there is no such list")
        return list_of(row)

    async def update(self, record: ListRecord, settings: ListSettings) -> None:
        """All of them."""
        async with transaction(self._pool, record.tenant_id) as connection:
            await connection.execute(
                """UPDATE mailing_list SET name = $2, description = $3, posting = $4, reply_to = $5, owners = $6,
                                           moderators = $7, subscribing = $8, visible_to = $9, bounce_limit = $10,
                                           bounce_action = $11 WHERE account_id = $1::uuid""",
                record.list_id,
                *_values(settings),
            )

    async def listing(self, tenant_id: str | None, after: str, size: int) -> list[ListRecord]:
        """In the order of their addresses."""
        async with transaction(self._pool, OPERATOR) as connection:
            rows = await connection.fetch(
                LIST
                + """ WHERE ($1::uuid IS NULL OR m.tenant_id = $1::uuid) AND p.local_part || '@' || p.domain > $2
                           ORDER BY p.local_part || '@' || p.domain LIMIT $3""",
                tenant_id,
                after,
                size,
            )
        return [list_of(row) for row in rows]

    async def found(self, tenant_id: str, account_ids: Sequence[str]) -> list[ListRecord]:
        """Those of the tenant's accounts that are lists; their members are not counted."""
        async with transaction(self._pool, tenant_id) as connection:
            rows = await connection.fetch(FOUND + " WHERE m.account_id = ANY($1::uuid[])", account_ids)
        return [list_of(row) for row in rows]

    # -- members

    async def add(self, record: ListRecord, addresses: Sequence[str]) -> int:
        """How many were none before, or suspended. Raises InUse where there would be too many."""
        async with transaction(self._pool, record.tenant_id) as connection:
            # One at a time: numbers are given in order.
            await connection.fetchval(
                "SELECT next_number FROM mailing_list WHERE account_id = $1::uuid FOR UPDATE", record.list_id
            )
            new = [
                row["address"]
                for row in await connection.fetch(
                    """SELECT n.address FROM unnest($2::text[]) WITH ORDINALITY AS n(address, place)
                       WHERE NOT EXISTS (SELECT FROM list_member e
                                         WHERE e.account_id = $1::uuid AND lower(e.address) = lower(n.address))
                       ORDER BY n.place""",
                    record.list_id,
                    list({each.lower(): each for each in reversed(addresses)}.values())[::-1],
                )
            ]
            # Not `record.members`: others may have been added before it was our turn.
            held = await connection.fetchval(
                "SELECT count(*) FROM list_member WHERE account_id = $1::uuid", record.list_id
            )
            if held + len(new) > MOST_MEMBERS:
                raise InUse(f"a list has at most {MOST_MEMBERS} members")
            await connection.execute(
                """WITH given AS (UPDATE mailing_list SET next_number = next_number + cardinality($2::text[])
                                  WHERE account_id = $1::uuid
                                  RETURNING account_id, tenant_id, next_number - cardinality($2::text[]) AS first)
                   INSERT INTO list_member (account_id, number, tenant_id, address)
                   SELECT g.account_id, g.first + n.place - 1, g.tenant_id, n.address
                   FROM given g, unnest($2::text[]) WITH ORDINALITY AS n(address, place)""",
                record.list_id,
                new,
            )
            again = await connection.execute(
                """UPDATE list_member SET suspended_at = NULL, bounce_days = 0, bounced_at = NULL
                   WHERE account_id = $1::uuid AND suspended_at IS NOT NULL
                   AND lower(address) = ANY(SELECT lower(n) FROM unnest($2::text[]) n)""",
                record.list_id,
                addresses,
            )
        return len(new) + int(again.split()[-1])

    async def remove(self, record: ListRecord, addresses: Sequence[str]) -> int:
        """How many were members."""
        async with transaction(self._pool, record.tenant_id) as connection:
            done = await connection.execute(
                """DELETE FROM list_member WHERE account_id = $1::uuid
                   AND lower(address) = ANY(SELECT lower(n) FROM unnest($2::text[]) n)""",
                record.list_id,
                addresses,
            )
        return int(done.split()[-1])

    async def members(
        self, record: ListRecord, after: int, size: int, suspended_only: bool = False
    ) -> list[MemberRecord]:
        """In the order in which they came, from behind `after`."""
        async with transaction(self._pool, record.tenant_id) as connection:
            rows = await connection.fetch(
                """SELECT number, address, bounce_days, last_bounce, suspended_at IS NOT NULL AS suspended
                   FROM list_member WHERE account_id = $1::uuid AND number > $2
                   AND (suspended_at IS NOT NULL OR NOT $4) ORDER BY number LIMIT $3""",
                record.list_id,
                after,
                size,
                suspended_only,
            )
        return [MemberRecord(*row) for row in rows]

    async def page(self, tenant_id: str, list_id: str, page: int) -> tuple[int, list[tuple[int, str]]]:
        """That page, or the next that has members who get mail, with their numbers; none: there are no more."""
        async with transaction(self._pool, tenant_id) as connection:
            rows = await connection.fetch(
                """WITH first AS (SELECT min(number) / $3 AS page FROM list_member
                                  WHERE account_id = $1::uuid AND number >= $2 * $3 AND suspended_at IS NULL)
                   SELECT f.page, e.number, e.address FROM first f JOIN list_member e ON e.account_id = $1::uuid
                       AND e.number >= f.page * $3 AND e.number < (f.page + 1) * $3 AND e.suspended_at IS NULL
                   ORDER BY e.number""",
                list_id,
                page,
                PAGE_NUMBERS,
            )
        return (rows[0]["page"] if rows else page), [(row["number"], row["address"]) for row in rows]

    async def among(self, tenant_id: str, list_id: str, addresses: Sequence[str]) -> list[str]:
        """Which of the addresses are members, as they are asked for."""
        async with transaction(self._pool, tenant_id) as connection:
            rows = await connection.fetch(
                """SELECT n.address FROM unnest($2::text[]) AS n(address)
                   WHERE EXISTS (SELECT FROM list_member e
                                 WHERE e.account_id = $1::uuid AND lower(e.address) = lower(n.address))""",
                list_id,
                addresses,
            )
        return [row["address"] for row in rows]


def _values(settings: ListSettings) -> tuple[object, ...]:
    return (
        settings.name,
        settings.description,
        settings.posting,
        settings.reply_to,
        settings.owners,
        settings.moderators,
        settings.subscribing,
        settings.visible_to,
        settings.bounce_limit,
        settings.bounce_action,
    )
