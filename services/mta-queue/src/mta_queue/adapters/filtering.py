"""A filter as SQL.

Conditions are put together of fixed pieces, and values travel as parameters. What is not set is left out and
not written as "is null or": the planner must see which index fits. Row security asks for comparisons that
leak nothing, or no index is used: so no LIKE, no array operators, but plain equality.
"""

from uuid import UUID

from mta_queue.core.destinations import domain_of
from mta_queue.core.item_filter import FilterInvalid, ItemFilter, Status

# Whether a process has it under lease now, and its status as the operator sees it.
SENDING = "lease_until IS NOT NULL AND lease_until > now()"
FREE = "(lease_until IS NULL OR lease_until <= now())"
STATUSES = {
    Status.WAITING: "status = 'waiting' AND " + FREE,
    Status.HELD: "status = 'held'",
    Status.SENDING: SENDING,
}


class Conditions:
    """WHERE, and the values of its parameters."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.values: list[object] = []

    def add(self, piece: str, *values: object) -> None:
        """A condition; each {} in it stands for one of the values."""
        places = [f"${len(self.values) + number}" for number in range(1, len(values) + 1)]
        self.pieces.append(piece.format(*places))
        self.values.extend(values)

    def sql(self) -> str:
        """For after WHERE."""
        return " AND ".join(self.pieces) or "true"


def conditions(wanted: ItemFilter) -> Conditions:
    """What the filter sets. Raises FilterInvalid."""
    made = Conditions()
    if wanted.tenant_id:
        made.add("tenant_id = {}", tenant_uuid(wanted.tenant_id))
    if wanted.queue_ids:
        made.add("queue_id = ANY({}::text[])", list(wanted.queue_ids))
    if wanted.sender == "<>":
        made.add("reverse_path = ''")
    elif wanted.sender.startswith("@"):
        made.add("lower(split_part(reverse_path, '@', -1)) = lower({})", wanted.sender[1:])
    elif wanted.sender:
        made.add("reverse_path = {}", wanted.sender)
    if wanted.recipient:
        # Nearly all items have one recipient; of the others only those at its domain are looked into.
        made.add(
            "(recipients[1] = {} OR (recipients[2] IS NOT NULL AND domain = {} AND {} = ANY(recipients)))",
            wanted.recipient,
            domain_of(wanted.recipient),
            wanted.recipient,
        )
    if wanted.domain:
        made.add("domain = {}", domain_of("@" + wanted.domain))
    if wanted.status is not None:
        made.add(STATUSES[wanted.status])
    if wanted.reply:
        made.add("strpos(lower(last_reply), lower({})) > 0", wanted.reply)
    if wanted.entered_before is not None:
        made.add("created_at < {}", wanted.entered_before)
    if wanted.entered_after is not None:
        made.add("created_at > {}", wanted.entered_after)
    return made


def tenant_uuid(tenant_id: str) -> UUID:
    """Raises FilterInvalid."""
    try:
        return UUID(tenant_id)
    except ValueError as error:
        raise FilterInvalid(f"{tenant_id!r} is no tenant id") from error
