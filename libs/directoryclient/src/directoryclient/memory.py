"""Answers that are remembered for a while, each with what it is about: a change that is told forgets what concerns it.

What an answer is about are names: tenants, and domains as `@a.test`. What is about nobody we know (an address that is not
here, somebody who must wait) is ANYBODY's, and every change concerns it. So a tenant that changes something in a loop
takes its own answers from the doors, and the few that are nobody's, but no other tenant's (docs/adr/0008).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError
from mailwire.directory.v1 import directory_pb2 as wire

ANYBODY = ""
NOBODYS = frozenset((ANYBODY,))
# An answer of more tenants is as good as anybody's.
MOST_NAMES = 20
# Heard while one answer is under way.
MOST_HEARD = 1_000
# So many changes are told apart; one more is a change of everything.
MOST_CHANGED = 20_000

K = TypeVar("K")
V = TypeVar("V")


def parsed(payload: bytes) -> wire.DirectoryChanged:
    """A change; one of which nothing can be read says nothing: anything may have changed."""
    try:
        return wire.DirectoryChanged.FromString(payload)
    except DecodeError:
        return wire.DirectoryChanged()


def domain_of(address: str) -> Iterable[str]:
    """The name that changes of the address and of its domain have in common."""
    _, at, domain = address.rpartition("@")
    return (f"@{domain.lower()}",) if at else ()


def about(tenants: Iterable[str], *addresses: str) -> frozenset[str]:
    """The names of an answer that is these tenants', and of these addresses; without a tenant it is anybody's."""
    whose = frozenset(tenants)
    if not whose or len(whose) > MOST_NAMES:
        return NOBODYS
    return whose.union(*(domain_of(each) for each in addresses))


def concerned(change: wire.DirectoryChanged) -> frozenset[str] | None:
    """The names that a change concerns. None: all."""
    if not change.tenant_id:
        return None
    domains = (f"@{each.lower()}" for each in change.domains)
    addresses = (name for each in change.addresses for name in domain_of(each))
    return frozenset((change.tenant_id, ANYBODY, *domains, *addresses))


@dataclass(slots=True, eq=False)
class Heard:
    """What changed while an answer was under way: it may be from before, and is not kept then."""

    names: set[str] | None = field(default_factory=set)

    def concerns(self, names: frozenset[str]) -> bool:
        return self.names is None or not self.names.isdisjoint(names)


class Changes:
    """What is heard, for those who wait for an answer."""

    def __init__(self) -> None:
        self._waiting: set[Heard] = set()

    @contextmanager
    def under_way(self) -> Iterator[Heard]:
        heard = Heard()
        self._waiting.add(heard)
        try:
            yield heard
        finally:
            self._waiting.discard(heard)

    def tell(self, names: frozenset[str] | None) -> None:
        """None: anything may have changed."""
        for heard in self._waiting:
            if heard.names is None:
                continue
            if names is None or len(heard.names) + len(names) > MOST_HEARD:
                heard.names = None
            else:
                heard.names |= names


class Memory(Generic[K, V]):
    """Answers with the moment until which they hold; the oldest go first when there are too many.

    To forget costs what is forgotten, not what is kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[K, tuple[float, V, frozenset[str]]] = {}
        self._named: dict[str, set[K]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def recall(self, key: K, now: float) -> V | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept[0] < now:
            self._drop(key)
            return None
        return kept[1]

    def keep(self, key: K, value: V, until: float, names: frozenset[str] = NOBODYS) -> None:
        self._drop(key)
        while len(self._kept) >= self._most:
            self._drop(next(iter(self._kept)))
        self._kept[key] = until, value, names
        for name in names:
            self._named.setdefault(name, set()).add(key)

    def forget(self, names: frozenset[str] | None) -> None:
        """What is about any of them. None: all."""
        if names is None:
            self._kept.clear()
            self._named.clear()
            return
        for name in names:
            for key in tuple(self._named.get(name, ())):
                self._drop(key)

    def _drop(self, key: K) -> None:
        kept = self._kept.pop(key, None)
        for name in kept[2] if kept is not None else ():
            keys = self._named[name]
            keys.discard(key)
            if not keys:
                del self._named[name]


class Ages:
    """For answers that are used on while there is no newer one: which of them are from before a change.

    Whoever asks takes `now` first; what was said then holds until a change of one of its names.
    """

    def __init__(self) -> None:
        self.now = 0
        self._all = 0
        self._changed: dict[str, int] = {}

    def tell(self, name: str) -> None:
        """It changed; "": anything may have."""
        self.now += 1
        if name and (name in self._changed or len(self._changed) < MOST_CHANGED):
            self._changed[name] = self.now
        else:
            self._all = self.now
            self._changed.clear()

    def holds(self, asked: int, *names: str) -> bool:
        return asked >= max(self._all, *(self._changed.get(each, 0) for each in names))
