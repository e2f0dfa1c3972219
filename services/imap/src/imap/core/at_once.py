"""A FETCH of one message that is at hand, answered as its octets arrive: for clients that download one message a command.

A short cut and nothing else: whatever is not plainly that goes the way of every command, and says the same. At hand is what
`reading_ahead` has read for this session; how it is said `wholes` made ready for the command before.
"""

import re

from mailproto.imap.commands import Access
from mailproto.imap.cursor import ParseError
from mailproto.imap.fetch_items import Attribute, FetchItem, Section, Seen
from mailproto.imap.parse_messages import known_items

from imap.core.compiling import VIEWED
from imap.core.features import Feature, Utf8
from imap.core.languages import DEFAULT
from imap.core.session import Selected, Session
from imap.core.wholes import is_whole

LONE = re.compile(
    rb"([A-Za-z0-9._-]{1,40}) (UID )?FETCH ([1-9][0-9]{0,9}) ([^\r\n{]{1,200})\r\n", re.IGNORECASE
)
# What every row has, whichever columns were read.
ALWAYS_READ = (Attribute.SIZE, Attribute.INTERNALDATE)


def answer(session: Session, data: bytes) -> bytes | None:
    """All that is to be said to these octets; None where they are to be read as ever."""
    found = LONE.fullmatch(data)
    selected = session.selected
    if found is None or selected is None or not _is_quiet(session, selected):
        return None
    tag, by_uid, number, words = found.groups()
    uid = _uid(session, selected, int(number), is_uid=by_uid is not None)
    ahead = selected.ahead
    row = ahead.rows.get(uid)
    if row is None or ahead.made is None or uid == ahead.whole_uid:
        return None
    try:
        items = known_items(words)
    except ParseError:
        return None
    if items is None or not all(_is_plain(session, selected, item) for item in items):
        return None
    if by_uid is not None and Attribute.UID not in items and not session.is_uid_only:
        items = (Attribute.UID, *items)
    if ahead.made_of != (items, session.is_uid_only, session.is_rev2):
        return None
    whole = session.store.prepared.take((ahead, uid))
    if whole is None:
        return None
    ahead.last_uid = ahead.whole_uid = uid
    return b"".join((*ahead.made([row], [whole]), tag, b" OK FETCH completed\r\n"))


def _is_quiet(session: Session, selected: Selected) -> bool:
    """Whether the client is to be told of nothing else, and nobody has to be asked first."""
    return not (
        session.is_stale
        or session.contexts
        or session.watch is not None
        or session.utf8 is Utf8.ONLY
        or session.language != DEFAULT
        or selected.reach.reader_id
        or selected.view.has_news
    )


def _uid(session: Session, selected: Selected, number: int, *, is_uid: bool) -> int:
    """0 where there is none."""
    view = selected.view
    if is_uid:
        return number if view.number_of(number) is not None else 0
    return 0 if session.is_uid_only or number > view.messages else view.uid_of(number)


def _is_plain(session: Session, selected: Selected, item: FetchItem) -> bool:
    if item is Attribute.MODSEQ and Feature.CONDSTORE not in session.features:
        return False
    if isinstance(item, Section):
        return is_whole(item) and (item.seen is Seen.PEEK or selected.access is not Access.READ_WRITE)
    return item in VIEWED or item in ALWAYS_READ
