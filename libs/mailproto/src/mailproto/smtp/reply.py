"""Replies: a code, an enhanced status code (RFC 2034, RFC 3463), lines of text."""

from dataclasses import dataclass
from enum import Enum


class Charset(Enum):
    """What a reply may hold: only ASCII, unless the peer allowed more for this one (RFC 6531 §3.7.4)."""

    ASCII = "ascii"
    UTF_8 = "utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. `enhanced` is "" where none belongs (greeting, EHLO, 354, 334)."""

    code: int
    enhanced: str
    lines: tuple[str, ...]

    @classmethod
    def of(cls, code: int, enhanced: str, text: str) -> "Reply":
        """A reply of one line."""
        return cls(code, enhanced, (text,))

    @property
    def is_positive(self) -> bool:
        """2yz or 3yz."""
        return self.code < 400

    @property
    def text(self) -> str:
        """All lines as one, without codes."""
        return " ".join(self.lines)

    def encode(self, charset: Charset = Charset.ASCII) -> bytes:
        """As it is sent (RFC 5321 §4.2): every line but the last with a hyphen."""
        front = f"{self.enhanced} " if self.enhanced else ""
        if len(self.lines) == 1:
            return f"{self.code} {front}{self.lines[0]}\r\n".encode(charset.value, "replace")
        last = len(self.lines) - 1
        return "".join(
            f"{self.code}{'-' if number < last else ' '}{front}{line}\r\n"
            for number, line in enumerate(self.lines)
        ).encode(charset.value, "replace")
