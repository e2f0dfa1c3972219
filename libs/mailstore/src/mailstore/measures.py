"""Which messages of a mailbox have certain dates, sizes and ids: compared where these lie, so that UIDs alone come back."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from uuid import UUID

from mailmodel import AccountRef
from pgkit import Pool, transaction

ARRIVED = "(internal_date AT TIME ZONE 'UTC')::date"
SAVED = "(saved_at AT TIME ZONE 'UTC')::date"


class Measure(Enum):
    """What is compared, and how. Days are those of UTC."""

    ARRIVED_BEFORE = f"{ARRIVED} < $3::date"
    ARRIVED_ON = f"{ARRIVED} = $3::date"
    ARRIVED_SINCE = f"{ARRIVED} >= $3::date"
    SAVED_BEFORE = f"{SAVED} < $3::date"
    SAVED_ON = f"{SAVED} = $3::date"
    SAVED_SINCE = f"{SAVED} >= $3::date"
    YOUNGER = "internal_date >= $3::timestamptz"
    OLDER = "internal_date < $3::timestamptz"
    LARGER = "size_octets > $3::bigint"
    SMALLER = "size_octets < $3::bigint"
    MESSAGE = "message_id = $3::uuid"


@dataclass(frozen=True, slots=True)
class Measured:
    """A measure and the value that it has."""

    measure: Measure
    value: date | datetime | int | UUID


async def uids_of(pool: Pool, account: AccountRef, mailbox_id: int, asked: Measured) -> list[int]:
    """In order."""
    async with transaction(pool, account.tenant_id) as connection:
        found = await connection.fetch(
            f"SELECT uid FROM entry WHERE account_id = $1 AND mailbox_id = $2 AND {asked.measure.value} ORDER BY uid",  # noqa: S608
            UUID(account.account_id),
            mailbox_id,
            asked.value,
        )
    return [row[0] for row in found]
