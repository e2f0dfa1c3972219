"""ESEARCH (RFC 7377): one search of several mailboxes, each answered by itself where something was found."""

from collections.abc import Sequence

from mailmodel.mailbox_name import MailboxNameInvalid, canonical
from mailmodel.rights import READ
from mailmodel.view import SessionView
from mailproto.imap import responses
from mailproto.imap.commands import By, MultiSearch
from mailproto.imap.notify_events import Source, Watched
from mailproto.imap.search_keys import asks_modseq
from mailproto.imap.search_returns import SearchReturn, SearchReturns
from mailstore import MailboxMissing

from imap.core import contexts, places
from imap.core.answer import Answer, Bad, ok
from imap.core.features import Feature
from imap.core.filters import filled_in
from imap.core.finding import Found, Where, find_in
from imap.core.places import Place, is_foreign, visible
from imap.core.searching import result_items, save
from imap.core.session import Session
from imap.core.watch import is_meant

ALL = SearchReturns(frozenset({SearchReturn.ALL}))


async def esearch(session: Session, command: MultiSearch, tag: str) -> Answer:
    """Always UIDs; no answer for mailboxes in which nothing was found."""
    if any(source.watched is Watched.SELECTED for source in command.sources) and session.selected is None:
        raise Bad("Select a mailbox first")
    returns = command.returns or ALL
    if returns.partial is None and not returns.options and not returns.updates:
        returns = ALL
    if returns.updates:
        session.need_selected()
        contexts.check_tag(session, tag)
    try:
        command = await filled_in(session, command)
        await _search(session, command, returns, tag)
    except Exception:
        if SearchReturn.SAVE in returns.options:
            session.saved = ()
        raise
    return ok("ESEARCH completed")


async def _search(session: Session, command: MultiSearch, returns: SearchReturns, tag: str) -> None:
    tells_modseq = asks_modseq(command.key)
    if tells_modseq:
        await session.enable(Feature.CONDSTORE)
    follows = returns.updates
    for place in await _searched(session, command.sources):
        info = place.info
        try:
            found = await _found(session, command, place)
        except MailboxMissing:
            continue
        if SearchReturn.SAVE in returns.options:
            save(session, returns, found)
            if returns.partial is None and len(returns.options) == 1:
                continue
        of = b" MAILBOX %b UIDVALIDITY %d" % (session.shown(info.name), info.uid_validity)
        if found and (items := result_items(returns, found, By.UID, tells_modseq=tells_modseq)):
            await session.say(responses.esearch(tag, True, items, of))
        if follows and info.mailbox_id == session.need_selected().mailbox_id:
            await contexts.begin(session, command, tag, found, of)
            follows = False
    if follows:
        await session.say(
            session.untagged("NO", "The selected mailbox is not among these", contexts.no_update(tag))
        )


async def _searched(session: Session, given: Sequence[Source]) -> list[Place]:
    """The mailboxes that are meant and may be read; those that are meant by their own names, whether or not they may be
    listed (RFC 7377 §2.2).
    """
    sources = [_with_canonical_names(source) for source in given]
    found = []
    for each in await visible(session):
        await session.turns.give_way()
        if _is_searched(session, sources, each):
            found.append(each)
    known = {place.info.name for place in found}
    for name in dict.fromkeys(name for source in sources for name in source.names):
        if is_foreign(name) and name not in known:
            place = await places.find(session, name)
            if place is not None:
                found.append(place)
    return [place for place in found if READ in place.reach.rights]


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
