"""Results that are kept up to date (RFC 5267 §4.3): what a client was told of one, and how it is told what changes."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailmodel.view import SessionView
from mailproto.imap import responses
from mailproto.imap.commands import By
from mailproto.imap.fetch_items import FetchItem
from mailproto.imap.message_set import compact
from mailproto.imap.search_keys import SearchKey

# The number that a client knows a message by.
Numbered = Callable[[int], int]


def numbered(view: SessionView, by: By) -> Numbered:
    """As a client of this view knows them."""

    def number(uid: int) -> int:
        return uid if by is By.UID else view.number_of(uid) or 0

    return number


@dataclass
class Context:
    """Of one SEARCH: the messages that match, of which a client keeps a set in the mailbox's order."""

    tag: str
    key: SearchKey
    by: By
    members: set[int]
    # What is fetched of messages that come into the mailbox and match (RFC 5465 §7).
    items: tuple[FetchItem, ...] = field(default=(), kw_only=True)
    # Correlators beside the tag (RFC 7377 §2.1).
    of: bytes = field(default=b"", kw_only=True)

    def removed(self, uids: Iterable[int], number: Numbered) -> bytes:
        """These match no more, or are gone; what is to be said."""
        gone = sorted(self.members.intersection(uids))
        self.members.difference_update(gone)
        return self.say("REMOVEFROM", b"0 %b" % compact([number(uid) for uid in gone])) if gone else b""

    def added(self, uids: Iterable[int], number: Numbered) -> bytes:
        """These match now."""
        new = sorted(set(uids) - self.members)
        self.members.update(new)
        return self.say("ADDTO", b"0 %b" % compact([number(uid) for uid in new])) if new else b""

    def say(self, item: str, pairs: bytes) -> bytes:
        """The ESEARCH response."""
        return responses.esearch(self.tag, self.by is By.UID, [(item, b"(%b)" % pairs)], self.of)


class SortedContext(Context):
    """Of one SORT: places count, from 1. `rows` have a `uid` and stand in the order of `key_of`."""

    def __init__(
        self,
        tag: str,
        key: SearchKey,
        by: By,
        rows: Sequence[Any],
        key_of: Callable[[Any], Any],
        items: tuple[FetchItem, ...] = (),
    ) -> None:
        super().__init__(tag, key, by, {row.uid for row in rows}, items=items)
        self._rows = list(rows)
        self._key_of = key_of

    def removed(self, uids: Iterable[int], number: Numbered) -> bytes:
        gone = self.members.intersection(uids)
        if not gone:
            return b""
        kept: list[Any] = []
        pairs: list[bytes] = []
        for row in self._rows:
            if row.uid in gone:
                # Each place is that after the removals before it: as many as are kept stand in front of it.
                pairs.append(b"%d %d" % (len(kept) + 1, number(row.uid)))
            else:
                kept.append(row)
        self._rows = kept
        self.members -= gone
        return self.say("REMOVEFROM", b" ".join(pairs))

    def inserted(self, rows: Iterable[Any], number: Numbered) -> bytes:
        """These match now, with what they are compared by."""
        pairs = []
        for row in rows:
            place = bisect_left(self._rows, self._key_of(row), key=self._key_of)
            self._rows.insert(place, row)
            self.members.add(row.uid)
            pairs.append(b"%d %d" % (place + 1, number(row.uid)))
        return self.say("ADDTO", b" ".join(pairs)) if pairs else b""
