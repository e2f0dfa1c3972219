"""One session's view of a mailbox: which sequence number is which message (RFC 3501 §2.3.1, §5.2, §7.4.1).

A view moves only when it is flushed. Changes by others are applied as they are
heard of and announced later: new messages and flags with any command, expunges
never while sequence numbers of a command under way could be meant (FETCH, STORE,
SEARCH: RFC 3501 §7.4.1).

The messages stand in arrays: UIDs, MODSEQs, flags as one octet each, keywords only where
there are any. A hundred thousand messages take 1.3 megabytes.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from mailmodel.flags import Flags, SystemFlag
from mailmodel.mailbox import Entry

NO_KEYWORDS: frozenset[str] = frozenset()


class MayExpunge(Enum):
    """Whether EXPUNGE may be announced now."""

    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Expunged:
    """The message with this number is gone, and all after it have one less."""

    number: int
    uid: int


@dataclass(frozen=True, slots=True)
class Exists:
    """So many messages there are, so many of them recent."""

    messages: int
    recent: int


@dataclass(frozen=True, slots=True)
class FlagsChanged:
    """A message has other flags now."""

    number: int
    uid: int


Update = Expunged | Exists | FlagsChanged


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same numbers in order and each once: of a set that names all messages ten thousand times, they are one span."""
    kept: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if kept and low <= kept[-1][1] + 1:
            kept[-1] = (kept[-1][0], max(kept[-1][1], high))
        else:
            kept.append((low, high))
    return kept


def _without(values: "array[int]", places: Sequence[int]) -> "array[int]":
    """What is not at these places, which are in order; however many they are, each of the others is moved once."""
    kept = values[:0]
    start = 0
    for place in places:
        kept += values[start:place]
        start = place + 1
    return kept + values[start:]


