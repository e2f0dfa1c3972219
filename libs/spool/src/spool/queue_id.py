"""Queue ids: ULIDs, 26 characters, sortable by the millisecond they were made in."""

import os
import time

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Two letters for each ten bits.
PAIRS = tuple(first + second for first in ALPHABET for second in ALPHABET)
PLACES = tuple(range(120, -1, -10))


def new_queue_id() -> str:
    """A new id: 48 bits of time in milliseconds and 80 random bits, in Crockford's base 32."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join([PAIRS[number >> place & 1023] for place in PLACES])
