"""One member of a mailing list as SQL: by number, which a token has, or by address."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pgkit import OPERATOR, Pool, transaction

from directory.adapters.lists import LIST, ListRecord, list_of
from directory.core import names

# What came back before that says nothing about today.
STALE = timedelta(days=14)
REPLY_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Bounced:
    """What a bounce came to. `suspended`, `removed`: by this one."""

    address: str
    days: int
    suspended: bool
    removed: bool


class Membership:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def address(self, list_id: str, number: int) -> str | None:
        """Of the member with this number."""
        async with transaction(self._pool, OPERATOR) as connection:
            found: str | None = await connection.fetchval(
                "SELECT address FROM list_member WHERE account_id = $1::uuid AND number = $2", list_id, number
            )
        return found

    async def remove(self, list_id: str, number: int) -> str | None:
        """The address that was its; None where there was none."""
        async with transaction(self._pool, OPERATOR) as connection:
            found: str | None = await connection.fetchval(
                "DELETE FROM list_member WHERE account_id = $1::uuid AND number = $2 RETURNING address",
                list_id,
                number,
            )
        return found

    async def bounced(
        self, tenant_id: str, list_id: str, number: int, reply: str, now: datetime, event_id: str = ""
    ) -> Bounced | None:
        """Count it, once a day; the list's owner has said what follows. None: there is no such member.

        Of an event that is named the answer is the same however often it is asked for; who is to be removed is suspended then.
        """
        async with transaction(self._pool, tenant_id) as connection:
            row = await connection.fetchrow(
                """SELECT e.address, e.bounce_days, e.bounced_at, e.suspended_at, e.bounce_event, m.bounce_limit,
                          m.bounce_action
                   FROM list_member e JOIN mailing_list m ON m.account_id = e.account_id
                   WHERE e.account_id = $1::uuid AND e.number = $2 FOR UPDATE OF e""",
                list_id,
                number,
            )
            if row is None:
                return None
            days, last = row["bounce_days"], row["bounced_at"]
            if last is None or now - last > STALE:
                days = 1
            elif last.date() != now.date():
                days += 1
            was_over = bool(event_id) and event_id == row["bounce_event"] and row["suspended_at"] is not None
            is_over = 0 < row["bounce_limit"] <= days and row["suspended_at"] is None
            removed = (is_over or was_over) and row["bounce_action"] == "remove"
            if removed and not event_id:
                await connection.execute(
                    "DELETE FROM list_member WHERE account_id = $1::uuid AND number = $2", list_id, number
                )
            else:
                await connection.execute(
                    """UPDATE list_member SET bounce_days = $3, bounced_at = $4, last_bounce = $5,
                           suspended_at = CASE WHEN $6 THEN $4 ELSE suspended_at END,
                           bounce_event = CASE WHEN $6 THEN nullif($7, '') ELSE bounce_event END
                       WHERE account_id = $1::uuid AND number = $2""",
                    list_id,
                    number,
                    days,
                    now,
                    reply[:REPLY_CHARACTERS],
                    is_over,
                    event_id,
                )
        return Bounced(row["address"], days, (is_over or was_over) and not removed, removed)

    async def of_address(self, address: str) -> ListRecord | None:
        """The list whose address this is, one of them or with a detail; None where it is none."""
        key = names.split(address)
        if key is None:
            return None
        async with transaction(self._pool, OPERATOR) as connection:
            row = await connection.fetchrow(
                LIST
                + " JOIN address a ON a.account_id = m.account_id WHERE a.local_part = $1 AND a.domain = $2",
                *key,
            )
        return None if row is None else list_of(row)

    async def addresses_of(self, tenant_id: str, account_id: str) -> list[str]:
        """All of an account's."""
        async with transaction(self._pool, tenant_id) as connection:
            rows = await connection.fetch(
                "SELECT local_part || '@' || domain AS address FROM address WHERE account_id = $1::uuid",
                account_id,
            )
        return [row["address"] for row in rows]