class SessionView:
    """The messages of a selected mailbox as this session numbers them."""

    __slots__ = (
        "_announced",
        "_changed",
        "_expunged",
        "_keywords",
        "_known_modseq",
        "_modseqs",
        "_system",
        "_uids",
        "announces_modseqs",
        "highest_modseq",
        "recent_from_uid",
        "uid_next",
    )

    def __init__(
        self,
        uids: Sequence[int],
        system_flags: Sequence[int],
        keywords: dict[int, frozenset[str]],
        modseqs: Sequence[int],
        *,
        highest_modseq: int,
        uid_next: int,
        recent_from_uid: int,
    ) -> None:
        # UIDs have 32 bits (RFC 3501 §2.3.1.1), MODSEQs 63 (RFC 7162 §3.1).
        self._uids = array("I", uids)
        self._modseqs = array("Q", modseqs)
        self._system = array("B", system_flags)
        self._keywords = dict(keywords)
        self._announced = len(self._uids)
        self._changed: set[int] = set()
        self._expunged: set[int] = set()
        # Whether a MODSEQ that is another one is news, though the flags are the same (RFC 7162 §3.1).
        self.announces_modseqs = False
        self.highest_modseq = highest_modseq
        # While messages are gone and that has not been said: up to where all has been said.
        self._known_modseq = highest_modseq
        self.uid_next = uid_next
        self.recent_from_uid = recent_from_uid

    # -- what there is

    @property
    def messages(self) -> int:
        """EXISTS."""
        return self._announced

    @property
    def recent(self) -> int:
        """RECENT."""
        return self._announced - min(self._announced, bisect_left(self._uids, self.recent_from_uid))

    @property
    def hides_expunged(self) -> bool:
        """Whether messages are gone that still have their numbers."""
        return bool(self._expunged)

    @property
    def expunged_uids(self) -> frozenset[int]:
        """Which ones."""
        return frozenset(self._expunged)

    @property
    def known_modseq(self) -> int:
        """Up to where the client knows all once it was told what may be told now (RFC 7162 §3.2, §6)."""
        return self._known_modseq if self._expunged else self.highest_modseq

    def uid_of(self, number: int) -> int:
        """The UID of a sequence number. Raises IndexError."""
        if not 1 <= number <= self._announced:
            raise IndexError(number)
        return self._uids[number - 1]

    def number_of(self, uid: int) -> int | None:
        """The sequence number of a UID, None where this session does not know it."""
        place = bisect_left(self._uids, uid, 0, self._announced)
        return place + 1 if place < self._announced and self._uids[place] == uid else None

    def flags_of(self, uid: int) -> Flags:
        """The flags last heard of. Raises KeyError."""
        place = bisect_left(self._uids, uid)
        if place == len(self._uids) or self._uids[place] != uid:
            raise KeyError(uid)
        return Flags(SystemFlag(self._system[place]), self._keywords.get(uid, NO_KEYWORDS))

    def modseq_of(self, uid: int) -> int:
        """The MODSEQ last heard of. Raises KeyError."""
        place = bisect_left(self._uids, uid)
        if place == len(self._uids) or self._uids[place] != uid:
            raise KeyError(uid)
        return self._modseqs[place]

    def rows_of(self, uids: Iterable[int]) -> Iterator[tuple[int, int, int, frozenset[str], int]]:
        """The same of these UIDs, which are in order; those that are not known are left out."""
        place, announced, keywords = 0, self._announced, self._keywords
        for uid in uids:
            if place >= announced or self._uids[place] != uid:
                place = bisect_left(self._uids, uid, 0, announced)
                if place >= announced or self._uids[place] != uid:
                    continue
            yield place + 1, uid, self._system[place], keywords.get(uid, NO_KEYWORDS), self._modseqs[place]
            place += 1

    def rows(self) -> Iterator[tuple[int, int, int, frozenset[str], int]]:
        """(sequence number, UID, system flags, keywords, MODSEQ) of every message."""
        keywords = self._keywords
        for place in range(self._announced):
            uid = self._uids[place]
            yield place + 1, uid, self._system[place], keywords.get(uid, NO_KEYWORDS), self._modseqs[place]

    def changed_since(self, modseq: int) -> list[int]:
        """UIDs of messages with a higher MODSEQ, in order."""
        return [self._uids[place] for place in range(self._announced) if self._modseqs[place] > modseq]

    def is_recent(self, uid: int) -> bool:
        """\\Recent."""
        return uid >= self.recent_from_uid

    def first_unseen(self) -> int | None:
        """The number of the first message without \\Seen."""
        for place in range(self._announced):
            if not self._system[place] & SystemFlag.SEEN:
                return place + 1
        return None

    def all_keywords(self) -> frozenset[str]:
        """Every keyword in use."""
        return frozenset().union(*self._keywords.values())

    def uids_by_number(self, spans: Iterable[tuple[int, int]]) -> list[int]:
        """UIDs of a set of sequence numbers, in order. Raises IndexError for a number that is not there."""
        chosen = self._uids[:0]
        for low, high in merged(spans):
            if low < 1 or high > self._announced:
                raise IndexError(high)
            chosen += self._uids[low - 1 : high]
        return chosen.tolist()

    def uids_by_uid(self, spans: Iterable[tuple[int, int]]) -> list[int]:
        """UIDs of a set of UIDs that are there, in order; others are ignored (RFC 3501 §6.4.8)."""
        chosen = self._uids[:0]
        for low, high in merged(spans):
            start = bisect_left(self._uids, low, 0, self._announced)
            chosen += self._uids[start : bisect_right(self._uids, high, start, self._announced)]
        return chosen.tolist()

    @property
    def largest_uid(self) -> int:
        """What `*` means among UIDs."""
        return self._uids[self._announced - 1] if self._announced else max(1, self.uid_next - 1)

    # -- what changes

    def apply(
        self, changed: Iterable[Entry], expunged: Iterable[int], highest_modseq: int, uid_next: int
    ) -> None:
        """Hear of changes since `highest_modseq`; they are announced by the next flush that may."""
        if not self._expunged:
            self._known_modseq = self.highest_modseq
        for entry in changed:
            self._heard(entry)
        for uid in expunged:
            self._gone(uid)
        self.highest_modseq = max(self.highest_modseq, highest_modseq)
        self.uid_next = max(self.uid_next, uid_next)

    def told(self, entries: Iterable[Entry]) -> None:
        """The session itself changed these flags and has told its client: nothing is left to announce."""
        for entry in entries:
            place = bisect_left(self._uids, entry.uid)
            if place < len(self._uids) and self._uids[place] == entry.uid:
                self._set(place, entry)
                self._changed.discard(entry.uid)

    def follows(self, before: int, after: int) -> bool:
        """The session's own change took the mailbox from one MODSEQ to another: whether nothing is left to look for.

        So it is where the view knew all until then; and then it does so now.
        """
        if before != self.highest_modseq:
            return False
        self.highest_modseq = after
        return True

    def _heard(self, entry: Entry) -> None:
        place = bisect_left(self._uids, entry.uid)
        if place == len(self._uids):
            self._uids.append(entry.uid)
            self._system.append(int(entry.flags.system))
            self._modseqs.append(entry.modseq)
            if entry.flags.keywords:
                self._keywords[entry.uid] = entry.flags.keywords
        elif self._uids[place] == entry.uid and self._set(place, entry) and place < self._announced:
            self._changed.add(entry.uid)

    def _set(self, place: int, entry: Entry) -> bool:
        """True when there is news."""
        before = (self._system[place], self._keywords.get(entry.uid, NO_KEYWORDS))
        after = (int(entry.flags.system), entry.flags.keywords)
        is_later = entry.modseq > self._modseqs[place]
        self._modseqs[place] = max(entry.modseq, self._modseqs[place])
        if before == after:
            return is_later and self.announces_modseqs
        self._system[place] = after[0]
        if after[1]:
            self._keywords[entry.uid] = after[1]
        else:
            self._keywords.pop(entry.uid, None)
        return True

    def _gone(self, uid: int) -> None:
        place = bisect_left(self._uids, uid)
        if place == len(self._uids) or self._uids[place] != uid:
            return
        if place < self._announced:
            self._expunged.add(uid)
        else:
            self._remove(place)

    def _remove(self, place: int) -> None:
        uid = self._uids[place]
        del self._uids[place]
        del self._system[place]
        del self._modseqs[place]
        self._keywords.pop(uid, None)
        self._changed.discard(uid)

    @property
    def has_news(self) -> bool:
        """Whether anything is still to be announced, now or when it may be."""
        return bool(self._changed or self._expunged) or self._announced != len(self._uids)

    def flush(self, may_expunge: MayExpunge) -> list[Update]:
        """What is to be announced now, in the order in which it must be said."""
        updates: list[Update] = []
        if may_expunge is MayExpunge.YES and self._expunged:
            places = [bisect_left(self._uids, uid) for uid in sorted(self._expunged)]
            # From the end, so that no number changes before it is said.
            updates += [Expunged(place + 1, self._uids[place]) for place in reversed(places)]
            self._uids = _without(self._uids, places)
            self._system = _without(self._system, places)
            self._modseqs = _without(self._modseqs, places)
            for uid in self._expunged:
                self._keywords.pop(uid, None)
            self._changed -= self._expunged
            self._announced -= len(places)
            self._expunged.clear()
        if self._announced != len(self._uids):
            self._announced = len(self._uids)
            updates.append(Exists(self._announced, self.recent))
        if self._changed:
            for uid in sorted(self._changed - self._expunged):
                number = self.number_of(uid)
                if number is not None:
                    updates.append(FlagsChanged(number, uid))
            self._changed.clear()
        return updates
