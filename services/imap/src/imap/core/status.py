"""STATUS (RFC 3501 §6.3.10), alone and with LIST (RFC 5819): counters from the mailboxes' rows.

What no counter holds (\\Recent, \\Deleted) is counted in one statement for all mailboxes asked about, and only where it is asked for.
"""

from collections.abc import Mapping, Sequence

from mailmodel import AccountRef, MailboxInfo
from mailmodel.rights import READ
from mailproto.imap import responses
from mailproto.imap.commands import Status
from mailproto.imap.mailbox_options import StatusItem
from mailstore import EntryCounts

from imap.core.answer import Answer, ok
from imap.core.features import Feature
from imap.core.object_ids import mailbox_object
from imap.core.places import Place, need
from imap.core.session import Session

COUNTED = frozenset({StatusItem.RECENT, StatusItem.DELETED, StatusItem.DELETED_STORAGE})
NONE = EntryCounts(recent=0, deleted=0, deleted_octets=0)


async def status(session: Session, command: Status) -> Answer:
    """Of one mailbox."""
    place = await need(session, command.mailbox, READ)
    counts = await count(session, [place], command.items)
    if StatusItem.HIGHESTMODSEQ in command.items:
        await session.enable(Feature.CONDSTORE)
    await session.say(line(session, place.info, command.items, counts))
    return ok("STATUS completed")


async def count(
    session: Session, places: Sequence[Place], items: Sequence[StatusItem]
) -> Mapping[int, EntryCounts]:
    """What must be counted for these items, by mailbox id."""
    if not places or COUNTED.isdisjoint(items):
        return {}
    by_owner: dict[AccountRef, list[int]] = {}
    for place in places:
        by_owner.setdefault(place.reach.owner, []).append(place.info.mailbox_id)
    counts: dict[int, EntryCounts] = {}
    for owner, mailbox_ids in by_owner.items():
        counts |= await session.store.count_entries(owner, mailbox_ids)
    return counts


def line(
    session: Session, info: MailboxInfo, items: Sequence[StatusItem], counts: Mapping[int, EntryCounts]
) -> bytes:
    """The STATUS response."""
    counted = counts.get(info.mailbox_id, NONE)
    values: dict[StatusItem, object] = {
        StatusItem.MESSAGES: info.messages,
        StatusItem.RECENT: counted.recent,
        StatusItem.UIDNEXT: info.uid_next,
        StatusItem.UIDVALIDITY: info.uid_validity,
        StatusItem.UNSEEN: info.unseen,
        StatusItem.DELETED: counted.deleted,
        # In the unit of STORAGE (RFC 9208 §5.1).
        StatusItem.DELETED_STORAGE: -(-counted.deleted_octets // 1024),
        StatusItem.SIZE: info.size_octets,
        StatusItem.APPENDLIMIT: session.append_octets,
        StatusItem.HIGHESTMODSEQ: info.highest_modseq,
        StatusItem.MAILBOXID: f"({mailbox_object(info.mailbox_id)})",
    }
    return responses.status(session.shown(info.name), [(item.value, values[item]) for item in items])
