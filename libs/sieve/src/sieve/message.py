"""The message under test, and its edits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mailmsg.header import header_end

from sieve.actions import Edition
from sieve.header_block import HeaderBlock
from sieve.mime import Part, read_parts
from sieve.world import BodyWanted, Unanswered


@dataclass(frozen=True, slots=True)
class Received:
    """A message as received.

    `header` is the header block with its blank line. `body` may be None until a run asks for it
    (`sieve.world.BodyWanted`); `size_octets` is that of the whole message (RFC 5228 §5.9).
    """

    header: bytes
    body: bytes | None
    size_octets: int

    @classmethod
    def from_octets(cls, content: bytes) -> Received:
        """A message that is here as a whole."""
        end = header_end(content)
        split = len(content) if end is None else end
        return cls(content[:split], content[split:], len(content))


class Origin(Enum):
    """What a message was when the run began."""

    RECEIVED = "as received"
    HEADER_CHANGED = "another header"
    COMPOSED = "a new message"


class Message:
    """A message within one run: what tests see, and what editing actions make of it."""

    def __init__(self, received: Received, origin: Origin = Origin.RECEIVED) -> None:
        self.received = received
        self.header = HeaderBlock(received.header)
        self.size_octets = received.size_octets
        self._origin = origin
        self._root: Part | None = None
        self._edition: tuple[int, int, Edition | None] | None = None
        self.body_edits = 0

    @property
    def has_body(self) -> bool:
        """False where no blank line ends the header (RFC 5173 §4)."""
        header = self.received.header
        return header.endswith((b"\n\r\n", b"\n\n")) or header in (b"\r\n", b"\n")

    @property
    def body(self) -> bytes:
        """What follows the header, as it is now. Raises Unanswered where it is not there yet."""
        if self.received.body is None:
            raise Unanswered(BodyWanted())
        if self.body_edits:
            return self.root.render_body()
        return self.received.body

    @property
    def root(self) -> Part:
        """The message as a MIME part; the parts are found by the header as received (RFC 5293 §7)."""
        if self._root is None:
            if self.received.body is None:
                raise Unanswered(BodyWanted())
            self._root = read_parts(self.received.header + self.received.body)
            self._root.header = self.header
        return self._root

    def edition(self) -> Edition | None:
        """The message as it is now, or None where it is as received."""
        if not (self.header.edits or self.body_edits) and self._origin is Origin.RECEIVED:
            return None
        known = self._edition
        if known is None or known[:2] != (self.header.edits, self.body_edits):
            body = self.body if self.body_edits or self._origin is Origin.COMPOSED else None
            edition = Edition(self.header.render(), body)
            self._edition = known = (self.header.edits, self.body_edits, edition)
        return known[2]
