"""The structure of one part, out of a whole BODYSTRUCTURE (RFC 5524 §3.2; RFC 3501 §7.4.2)."""

import re
from itertools import takewhile

TOKEN = re.compile(rb'\(|\)|"(?:[^"\\]|\\.)*"|\{([0-9]+)\}\r\n|[^\s()]+', re.DOTALL)
# Where these stand in the structure of what is no multipart.
ENCODING, OCTETS, LINES, INNER = 5, 6, 7, 8
HELD_MESSAGES = (b'"RFC822"', b'"GLOBAL"')


def structure_of(whole: bytes, part: tuple[int, ...]) -> bytes | None:
    """None where there is no such part."""
    found: bytes = whole
    for level, number in enumerate(part):
        items = _items(found)
        if not _is_multipart(items) and level:
            # A part of a part that is a message is one of that message's (RFC 3501 §6.4.5).
            if not _holds_message(items):
                return None
            found = items[INNER]
            items = _items(found)
        if _is_multipart(items):
            parts = list(takewhile(lambda item: item.startswith(b"("), items))
            if number > len(parts):
                return None
            found = parts[number - 1]
        elif number != 1:
            return None
    return found


def decoded(structure: bytes, octets: int, lines: int) -> bytes:
    """As it is without its transfer encoding."""
    items = _items(structure)
    if _is_multipart(items):
        return structure
    items[ENCODING] = b'"BINARY"'
    items[OCTETS] = b"%d" % octets
    if items[0].upper() == b'"TEXT"':
        items[LINES] = b"%d" % lines
    return b"(" + b" ".join(items) + b")"


def _items(structure: bytes) -> list[bytes]:
    """What stands in a list, as it is written."""
    items: list[bytes] = []
    depth, start, position = 0, 0, 1
    while (found := TOKEN.search(structure, position)) is not None:
        position = found.end()
        if found[1] is not None:
            position += int(found[1])
        if not depth:
            start = found.start()
        if found[0] == b"(":
            depth += 1
        elif found[0] == b")":
            depth -= 1
            if depth < 0:
                break
        if not depth:
            items.append(structure[start:position])
    return items


def _is_multipart(items: list[bytes]) -> bool:
    # The parts come first, their kind after them.
    return items[0].startswith(b"(")


def _holds_message(items: list[bytes]) -> bool:
    return items[0].upper() == b'"MESSAGE"' and items[1].upper() in HELD_MESSAGES and len(items) > INNER
