"""FETCH of what the view and the columns hold, made ready once a command: one format for all messages, filled in for each.

What has to be read from the object storage, or says something else of each message, is for `rendering`.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter, itemgetter
from typing import Any

from mailproto.imap import responses
from mailproto.imap.fetch_items import Attribute, FetchItem
from mailstore import StoredMessage
from mailstore.joined import Joined, Written

from imap.core.session import Session, flag_words

# Number, UID, system flags, keywords, MODSEQ: as `SessionView.rows_of` gives them.
Row = tuple[int, int, int, frozenset[str], int]
Value = Callable[[StoredMessage], Any]

# How an item is written, and what of the message goes in.
STORED: dict[FetchItem, tuple[bytes, Value]] = {
    Attribute.ENVELOPE: (b"ENVELOPE %b", attrgetter("envelope")),
    Attribute.BODY: (b"BODY %b", attrgetter("body")),
    Attribute.BODYSTRUCTURE: (b"BODYSTRUCTURE %b", attrgetter("bodystructure")),
    Attribute.SIZE: (b"RFC822.SIZE %d", attrgetter("size_octets")),
    Attribute.INTERNALDATE: (b"INTERNALDATE %b", lambda m: responses.internal_date(m.internal_date)),
}
VIEW_WORDS = ("number", "UID", "flags", "MODSEQ")
VIEWED: dict[FetchItem, tuple[bytes, int]] = {
    Attribute.UID: (b"UID %d", 1),
    Attribute.FLAGS: (b"FLAGS %b", 2),
    Attribute.MODSEQ: (b"MODSEQ (%d)", 3),
}


def viewing(session: Session, items: Sequence[FetchItem]) -> Callable[[Sequence[int]], bytes]:
    """What makes the responses of some UIDs, which are in order, of items that the view holds."""
    view = session.need_selected().view
    # One format for all: number, UID, flags and MODSEQ are put in where the client wants them.
    head = b"* %d UIDFETCH (" if session.is_uid_only else b"* %d FETCH ("
    template = head + b" ".join(VIEWED[item][0] for item in items) + b")\r\n"
    wanted = itemgetter(int(session.is_uid_only), *(VIEWED[item][1] for item in items))
    recent_from_uid = 1 << 33 if session.is_rev2 else view.recent_from_uid

    def render(uids: Sequence[int]) -> bytes:
        return b"".join(
            [
                template % wanted((number, uid, flag_words(system, keywords, uid >= recent_from_uid), modseq))
                for number, uid, system, keywords, modseq in view.rows_of(uids)
            ]
        )

    return render


# Of what the store puts together: how each is written around it.
WRITTEN: dict[FetchItem, tuple[bytes, Written, bytes]] = {
    Attribute.ENVELOPE: (b"ENVELOPE ", Written.ENVELOPE, b""),
    Attribute.BODY: (b"BODY ", Written.BODY, b""),
    Attribute.BODYSTRUCTURE: (b"BODYSTRUCTURE ", Written.BODYSTRUCTURE, b""),
    Attribute.SIZE: (b"RFC822.SIZE ", Written.SIZE, b""),
    Attribute.INTERNALDATE: (b'INTERNALDATE "', Written.DATE, b'"'),
}


def segments_of(items: Sequence[FetchItem]) -> list[list[bytes | Written]]:
    """What the store is to put together: neighbours among these items in one."""
    segments: list[list[bytes | Written]] = []
    for place, item in enumerate(items):
        if item not in WRITTEN:
            continue
        before, value, behind = WRITTEN[item]
        if place and items[place - 1] in WRITTEN:
            segments[-1] += [b" " + before, value]
        else:
            segments.append([before, value])
        if behind:
            segments[-1].append(behind)
    return segments


def joining(session: Session, items: Sequence[FetchItem]) -> Callable[[Sequence[Joined]], bytes]:
    """What makes the responses of what the store has put together (`segments_of`), of messages that are in order."""
    view = session.need_selected().view
    recent_from_uid = 1 << 33 if session.is_rev2 else view.recent_from_uid
    # All that can go in: the view's four, the UID once more, then the segments.
    forms, order = [], [int(session.is_uid_only)]
    segment = len(VIEW_WORDS)
    for place, item in enumerate(items):
        if item in VIEWED:
            forms.append(VIEWED[item][0])
            order.append(VIEWED[item][1])
        elif not place or items[place - 1] not in WRITTEN:
            segment += 1
            forms.append(b"%b")
            order.append(segment)
    head = b"* %d UIDFETCH (" if session.is_uid_only else b"* %d FETCH ("
    template = head + b" ".join(forms) + b")\r\n"
    wanted = itemgetter(*order)

    def render(messages: Sequence[Joined]) -> bytes:
        known = list(view.rows_of([message[0] for message in messages]))
        if len(known) != len(messages):
            numbered = {row[1] for row in known}
            messages = [message for message in messages if message[0] in numbered]
        return b"".join(
            [
                template
                % wanted(
                    (number, uid, flag_words(system, keywords, uid >= recent_from_uid), modseq, *message)
                )
                for (number, uid, system, keywords, modseq), message in zip(known, messages, strict=True)
            ]
        )

    return render


def compiled(
    session: Session, items: Sequence[FetchItem]
) -> Callable[[Sequence[StoredMessage]], bytes] | None:
    """What makes the responses of some messages; None where an item is not that simple."""
    if not all(item in STORED or item in VIEWED for item in items):
        return None
    view = session.need_selected().view
    recent_from_uid = 1 << 33 if session.is_rev2 else view.recent_from_uid
    head = b"* %d UIDFETCH (" if session.is_uid_only else b"* %d FETCH ("
    values = [STORED[item][1] for item in items if item in STORED]
    # All that can go in: the view's four, then what is stored. `wanted` puts it into the client's order.
    forms, order = [], [int(session.is_uid_only)]
    stored_place = len(VIEW_WORDS)
    for item in items:
        if item in VIEWED:
            form, place = VIEWED[item]
        else:
            form, place = STORED[item][0], stored_place
            stored_place += 1
        forms.append(form)
        order.append(place)
    template = head + b" ".join(forms) + b")\r\n"
    wanted = itemgetter(*order)

    def render(messages: Sequence[StoredMessage]) -> bytes:
        known = {row[1]: row for row in view.rows_of([message.uid for message in messages])}
        lines = []
        for message in messages:
            row = known.get(message.uid)
            if row is None:
                continue
            number, uid, system, keywords, modseq = row
            flags = flag_words(system, keywords, uid >= recent_from_uid)
            lines.append(
                template % wanted((number, uid, flags, modseq, *[value(message) for value in values]))
            )
        return b"".join(lines)

    return render
