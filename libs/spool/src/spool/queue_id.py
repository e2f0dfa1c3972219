"""Queue ids: ULIDs, 26 characters, sortable by the millisecond they were made in."""

import os
import time

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_queue_id() -> str:
    """A new id: 48 bits of time in milliseconds and 80 random bits, in Crockford's base 32."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    letters = [""] * 26
    for place in range(25, -1, -1):
        letters[place] = ALPHABET[number & 31]
        number >>= 5
    return "".join(letters)
