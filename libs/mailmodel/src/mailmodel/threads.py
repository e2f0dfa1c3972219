"""Threads of messages (RFC 5256 §3): by their subjects, and by what they refer to.

Both take messages in the mailbox's order and give trees. Nothing here recurses, and every message costs a bounded
number of steps: a thread deeper than DEEPEST is cut there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from mailmodel.base_subject import BaseSubject
from mailmodel.collation import collation_key

DEEPEST = 500


@dataclass(frozen=True, slots=True)
class Member:
    """A message to be threaded. `number` is what is told of it; `message_id` is "" where there is none."""

    number: int
    sent_at: datetime
    subject: BaseSubject
    message_id: str = ""
    references: tuple[str, ...] = ()


class Node:
    """A place in a thread; without a member it is a dummy that holds its children together."""

    __slots__ = ("children", "member", "order", "parent")

    def __init__(self, member: Member | None = None, order: int = 0) -> None:
        self.member = member
        # The place in the mailbox, which decides between equal dates.
        self.order = order
        self.parent: Node | None = None
        self.children: dict[Node, None] = {}

    def take(self, child: "Node") -> None:
        """Make another a child of this one."""
        child.leave()
        child.parent = self
        self.children[child] = None

    def leave(self) -> None:
        """Have no parent."""
        if self.parent is not None:
            del self.parent.children[self]
            self.parent = None

    def is_below(self, other: "Node") -> bool:
        """Whether the other is above this one, or this one itself, or too far up to tell."""
        place: Node | None = self
        for _ in range(DEEPEST):
            if place is None:
                return False
            if place is other:
                return True
            place = place.parent
        return True

    def first(self) -> Member:
        """The member, or the first child's."""
        if self.member is not None:
            return self.member
        return next(iter(self.children)).first()

    def key(self) -> tuple[datetime, int]:
        """What siblings are sorted by."""
        if self.member is not None:
            return self.member.sent_at, self.order
        return next(iter(self.children)).key()


def by_subject(members: Sequence[Member]) -> list[Node]:
    """ORDEREDSUBJECT: the first of a subject, and all others as its children."""
    nodes = [Node(member, order) for order, member in enumerate(members)]
    nodes.sort(key=Node.key)
    threads: dict[bytes, Node] = {}
    for node in nodes:
        root = threads.setdefault(_subject(node), node)
        if root is not node:
            root.take(node)
    return sorted(threads.values(), key=Node.key)


def by_references(members: Sequence[Member]) -> list[Node]:
    """REFERENCES: replies below what they reply to, then threads of one subject together."""
    roots = [node for node in _linked(members) if node.parent is None]
    roots = _pruned(roots)
    for root in roots:
        if root.member is None:
            _sort(root)
    roots.sort(key=Node.key)
    roots = _merged(roots)
    for node in reversed(_each(roots)):
        _sort(node)
    return sorted(roots, key=Node.key)


def by_refs(members: Sequence[Member]) -> list[Node]:
    """REFS: replies below what they reply to, whatever their subjects; threads by the date of their newest message."""
    roots = _pruned([node for node in _linked(members) if node.parent is None])
    newest: dict[Node, tuple[datetime, int]] = {}
    for node in reversed(_each(roots)):
        _sort(node)
        own = [] if node.member is None else [(node.member.sent_at, node.order)]
        newest[node] = max([*own, *(newest[child] for child in node.children)])
    return sorted(roots, key=lambda root: newest[root])


def _linked(members: Sequence[Member]) -> list[Node]:
    """Step 1: parents and children by Message-ID."""
    by_id: dict[str, Node] = {}
    nodes: list[Node] = []

    def known(message_id: str) -> Node:
        node = by_id.get(message_id)
        if node is None:
            node = by_id[message_id] = Node()
            nodes.append(node)
        return node

    for order, member in enumerate(members):
        node = known(member.message_id) if member.message_id else Node()
        if node.member is not None or not member.message_id:
            # None of its own, or another's: it cannot be referred to.
            node = Node()
            nodes.append(node)
        node.member, node.order = member, order
        above: Node | None = None
        for reference in member.references:
            below = known(reference)
            if above is not None and below.parent is None and not above.is_below(below):
                above.take(below)
            above = below
        node.leave()
        if above is not None and not above.is_below(node):
            above.take(node)
    return nodes


def _each(roots: Iterable[Node]) -> list[Node]:
    """All nodes, each before its children."""
    nodes: list[Node] = []
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        waiting.extend(node.children)
    return nodes


def _pruned(roots: Sequence[Node]) -> list[Node]:
    """Step 3: no dummies but those at the top that have several children."""
    for node in reversed(_each(roots)):
        if node.member is not None or node.parent is None:
            continue
        parent = node.parent
        for child in list(node.children):
            parent.take(child)
        node.leave()
    kept: list[Node] = []
    for root in roots:
        if root.member is not None or len(root.children) > 1:
            kept.append(root)
        elif root.children:
            [only] = root.children
            only.leave()
            kept.append(only)
    return kept


def _sort(node: Node) -> None:
    if len(node.children) > 1:
        node.children = dict.fromkeys(sorted(node.children, key=Node.key))


def _subject(node: Node) -> bytes:
    return collation_key(node.first().subject.text)


def _is_reply(node: Node) -> bool:
    return node.member is not None and node.member.subject.is_reply


def _merged(roots: Sequence[Node]) -> list[Node]:
    """Step 5: threads with the same subject become one."""
    chosen: dict[bytes, Node] = {}
    for root in roots:
        subject = _subject(root)
        held = chosen.get(subject)
        if held is None or (
            held.member is not None and (root.member is None or (_is_reply(held) and not _is_reply(root)))
        ):
            chosen[subject] = root
    kept = dict.fromkeys(roots)
    for root in roots:
        subject = _subject(root)
        held = chosen[subject]
        if not subject or held is root:
            continue
        del kept[root]
        if held.member is None and root.member is None:
            for child in list(root.children):
                held.take(child)
        elif held.member is None or (_is_reply(root) and not _is_reply(held)):
            held.take(root)
        else:
            dummy = chosen[subject] = Node()
            del kept[held]
            dummy.take(held)
            dummy.take(root)
            kept[dummy] = None
    return list(kept)
