"""NOTIFY (RFC 5465): telling a client what changes, of the selected mailbox and of others, whether or not it asks.

Of other mailboxes the list is read again and compared with how it was: one query for any number of changes. A client is
told of its own changes too, which the RFC would rather not have (§5): to leave them out, one would have to know which
of two changes at once is whose.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mailmodel.mailbox_name import MailboxNameInvalid, canonical
from mailmodel.view import MayExpunge
from mailproto.imap.commands import Notify, TellStatus
from mailproto.imap.fetch_items import FetchItem
from mailproto.imap.mailbox_options import StatusItem
from mailproto.imap.notify_events import Event, EventGroup, Watched

from imap.core import contexts, status
from imap.core.answer import Answer, No, ok
from imap.core.authorizing import tell_renewed
from imap.core.comparing import Compared
from imap.core.fetching import fetch_new
from imap.core.session import Session
from imap.core.watch import Watch

BADEVENT = "BADEVENT (" + " ".join(event.value for event in Event) + ")"


async def notify(session: Session, command: Notify) -> Answer:
    """From now on; what the groups before asked for is forgotten."""
    if any(group.unknown for group in command.groups):
        raise No("Some of these events are not known here", BADEVENT)
    watch = Watch(tuple(_with_canonical_names(group) for group in command.groups))
    if watch.asks_for_others:
        compared = await Compared.read(session, watch)
        compared.keep(watch)
        await session.say(compared.without_access(session, watch))
        if command.status is TellStatus.YES:
            await _tell_status(session, watch)
    session.watch = watch
    # An implied NOOP (RFC 5465 §3.1).
    session.is_stale = True
    return ok("NOTIFY completed")


def _with_canonical_names(group: EventGroup) -> EventGroup:
    """A name that no mailbox can have is ignored like one that none has."""
    names = []
    for name in group.names:
        try:
            names.append(canonical(name))
        except MailboxNameInvalid:
            continue
    return replace(group, names=tuple(names))


async def _tell_status(session: Session, watch: Watch) -> None:
    selected = session.selected
    lines = []
    for info in watch.mailboxes.values():
        if selected is not None and info.mailbox_id == selected.mailbox_id:
            continue
        events = watch.events_of(info.name, is_subscribed=info.subscribed)
        if Event.MESSAGE_NEW in events:
            items = [StatusItem.MESSAGES, StatusItem.UIDNEXT, StatusItem.UIDVALIDITY]
            if Event.FLAG_CHANGE in events:
                items.append(StatusItem.HIGHESTMODSEQ)
            lines.append(status.line(session, info, items, {}))
    await session.say(b"".join(lines))


async def tell_news(session: Session, may_expunge: MayExpunge) -> None:
    """What was heard of: all of the selected mailbox, or what the client watches."""
    if session.tells_keys:
        await tell_renewed(session)
    watch = session.watch
    items: Sequence[FetchItem] = ()
    if watch is None:
        announced = await session.announce(may_expunge)
    else:
        group = watch.selected
        if group is None or Event.MESSAGE_NEW not in group.events:
            return
        announced = await session.announce(may_expunge, tells_flags=Event.FLAG_CHANGE in group.events)
        items = group.items
    # RFC 5465 §5.2: not of those that the client itself put there.
    new = [uid for uid in announced if uid not in session.own_uids]
    session.own_uids.difference_update(announced)
    if session.contexts:
        session.arrived.update(new)
    if new and items:
        await fetch_new(session, new, items)


async def tell_unasked(session: Session) -> None:
    """While no command is under way: look, and tell. Raises what the store raises."""
    if session.selected is not None:
        # Who waits is not to be kept ready for.
        session.selected.ahead.forget()
    watch = session.watch
    await session.look()
    await tell_news(session, MayExpunge.NO if watch is not None and watch.delays_expunges else MayExpunge.YES)
    await contexts.tell(session)
    await tell_others(session)


ANNOTATIONS = frozenset({Event.MAILBOX_METADATA_CHANGE, Event.SERVER_METADATA_CHANGE})


async def watch_annotations(session: Session) -> None:
    """ENABLE METADATA: what others change of annotations is told from now on (RFC 5464 §4.4)."""
    watch = Watch(
        tuple(EventGroup(which, (), ANNOTATIONS) for which in (Watched.PERSONAL, Watched.SUBSCRIBED))
    )
    (await Compared.read(session, watch)).keep(watch)
    session.annotation_watch = watch


async def keep_own(session: Session, mailbox_id: int, entries: Iterable[str]) -> None:
    """These annotations the client has changed itself: it is not told (RFC 5464 §4.3)."""
    watch = session.annotation_watch
    if watch is None or session.watch is not None:
        return
    now = (await Compared.read(session, watch)).annotations
    for key in [(mailbox_id, entry) for entry in entries]:
        watch.annotations.pop(key, None)
        if key in now:
            watch.annotations[key] = now[key]


async def tell_others(session: Session) -> None:
    """What changed in the list of mailboxes and in those that are not selected."""
    watch = session.watch_of_others
    if watch is None or not watch.asks_for_others:
        return
    compared = await Compared.read(session, watch)
    await session.say(compared.lines(session, watch))
    compared.keep(watch)
