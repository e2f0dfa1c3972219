"""i;unicode-casemap (RFC 5051): strings are equal, contained or in order whatever their case and composition.

Each character becomes its one titlecase character where it has one, then all are decomposed (NFKD).
"""

import unicodedata
from functools import cache


@cache
def _titlecase() -> dict[int, int]:
    """Code points that have another one as their titlecase; the fourteen hundred are looked up once."""
    table = {}
    for code in range(0x80, 0x1F000):
        title = chr(code).title()
        if len(title) == 1 and ord(title) != code:
            table[code] = ord(title)
    table.update({code: code - 32 for code in range(ord("a"), ord("z") + 1)})
    return table


def casemap(text: str) -> str:
    """What is compared in place of the text."""
    if text.isascii():
        return text.upper()
    return unicodedata.normalize("NFKD", text.translate(_titlecase()))


def collation_key(text: str) -> bytes:
    """What is sorted by: the octets, as RFC 5051 compares them."""
    return casemap(text).encode("utf-8", "surrogatepass")
