"""FILTER (RFC 5466): searches that clients keep by name, as annotations of the account.

A filter may mean others. Each is put in where it is named; what names itself, however far round, or more of them than a
search may be made of, is answered as if it were not there.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from mailproto.imap import commands as c
from mailproto.imap.cursor import Cursor, ParseError
from mailproto.imap.parse_search import CharsetUnknown, parse_program
from mailproto.imap.search_keys import AndKey, FilterKey, NotKey, OrKey, SearchKey, asks_filter, asks_sequence

from imap.core.answer import BY_UID, Bad, No
from imap.core.session import Session

# Annotations of the account bear this in place of a mailbox's id.
SERVER = 0
PLACES = ("/private/filters/values/", "/shared/filters/values/")
DEEPEST = 5
# Filters put into one search.
MOST = 50

Searching = TypeVar("Searching", c.Search, c.Sort, c.Thread, c.MultiSearch)


async def filled_in(session: Session, command: Searching) -> Searching:
    """The command with its filters in place. Raises No [UNDEFINED-FILTER], and Bad where one has sequence numbers that this
    session does not use.
    """
    if not asks_filter(command.key):
        return command
    held = await session.store.get_annotations(session.account, SERVER)
    key = _Filling(held).filled(command.key, ())
    if session.is_uid_only and asks_sequence(key):
        raise Bad(*BY_UID)
    return replace(command, key=key)


def check_value(entry: str, value: bytes) -> None:
    """Raises No where an entry is to hold a filter and this is none (RFC 5466 §3.2)."""
    if entry.startswith(PLACES):
        try:
            parse_filter(value)
        except (ParseError, CharsetUnknown) as error:
            raise No(f"That is no search: {error}", "CANNOT") from None


def parse_filter(value: bytes) -> SearchKey:
    """search-criteria = search-key *(SP search-key). Raises ParseError and CharsetUnknown."""
    cursor = Cursor(value)
    key = parse_program(cursor)
    cursor.end()
    return key


class _Filling:
    def __init__(self, held: Mapping[str, bytes]) -> None:
        self._held = held
        self._count = 0

    def filled(self, key: SearchKey, above: tuple[str, ...]) -> SearchKey:
        """`above`: the filters that this key is part of."""
        match key:
            case FilterKey():
                return self.filled(self._looked_up(key.name, above), (*above, key.name.lower()))
            case NotKey():
                return NotKey(self.filled(key.key, above))
            case OrKey():
                return OrKey(self.filled(key.either, above), self.filled(key.other, above))
            case AndKey():
                return AndKey(tuple(self.filled(each, above) for each in key.keys))
            case _:
                return key

    def _looked_up(self, name: str, above: tuple[str, ...]) -> SearchKey:
        self._count += 1
        known = next((self._held[p + name.lower()] for p in PLACES if p + name.lower() in self._held), None)
        if known is not None and name.lower() not in above and len(above) < DEEPEST and self._count <= MOST:
            try:
                return parse_filter(known)
            except (ParseError, CharsetUnknown):
                pass
        raise No("There is no such filter", f"UNDEFINED-FILTER {name}")
