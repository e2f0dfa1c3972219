"""Return receipts and whether a reader's programs may still ask about them (RFC 3503)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from directoryclient.policies import AccountSettings
from mailmodel import Flags
from mailmsg.mdn import asks
from mailstore import Delivery
from spool import SpooledLetter

MDN_SENT = "$MDNSent"
NEVER = "never"


def was_told(flags: Flags) -> bool:
    """Whether a receipt was sent, or is never to be."""
    return any(each.lower() == MDN_SENT.lower() for each in flags.keywords)


def wants_receipt(letter: SpooledLetter) -> bool:
    """Whether the sender asked for one."""
    return asks(letter.facts.header)


def without_asking(deliveries: Sequence[Delivery], chosen: Mapping[str, AccountSettings]) -> list[Delivery]:
    """For accounts (by id) that never send receipts: filed as if one had been sent, so that no program asks for one."""
    return [
        _settled(each)
        if (choice := chosen.get(each.account.account_id)) is not None and choice.mdn == NEVER
        else each
        for each in deliveries
    ]


def _settled(delivery: Delivery) -> Delivery:
    if delivery.new is None:
        return delivery
    flags = delivery.new.flags
    marked = Flags(flags.system, flags.keywords | {MDN_SENT})
    return replace(delivery, new=replace(delivery.new, flags=marked))
