"""ESEARCH (RFC 7377): one search of several mailboxes, each answered by itself where something was found."""

from mailmodel.mailbox_name import MailboxNameInvalid, canonical
from mailmodel.rights import READ
from mailmodel.view import SessionView
from mailproto.imap import responses
from mailproto.imap.commands import By, MultiSearch
from mailproto.imap.notify_events import Source, Watched
from mailproto.imap.search_keys import asks_modseq
from mailproto.imap.search_returns import SearchReturn, SearchReturns
from mailstore import MailboxMissing

from imap.core import places
from imap.core.answer import Answer, Bad, ok
from imap.core.features import Feature
from imap.core.finding import Found, Where, find_in
from imap.core.places import Place, visible
from imap.core.searching import result_items, save
from imap.core.session import Session
from imap.core.watch import is_meant

ALL = SearchReturns(frozenset({SearchReturn.ALL}))


async def esearch(session: Session, command: MultiSearch, tag: str) -> Answer:
    """Always UIDs; no answer for mailboxes in which nothing was found."""
    if any(source.watched is Watched.SELECTED for source in command.sources) and session.selected is None:
        raise Bad("Select a mailbox first")
    returns = command.returns or ALL
    if returns.partial is None and not returns.options:
        returns = ALL
    tells_modseq = asks_modseq(command.key)
    if tells_modseq:
        await session.enable(Feature.CONDSTORE)
    sources = [_with_canonical_names(source) for source in command.sources]
    for place in await visible(session):
        info = place.info
        if READ not in place.reach.rights or not _is_searched(session, sources, place):
            continue
        try:
            found = await _found(session, command, place)
        except MailboxMissing:
            continue
        if SearchReturn.SAVE in returns.options:
            save(session, returns, found)
            if returns.partial is None and len(returns.options) == 1:
                continue
        if found:
            of = b" MAILBOX %b UIDVALIDITY %d" % (session.shown(info.name), info.uid_validity)
            items = result_items(returns, found, By.UID, tells_modseq=tells_modseq)
            await session.say(responses.esearch(tag, True, items, of))
    return ok("ESEARCH completed")


async def _found(session: Session, command: MultiSearch, place: Place) -> list[Found]:
    info = place.info
    selected = session.selected
    if selected is not None and selected.mailbox_id == info.mailbox_id:
        return await find_in(session, Where(info.mailbox_id, selected.view, session.saved), command.key)
    snapshot = await places.snapshot(session, place.reach)
    view = SessionView(
        snapshot.uids,
        snapshot.system_flags,
        snapshot.keywords,
        snapshot.modseqs,
        highest_modseq=snapshot.info.highest_modseq,
        uid_next=snapshot.info.uid_next,
        recent_from_uid=snapshot.recent_from_uid,
    )
    return await find_in(session, Where(info.mailbox_id, view, owner=place.reach.owner), command.key)


def _with_canonical_names(source: Source) -> Source:
    names = []
    for name in source.names:
        try:
            names.append(canonical(name))
        except MailboxNameInvalid:
            continue
    return Source(source.watched, tuple(names))


def _is_searched(session: Session, sources: list[Source], place: Place) -> bool:
    selected, info = session.selected, place.info
    for source in sources:
        if source.watched is Watched.SELECTED:
            if selected is not None and selected.mailbox_id == info.mailbox_id:
                return True
        elif is_meant(source.watched, source.names, info.name, is_subscribed=info.subscribed):
            return True
    return False
