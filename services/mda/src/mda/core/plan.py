"""From an accepted message to the deliveries it asks for."""

from collections.abc import Mapping, Sequence

from mailmodel import AccountRef, Flags, SystemFlag
from mailstore import Delivery, NewMessage, Outcome
from spool import Source, SpooledLetter

from mda.core.marks import NOT_SCANNED
from mda.core.told import REFUSED_BEFORE, Refusal
from mda.core.trace import delivery_prefix

INBOX = "INBOX"
NOWHERE_ELSE: Mapping[str, str] = {}


def plan(
    letter: SpooledLetter, marks: bytes = NOT_SCANNED, mailboxes: Mapping[str, str] = NOWHERE_ELSE
) -> list[Delivery]:
    """One delivery for each local recipient, in the order of the envelope, to INBOX or to the account's in `mailboxes`.

    `marks` are header fields for the prefix. Raises ValueError on what cannot be filed.
    """
    envelope = letter.envelope
    trace = marks + envelope.trace_prefix
    own = envelope.own_copies
    fields = {} if own is None else {each.address: own.fields_of(each) for each in envelope.recipients}
    deliveries = []
    for account, address in local_recipients(letter):
        deliveries.append(
            Delivery(
                account=account,
                queue_id=envelope.queue_id,
                recipient=address,
                mailbox_name=mailboxes.get(account.account_id, INBOX),
                new=NewMessage(
                    body=letter.body,
                    prefix=delivery_prefix(
                        envelope.reverse_path_of(address), address, trace + fields.get(address, b"")
                    ),
                    facts=letter.facts,
                    internal_date=envelope.arrived_at,
                    flags=Flags(SystemFlag(0), frozenset()),
                ),
                is_notice=envelope.source is Source.DSN,
            )
        )
    return deliveries


def over_quota(deliveries: Sequence[Delivery], outcomes: Sequence[Outcome]) -> list[Delivery]:
    """The deliveries of recipients for whom there was no room at all.

    A script may have asked for several copies (`sieving` has them follow the first, under its recipient and more);
    who got one of them got the message.
    """
    refused: list[Delivery] = []
    first, got = None, True
    for delivery, outcome in zip(deliveries, outcomes, strict=True):
        if first is None or not _is_copy(delivery, first):
            if first is not None and not got:
                refused.append(first)
            first, got = delivery, False
        got = got or outcome is not Outcome.OVER_QUOTA
    if first is not None and not got:
        refused.append(first)
    return refused


def refused_before(deliveries: Sequence[Delivery], outcomes: Sequence[Outcome]) -> dict[str, Refusal]:
    """By recipient: those that were refused when the message came the time before."""
    return {
        delivery.recipient: REFUSED_BEFORE
        for delivery, outcome in zip(deliveries, outcomes, strict=True)
        if outcome is Outcome.REFUSED
    }


def _is_copy(delivery: Delivery, first: Delivery) -> bool:
    return delivery.account == first.account and delivery.recipient.startswith(first.recipient + " ")


def subaddresses(letter: SpooledLetter) -> dict[str, str]:
    """What stands behind the + of each local recipient's address (RFC 5233), by account; not of an alias."""
    return {
        account_id: address.rpartition("@")[0].partition("+")[2]
        for account_id, address in detailed(letter).items()
    }


def detailed(letter: SpooledLetter) -> dict[str, str]:
    """The addresses of local recipients as they were written, of those that have a detail (RFC 5233), by account."""
    found = {}
    for recipient in letter.envelope.recipients:
        user, plus, detail = recipient.original_address.rpartition("@")[0].partition("+")
        own = recipient.address.rpartition("@")[0]
        if plus and detail and recipient.account_id is not None and user.lower() == own.lower():
            found[recipient.account_id] = recipient.original_address
    return found


def local_recipients(letter: SpooledLetter) -> list[tuple[AccountRef, str]]:
    """Account and address of each recipient. Raises ValueError where one is remote."""
    envelope = letter.envelope
    found = []
    for recipient in envelope.recipients:
        if recipient.account_id is None:
            raise ValueError("a remote recipient on the local road")
        found.append((AccountRef(envelope.tenant_id, recipient.account_id), recipient.address))
    return found
