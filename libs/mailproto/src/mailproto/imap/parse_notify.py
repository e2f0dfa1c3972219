"""NOTIFY (RFC 5465 §8)."""

from collections.abc import Callable

from mailproto.imap import commands as c
from mailproto.imap.cursor import Cursor, ParseError
from mailproto.imap.fetch_items import FetchItem
from mailproto.imap.notify_events import MESSAGE_EVENTS, NAMED, OF_SELECTED, Event, EventGroup, Watched
from mailproto.imap.parse_fetch import parse_item_list

GROUPS = 20
NAMES = 100
WATCHED = {watched.value: watched for watched in Watched}
EVENTS = {event.value.upper(): event for event in Event}


def _notify(cursor: Cursor) -> c.Command:
    """notify = "NOTIFY" SP (notify-set / notify-none)"""
    word = cursor.word()
    if word == "NONE":
        return c.Notify((), c.TellStatus.NO)
    if word != "SET":
        raise ParseError("SET or NONE expected")
    cursor.space()
    status = c.TellStatus.NO
    if cursor.peek() != b"(":
        if cursor.word() != "STATUS":
            raise ParseError("STATUS or a group of events expected")
        status = c.TellStatus.YES
        cursor.space()
    groups = [_group(cursor)]
    while cursor.take(b" "):
        groups.append(_group(cursor))
        if len(groups) > GROUPS:
            raise ParseError(f"at most {GROUPS} groups of events", "LIMIT")
    if sum(group.watched in OF_SELECTED for group in groups) > 1:
        raise ParseError("the selected mailbox can be meant once only")
    return c.Notify(tuple(groups), status)


def _group(cursor: Cursor) -> EventGroup:
    """event-group = "(" filter-mailboxes SP events ")" """
    cursor.expect(b"(")
    watched = WATCHED.get(cursor.word())
    if watched is None or watched is Watched.SUBTREE_ONE:
        raise ParseError("there are no such mailboxes to watch")
    cursor.space()
    names: tuple[str, ...] = ()
    if watched in NAMED:
        names = parse_names(cursor)
        cursor.space()
    group = _events(cursor, watched, names)
    cursor.expect(b")")
    _check(group)
    return group


def parse_names(cursor: Cursor) -> tuple[str, ...]:
    """one-or-more-mailbox = mailbox / many-mailboxes"""
    if not cursor.take(b"("):
        return (cursor.mailbox(),)
    names = [cursor.mailbox()]
    while not cursor.take(b")"):
        cursor.space()
        names.append(cursor.mailbox())
        if len(names) > NAMES:
            raise ParseError(f"at most {NAMES} mailboxes", "LIMIT")
    return tuple(names)


def _events(cursor: Cursor, watched: Watched, names: tuple[str, ...]) -> EventGroup:
    """events = ( "(" event *(SP event) ")" ) / "NONE"; without the parentheses as in the RFC's own examples"""
    in_parentheses = cursor.take(b"(")
    events: set[Event] = set()
    items: tuple[FetchItem, ...] = ()
    unknown = False
    while True:
        word = cursor.word()
        if word == "NONE" and not in_parentheses and not events:
            return EventGroup(watched, names, frozenset())
        event = EVENTS.get(word)
        if event is None:
            unknown = True
        else:
            events.add(event)
        if event is Event.MESSAGE_NEW and cursor.take(b" ("):
            items = parse_item_list(cursor)
        if not cursor.take(b" "):
            break
    if in_parentheses:
        cursor.expect(b")")
    return EventGroup(watched, names, frozenset(events), items, unknown)


def _check(group: EventGroup) -> None:
    """What RFC 5465 §5 answers with BAD."""
    events = group.events
    if (Event.MESSAGE_NEW in events) != (Event.MESSAGE_EXPUNGE in events):
        raise ParseError("MessageNew and MessageExpunge go together")
    if Event.FLAG_CHANGE in events and Event.MESSAGE_NEW not in events:
        raise ParseError("FlagChange needs MessageNew and MessageExpunge")
    if group.watched in OF_SELECTED and events - MESSAGE_EVENTS:
        raise ParseError("of the selected mailbox only events of messages can be asked for")
    if group.items and group.watched not in OF_SELECTED:
        raise ParseError("items are fetched of the selected mailbox only")


PARSERS: dict[bytes, Callable[[Cursor], c.Command]] = {b"NOTIFY": _notify}
