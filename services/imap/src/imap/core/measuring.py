"""Keys of a search that ask for dates, sizes and ids of messages: PostgreSQL says which have them (RFC 3501 §6.4.4)."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

from mailproto.imap.search_keys import (
    AndKey,
    DateKey,
    NotKey,
    ObjectKey,
    ObjectKind,
    OrKey,
    SavedKey,
    SearchKey,
    SizeKey,
    When,
    WithinKey,
)
from mailstore import Measure, Measured

EMAIL = re.compile(r"M([0-9a-f]{32})")
# More of them are compared while the messages are read.
MOST = 8
LARGEST = (1 << 63) - 1
ARRIVED = {
    When.BEFORE: Measure.ARRIVED_BEFORE,
    When.ON: Measure.ARRIVED_ON,
    When.SINCE: Measure.ARRIVED_SINCE,
}
SAVED = {When.BEFORE: Measure.SAVED_BEFORE, When.ON: Measure.SAVED_ON, When.SINCE: Measure.SAVED_SINCE}


def measured(key: SearchKey, now: datetime) -> dict[SearchKey, Measured]:
    """Those in a search, each once, with what is to be asked."""
    found: dict[SearchKey, Measured] = {}
    for leaf in _leaves(key):
        asked = _asked(leaf, now) if len(found) < MOST else None
        if asked is not None:
            found[leaf] = asked
    return found


def _leaves(key: SearchKey) -> Iterator[SearchKey]:
    match key:
        case NotKey():
            yield from _leaves(key.key)
        case OrKey():
            yield from _leaves(key.either)
            yield from _leaves(key.other)
        case AndKey():
            for each in key.keys:
                yield from _leaves(each)
        case _:
            yield key


def _asked(key: SearchKey, now: datetime) -> Measured | None:
    match key:
        case DateKey():
            return Measured(ARRIVED[key.when], key.day)
        case SavedKey():
            return Measured(SAVED[key.when], key.day)
        case WithinKey():
            measure = Measure.YOUNGER if key.younger else Measure.OLDER
            return Measured(measure, now - timedelta(seconds=key.seconds))
        case SizeKey():
            return Measured(Measure.LARGER if key.larger else Measure.SMALLER, min(key.octets, LARGEST))
        case ObjectKey() if key.kind is ObjectKind.EMAIL:
            found = EMAIL.fullmatch(key.object_id)
            return None if found is None else Measured(Measure.MESSAGE, UUID(found[1]))
        case _:
            return None
