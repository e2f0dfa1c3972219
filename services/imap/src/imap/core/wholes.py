"""FETCH of whole messages beside what the view and the columns hold, made ready once a command: what most clients do when
they download a mailbox. Everything else that reads bodies is for `rendering`.
"""

from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import cast

from mailproto.imap.fetch_items import FetchItem, Section, Text
from mailstore import BodyPlace, StoredMessage

from imap.core.compiling import STORED, VIEW_WORDS, VIEWED, Value
from imap.core.reading_ahead import Made
from imap.core.rendering import news
from imap.core.session import Session, flag_words


def is_whole(item: FetchItem) -> bool:
    """Whether it is prefix and body from the first octet to the last."""
    return isinstance(item, Section) and not item.part and item.text is Text.ALL and item.partial is None


def needs_no_row(items: Sequence[FetchItem]) -> bool:
    """Whether all of it is octets and what the view holds."""
    return all(item in VIEWED or is_whole(item) for item in items)


def wholes(session: Session, items: Sequence[FetchItem], marked: Collection[int]) -> Made | None:
    """What makes the responses of messages and their octets, in pieces; None where an item is not that simple.

    A client that fetches one message a command asks for the same again: it is kept with the selected mailbox.
    """
    if marked and not all(item in items for item in news(session)):
        # Their new flags are told too, and others' are not.
        return None
    ahead = session.need_selected().ahead
    key = (tuple(items), session.is_uid_only, session.is_rev2)
    if ahead.made_of != key:
        ahead.made_of, ahead.made = key, _ready(session, items)
    return ahead.made


def _ready(session: Session, items: Sequence[FetchItem]) -> Made | None:
    body = [item for item in items if is_whole(item)]
    if len(body) != 1 or not all(item in STORED or item in VIEWED or item is body[0] for item in items):
        return None
    [section] = body
    assert isinstance(section, Section)
    place = items.index(section)
    head = b"* %d UIDFETCH (" if session.is_uid_only else b"* %d FETCH ("
    values: list[Value] = []
    order = [int(session.is_uid_only)]
    forms_before = [*_forms(items[:place], values, order), section.label + b" {%d}\r\n"]
    order.append(len(VIEW_WORDS))
    in_front = itemgetter(*order)
    order_after: list[int] = []
    forms_after = _forms(items[place + 1 :], values, order_after)
    before = head + b" ".join(forms_before)
    after = b"".join(b" " + form for form in forms_after) + b")\r\n"
    view = session.need_selected().view
    shows_recent = not session.is_rev2

    def make(messages: Sequence[StoredMessage | BodyPlace], octets: Sequence[bytes]) -> list[bytes]:
        known = {row[1]: row for row in view.rows_of([message.uid for message in messages])}
        recent_from_uid = view.recent_from_uid if shows_recent else 1 << 33
        pieces: list[bytes] = []
        # Where something of the rows goes in they are rows (`needs_no_row`).
        for message, whole in zip(cast("Sequence[StoredMessage]", messages), octets, strict=True):
            row = known.get(message.uid)
            if row is None:
                continue
            number, uid, system, keywords, modseq = row
            flags = flag_words(system, keywords, uid >= recent_from_uid)
            all_values = (number, uid, flags, modseq, len(whole), *[value(message) for value in values])
            pieces += (
                before % in_front(all_values),
                whole,
                after % tuple([all_values[each] for each in order_after]) if order_after else after,
            )
        return pieces

    return make


def _forms(items: Sequence[FetchItem], values: list[Value], order: list[int]) -> list[bytes]:
    """How the items are written; what goes in is added to `values`, where it stands to `order`."""
    forms: list[bytes] = []
    for item in items:
        if item in VIEWED:
            form, place = VIEWED[item]
        else:
            form, value = STORED[item]
            # Behind the view's four and the number of octets.
            place = len(VIEW_WORDS) + 1 + len(values)
            values.append(value)
        forms.append(form)
        order.append(place)
    return forms
