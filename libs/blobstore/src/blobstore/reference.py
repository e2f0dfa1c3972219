"""Where a message body lies: so many octets from an offset of an object.

An object may hold many bodies (they are packed when they arrive together), so
a body is never "an object" but always a reference.
"""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BodyReference:
    """A body of `length` octets at `offset` of an object; `digest` is its SHA-256 (32 octets)."""

    object_key: str
    offset: int
    length: int
    digest: bytes

    def matches(self, body: bytes) -> bool:
        """Whether these octets are the body that was stored."""
        return len(body) == self.length and hashlib.sha256(body).digest() == self.digest
