"""Queue ids: ULIDs, 26 characters, sortable by the millisecond they were made in."""

import os
import time
from collections import deque

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Two letters for each ten bits.
PAIRS = tuple(first + second for first in ALPHABET for second in ALPHABET)
PLACES = tuple(range(120, -1, -10))
# Random octets for the next ids: a call of the system for each would cost more than all the rest.
AT_ONCE = 128
_random: deque[bytes] = deque()
# Each process has its own.
os.register_at_fork(after_in_child=_random.clear)


def new_queue_id() -> str:
    """A new id: 48 bits of time in milliseconds and 80 random bits, in Crockford's base 32."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(_ten_octets(), "big")
    return "".join([PAIRS[number >> place & 1023] for place in PLACES])


def _ten_octets() -> bytes:
    """Never the same twice, in whatever thread: taking one is one step of the deque's."""
    while True:
        try:
            return _random.pop()
        except IndexError:
            block = os.urandom(10 * AT_ONCE)
            _random.extend([block[at : at + 10] for at in range(0, len(block), 10)])
