"""A message as signatures see it: its fields by name from the bottom up, and where its body begins."""

import hashlib
from collections.abc import Collection, Iterable
from typing import Protocol

from mailmsg.header import Field, fields, header_end

from senderauth.dkim.canonical import BodyHash, Mode, canonical_field, hash_body


class Hash(Protocol):
    """A running SHA-256."""

    def update(self, octets: bytes, /) -> None: ...
    def copy(self) -> "Hash": ...
    def digest(self) -> bytes: ...


class MessageView:
    """Made once for a message, it can serve DKIM and ARC: it remembers canonical fields and hashes of the body."""

    def __init__(self, message: bytes) -> None:
        self.message = message
        end = header_end(message)
        self.body_offset = len(message) if end is None else end
        self.fields: list[Field] = list(fields(message[: self.body_offset]))
        self._by_name: dict[bytes, list[int]] = {}
        for index, field in enumerate(self.fields):
            self._by_name.setdefault(field.name.lower(), []).append(index)
        self._canonical: dict[tuple[int, Mode], bytes] = {}
        self._bodies: dict[tuple[Mode, int | None], BodyHash] = {}

    def named(self, name: bytes) -> list[Field]:
        """The fields with this lower-case name, from the top."""
        return [self.fields[index] for index in self._by_name.get(name, ())]

    def count(self, name: bytes) -> int:
        """How many fields have this lower-case name."""
        return len(self._by_name.get(name, ()))

    def hash_bodies(
        self, wanted: Collection[tuple[Mode, int | None]]
    ) -> dict[tuple[Mode, int | None], BodyHash]:
        """Hashes of the body for each (mode, l=), among others; only what was not asked for before is hashed."""
        missing = {each for each in wanted if each not in self._bodies}
        if missing:
            self._bodies.update(hash_body(self.message, self.body_offset, missing))
        return self._bodies

    def hash_fields(self, names: Iterable[bytes], mode: Mode) -> Hash:
        """SHA-256 over the named fields, each name taking the next one upwards (RFC 6376 §5.4.2).

        A name whose fields are used up stands for nothing. `names` in lower case. The caller adds the signature's own
        field and takes the digest.
        """
        running = hashlib.sha256()
        used: dict[bytes, int] = {}
        for name in names:
            indices = self._by_name.get(name, ())
            taken = used.get(name, 0)
            if taken < len(indices):
                used[name] = taken + 1
                running.update(self._canonical_field(indices[-1 - taken], mode))
        return running

    def _canonical_field(self, index: int, mode: Mode) -> bytes:
        key = (index, mode)
        found = self._canonical.get(key)
        if found is None:
            field = self.fields[index]
            found = self._canonical[key] = (
                canonical_field(self._written_name(field), field.value, mode) + b"\r\n"
            )
        return found

    @staticmethod
    def _written_name(field: Field) -> bytes:
        # With the white space before the colon that simple keeps.
        return field.raw[: len(field.raw) - len(field.value) - 1]
