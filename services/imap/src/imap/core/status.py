"""STATUS (RFC 3501 §6.3.10), alone and with LIST (RFC 5819): counters from the mailboxes' rows.

What no counter holds (\\Recent, \\Deleted) is counted in one statement for all mailboxes asked about, and only where it is asked for.
"""

from collections.abc import Mapping, Sequence

from mailmodel import MailboxInfo
from mailproto.imap import responses
from mailproto.imap.commands import Status
from mailproto.imap.mailbox_options import StatusItem
from mailstore import EntryCounts

from imap.core.answer import NO_MAILBOX, Answer, No, ok
from imap.core.features import Feature
from imap.core.object_ids import mailbox_object
from imap.core.session import Session

COUNTED = frozenset({StatusItem.RECENT, StatusItem.DELETED})
NONE = EntryCounts(recent=0, deleted=0, deleted_octets=0)


async def status(session: Session, command: Status) -> Answer:
    """Of one mailbox."""
    found = await session.store.get_mailbox(session.account, command.mailbox)
    if found is None:
        raise No(*NO_MAILBOX)
    counts = await count(session, [found], command.items)
    if StatusItem.HIGHESTMODSEQ in command.items:
        await session.enable(Feature.CONDSTORE)
    await session.say(line(session, found, command.items, counts))
    return ok("STATUS completed")


async def count(
    session: Session, infos: Sequence[MailboxInfo], items: Sequence[StatusItem]
) -> Mapping[int, EntryCounts]:
    """What must be counted for these items, by mailbox id."""
    if not infos or COUNTED.isdisjoint(items):
        return {}
    return await session.store.count_entries(session.account, [info.mailbox_id for info in infos])


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
        StatusItem.SIZE: info.size_octets,
        StatusItem.APPENDLIMIT: session.append_octets,
        StatusItem.HIGHESTMODSEQ: info.highest_modseq,
        StatusItem.MAILBOXID: f"({mailbox_object(info.mailbox_id)})",
    }
    return responses.status(session.shown(info.name), [(item.value, values[item]) for item in items])
