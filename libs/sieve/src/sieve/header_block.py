"""A header block that can be asked and edited (RFC 5228 §2.4.2.2, RFC 5293).

Fields keep their octets as received; what is edited is the list of them. Lines that are no fields stay where they are,
and so do fields so far down that nobody reads them (`mailmsg.tree`): a header may be as large as a message.
"""

from __future__ import annotations

from mailmsg.header import fields, unfold
from mailmsg.tree import MAX_HEADER_READ_OCTETS
from mailmsg.words import decode_words


class HeaderField:
    """One field. `value` is what tests see: unfolded, encoded words decoded, UTF-8, no white space around it."""

    __slots__ = ("_value", "is_deleted", "name", "raw", "raw_value")

    def __init__(self, name: bytes, raw: bytes, raw_value: bytes) -> None:
        self.name = name
        """Lower case."""
        self.raw = raw
        self.raw_value = raw_value
        self.is_deleted = False
        self._value: bytes | None = None

    @property
    def value(self) -> bytes:
        """The value as tests see it (RFC 5228 §2.7.2)."""
        if self._value is None:
            unfolded = unfold(self.raw_value)
            if unfolded.isascii() and b"=?" not in unfolded:
                self._value = unfolded
            else:
                self._value = decode_words(unfolded).encode("utf-8", "replace").strip(b" \t\r\n")
        return self._value

    @property
    def unfolded(self) -> bytes:
        """The value on one line, encoded words and all, for what has a grammar of its own."""
        return unfold(self.raw_value)


class HeaderBlock:
    """A header with its edits."""

    def __init__(self, header: bytes) -> None:
        self._received = header
        self._before: list[HeaderField] = []
        """Added in front, the last of them first."""
        self._fields: list[HeaderField] = []
        self._opaque: dict[int, bytes] = {}
        """Lines that are no fields, by the number of the field that they stand before."""
        self._after: list[HeaderField] = []
        self._by_name: dict[bytes, list[HeaderField]] = {}
        position = 0
        for field in fields(header[: _read_to(header)]):
            start = position
            while not header.startswith(field.raw, start):  # A line that is no field: `fields` skips it.
                start = header.index(b"\n", start) + 1
            if start > position:
                self._opaque[len(self._fields)] = header[position:start]
            entry = HeaderField(field.name.lower(), field.raw, field.value)
            self._fields.append(entry)
            self._by_name.setdefault(entry.name, []).append(entry)
            position = start + len(field.raw)
        self._end = header[position:]
        self.edits = 0

    def __len__(self) -> int:
        return len(self._before) + len(self._fields) + len(self._after)

    @property
    def names(self) -> list[bytes]:
        """The names of all fields, lower case, each once."""
        return [name for name, found in self._by_name.items() if found]

    def named(self, name: bytes) -> list[HeaderField]:
        """The fields with this name (lower case), from the top."""
        return self._by_name.get(name, [])

    def add_first(self, name: bytes, value: bytes) -> None:
        """Put a field at the top. `value` may be folded; it has no line end at its end."""
        field = HeaderField(name.lower(), name + b": " + value + b"\r\n", value)
        self._before.append(field)
        self._by_name.setdefault(field.name, []).insert(0, field)
        self.edits += 1

    def add_last(self, name: bytes, value: bytes) -> None:
        """Put a field at the bottom."""
        field = HeaderField(name.lower(), name + b": " + value + b"\r\n", value)
        self._after.append(field)
        self._by_name.setdefault(field.name, []).append(field)
        self.edits += 1

    def delete(self, deleted: list[HeaderField]) -> None:
        """Take fields out, all of them of one name."""
        if not deleted:
            return
        for field in deleted:
            field.is_deleted = True
        name = deleted[0].name
        self._by_name[name] = [field for field in self._by_name[name] if not field.is_deleted]
        self.edits += 1

    def render(self) -> bytes:
        """The block as it is now, with its blank line where it had one."""
        if not self.edits:
            return self._received
        pieces = [field.raw for field in reversed(self._before) if not field.is_deleted]
        for number, field in enumerate(self._fields):
            if number in self._opaque:
                pieces.append(self._opaque[number])
            if not field.is_deleted:
                raw = field.raw
                pieces.append(raw if raw.endswith(b"\n") else raw + b"\r\n")
        pieces.extend(field.raw for field in self._after if not field.is_deleted)
        pieces.append(self._end if self._fields else self._end or b"\r\n")
        return b"".join(pieces)


def _read_to(header: bytes) -> int:
    """The end of the last field that is read."""
    end = len(header)
    if end > MAX_HEADER_READ_OCTETS:
        end = header.rfind(b"\n", 0, MAX_HEADER_READ_OCTETS) + 1
        while end and header[end : end + 1] in (b" ", b"\t"):  # A field that goes on is left to those below.
            end = header.rfind(b"\n", 0, end - 1) + 1
    return end
