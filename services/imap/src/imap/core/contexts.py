"""UPDATE (RFC 5267 §4.3): after each change those messages that changed are asked again, and no others.

Of a message that has come into the mailbox the client may want items fetched (RFC 5465 §7): they stand after EXISTS and
before the ESEARCH response.
"""

from collections.abc import Sequence

from mailproto.imap.commands import By, CancelUpdate, MultiSearch, Search, Sort
from mailproto.imap.fetch_items import FetchItem
from mailproto.imap.message_set import MessageSet
from mailproto.imap.search_keys import (
    AndKey,
    NotKey,
    OrKey,
    PlainKey,
    SearchKey,
    SequenceKey,
    UidKey,
)
from mailstore import MailboxMissing

from imap.core.answer import Answer, Bad, ok
from imap.core.fetching import fetch_new
from imap.core.finding import Found, Where, find_in
from imap.core.ordering import Row, comparison, read_rows
from imap.core.session import Selected, Session
from imap.core.updating import Context, SortedContext, numbered

MOST_CONTEXTS = 10
# A sorted result that is kept up to date is held in memory, with what it is sorted by.
MOST_SORTED = 20_000
NOTHING = NotKey(PlainKey.ALL)


def check_tag(session: Session, tag: str) -> None:
    """Raises Bad where a context bears it already."""
    if tag in session.contexts:
        raise Bad("Another search with that tag is being kept up to date")


async def begin(
    session: Session, command: Search | MultiSearch, tag: str, found: Sequence[Found], of: bytes = b""
) -> None:
    """Tell from now on what changes in this result, of the selected mailbox; `of`: correlators."""
    if await _has_room(session, tag):
        key = fixed(session, command.key)
        by = By.UID if isinstance(command, MultiSearch) else command.by
        items = command.returns.update_items if command.returns is not None else ()
        session.contexts[tag] = Context(tag, key, by, {each.uid for each in found}, items=items, of=of)


async def begin_sorted(session: Session, command: Sort, tag: str, rows: Sequence[Row]) -> None:
    """The same of a sorted one."""
    if await _has_room(session, tag, too_large=len(rows) > MOST_SORTED):
        key = fixed(session, command.key)
        items = command.returns.update_items if command.returns is not None else ()
        context = SortedContext(tag, key, command.by, rows, comparison(command.criteria), items)
        session.contexts[tag] = context
        session.sorted_by[tag] = command.criteria


async def _has_room(session: Session, tag: str, *, too_large: bool = False) -> bool:
    if len(session.contexts) < MOST_CONTEXTS and not too_large:
        return True
    why = "That result is too large" if too_large else "Too many results"
    await session.say(session.untagged("NO", f"{why} to be kept up to date", no_update(tag)))
    return False


def no_update(tag: str) -> str:
    """The response code where a result is not kept up to date (RFC 5267 §4.3.1)."""
    return f'NOUPDATE "{tag}"'


def cancel(session: Session, command: CancelUpdate) -> Answer:
    """Tell no more. A tag that is not known was cancelled, or went with its mailbox."""
    session.need_selected()
    for tag in command.tags:
        session.contexts.pop(tag, None)
        session.sorted_by.pop(tag, None)
    return ok("CANCELUPDATE completed")


def fixed(session: Session, key: SearchKey) -> SearchKey:
    """Sequence numbers and `$` mean what they mean now, whatever becomes of them."""
    match key:
        case SequenceKey():
            return _these(session.uids(key.numbers, By.SEQUENCE))
        case UidKey() if key.uids.is_saved:
            return _these(session.saved)
        case NotKey():
            return NotKey(fixed(session, key.key))
        case OrKey():
            return OrKey(fixed(session, key.either), fixed(session, key.other))
        case AndKey():
            return AndKey(tuple(fixed(session, each) for each in key.keys))
        case _:
            return key


def _these(uids: Sequence[int]) -> SearchKey:
    return UidKey(MessageSet(tuple((uid, uid) for uid in uids))) if uids else NOTHING


async def tell(session: Session) -> None:
    """Of messages that changed since this was asked last. Raises what the store raises."""
    selected = session.selected
    if not session.touched:
        return
    touched, session.touched = session.touched, set()
    arrived, session.arrived = session.arrived, set()
    if selected is None or not session.contexts:
        return
    view, gone = selected.view, selected.view.expunged_uids
    asked = [uid for uid in sorted(touched) if uid not in gone and view.number_of(uid) is not None]
    known = {uid: set(_by_notify(session)) for uid in arrived}
    try:
        for context in list(session.contexts.values()):
            await session.say(await _news(session, selected, context, asked, known))
    except MailboxMissing:
        # The next look at it says so.
        return
    except Exception:
        # They are asked again, then.
        session.touched |= touched
        session.arrived |= arrived
        raise


def _by_notify(session: Session) -> Sequence[FetchItem]:
    """What the client has of messages that come, without any context."""
    group = None if session.watch is None else session.watch.selected
    return () if group is None else group.items


async def _news(
    session: Session,
    selected: Selected,
    context: Context,
    touched: Sequence[int],
    known: dict[int, set[FetchItem]],
) -> bytes:
    """`known`: of messages that have come, what was fetched of them."""
    number = numbered(selected.view, context.by)
    where = Where(selected.mailbox_id, selected.view, only=touched)
    found = await find_in(session, where, context.key)
    matching = {each.uid for each in found}
    new = matching - context.members
    rows: list[Row] = []
    if new and isinstance(context, SortedContext):
        scores = {each.uid: each.relevancy for each in found}
        rows = await read_rows(
            session, selected.mailbox_id, sorted(new), session.sorted_by[context.tag], scores
        )
    for uid in sorted(new & known.keys()):
        items = [item for item in context.items if item not in known[uid]]
        if items:
            await fetch_new(session, [uid], items)
            known[uid].update(items)
    said = context.removed([uid for uid in touched if uid not in matching], number)
    return said + (
        context.inserted(rows, number) if isinstance(context, SortedContext) else context.added(new, number)
    )
