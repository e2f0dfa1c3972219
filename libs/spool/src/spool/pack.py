"""Several spooled messages in one message of the bus.

What is stored together is told together: one publish, one sync and one acknowledgement for all of them. A pack holds mail
for the mda alone or for the mta-queue alone. Both bear that a pack comes again of which a part is settled: what the mda
files twice it files once, and the mta-queue asks its table what it knows of a letter that comes again.
"""

from collections.abc import Iterator, Sequence

from google.protobuf.message import DecodeError
from mailwire.spool.v1 import spool_pb2 as wire

from spool.codec import Malformed

LETTERS = 32
# Well below what the bus takes (1 MiB).
OCTETS = 384 * 1024
# How a SpooledPack begins; a SpooledMessage has no such field.
BEGINNING = wire.SpooledPack(letters=[b""]).SerializeToString()[:1]


def pack(payloads: Sequence[bytes]) -> bytes:
    """One payload of several; a single one stays what it is."""
    return payloads[0] if len(payloads) == 1 else wire.SpooledPack(letters=payloads).SerializeToString()


def unpack(payload: bytes) -> Sequence[bytes]:
    """The payloads in it. Raises Malformed."""
    if payload[:1] != BEGINNING:
        return (payload,)
    try:
        return tuple(wire.SpooledPack.FromString(payload).letters)
    except DecodeError as error:
        raise Malformed("not a pack of spooled messages") from error


def split(payloads: Sequence[bytes]) -> Iterator[range]:
    """The positions of what fits into one pack each, in order; what is too large has one of its own."""
    start = octets = 0
    for number, payload in enumerate(payloads):
        if number > start and (number - start == LETTERS or octets + len(payload) > OCTETS):
            yield range(start, number)
            start, octets = number, 0
        octets += len(payload)
    yield range(start, len(payloads))
