"""Sets of IMAP flags as strings (RFC 5232 §2)."""

from __future__ import annotations

import re

_SYSTEM = {
    b"\\answered": "\\Answered",
    b"\\flagged": "\\Flagged",
    b"\\deleted": "\\Deleted",
    b"\\seen": "\\Seen",
    b"\\draft": "\\Draft",
}
# atom of RFC 3501 §9: no specials, no control characters, ASCII.
_KEYWORD = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z^_`a-z|}~\[]{1,100}\Z")


def flag_names(text: bytes) -> tuple[str, ...]:
    """The flags in a string, each once, whatever its case; what is none, or can't be set, is left out."""
    names: dict[bytes, str] = {}
    for word in text.split(b" "):
        lower = word.lower()
        if lower in names:
            continue
        if lower in _SYSTEM:
            names[lower] = _SYSTEM[lower]
        elif _KEYWORD.match(word) is not None:
            names[lower] = word.decode("ascii")
    return tuple(names.values())


def joined(names: tuple[str, ...]) -> bytes:
    """The flags as a variable holds them."""
    return " ".join(names).encode("ascii")
