"""Mailboxes that are full, as who files mail tells it on the bus: refused here, a message need not be bounced later."""

from collections.abc import Sequence

from directoryclient import Disposition, Resolution, Target, Unavailable
from eventbus import EventBus, Followed, subjects
from mailproto.smtp.reply import Reply
from servicekit import logs
from spool import Recipient

from smtp_gateway.ports import Policies

LOG = logs.logger("smtp_gateway.rooms")
FULL = Reply.of(452, "4.2.2", "The mailbox is full; try again later")
FULL_FOR_GOOD = Reply.of(552, "5.2.2", "The mailbox is full")


class Rooms:
    """Account id → octets that still fit, of those that are nearly full."""

    def __init__(self, policies: Policies | None = None) -> None:
        self._policies = policies
        self._free: dict[str, int] = {}

    def heard(self, account_id: str, value: bytes) -> None:
        """The ledger's change."""
        octets = value.decode("ascii", "replace").rpartition(" ")[2]
        if octets.isdecimal():
            self._free[account_id] = int(octets)
        else:
            self._free.pop(account_id, None)

    async def refusal(self, resolution: Resolution, declared_octets: int) -> Reply | None:
        """Where none of the places that an address leads to has room; in a message of unknown size one octet counts."""
        if resolution.disposition is not Disposition.DELIVER or not self._free:
            return None
        return await self._refusal(resolution.targets, max(declared_octets, 1))

    async def refusal_of_message(self, recipients: Sequence[Recipient], octets: int) -> Reply | None:
        """Where a message fits nowhere, which its size did not say before."""
        return await self._refusal(recipients, octets) if self._free and recipients else None

    async def _refusal(self, targets: Sequence[Target] | Sequence[Recipient], least: int) -> Reply | None:
        if any(self._room(target, least) >= least for target in targets):
            return None
        chosen = ""
        if self._policies is not None:
            try:
                chosen = (await self._policies.of(targets[0].tenant_id)).over_quota
            except Unavailable as error:
                LOG.warning("policies_unavailable", error=str(error))
        return FULL_FOR_GOOD if chosen == "refuse" else FULL

    def _room(self, target: Target | Recipient, least: int) -> int:
        # Another system's mailbox may have room.
        return least if target.account_id is None else self._free.get(target.account_id, least)


async def follow_rooms(bus: EventBus, policies: Policies) -> tuple[Rooms, Followed]:
    """What is known now, and to be kept up to date. Raises BusUnavailable."""
    rooms = Rooms(policies)
    ledger = await bus.ledger(
        subjects.FULL, octets_most=subjects.FULL_OCTETS, keep_seconds=subjects.FULL_SECONDS
    )
    followed = Followed(ledger, rooms.heard, lambda: bus.connections)
    await followed.start()
    return rooms, followed
