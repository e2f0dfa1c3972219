"""SASLprep (RFC 4013): one form of user names and passwords that look the same."""

import stringprep
import unicodedata
from enum import Enum

PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


class Use(Enum):
    """What is kept may hold no unassigned code points; what is asked may (RFC 3454 §7)."""

    STORED = "stored"
    QUERY = "query"


class NotPrepared(ValueError):
    """The text has no such form."""


def saslprep(text: str, use: Use = Use.QUERY) -> str:
    """The prepared form. Raises NotPrepared."""
    mapped = "".join(
        " " if stringprep.in_table_c12(each) else each for each in text if not stringprep.in_table_b1(each)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    for each in prepared:
        if any(prohibited(each) for prohibited in PROHIBITED):
            raise NotPrepared(f"U+{ord(each):04X} is not allowed")
        if use is Use.STORED and stringprep.in_table_a1(each):
            raise NotPrepared(f"U+{ord(each):04X} is not assigned")
    if any(map(stringprep.in_table_d1, prepared)):
        # RFC 3454 §6: what is written from the right is so from its first to its last character.
        ends = stringprep.in_table_d1(prepared[0]) and stringprep.in_table_d1(prepared[-1])
        if not ends or any(map(stringprep.in_table_d2, prepared)):
            raise NotPrepared("two directions of writing")
    return prepared
