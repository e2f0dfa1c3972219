"""Mail in binary or 8 bits for a system that takes only less: converted where that can be done (RFC 3030 §3, RFC 6152 §3).

What is stored stays as it is; the 7-bit form is made while it is sent.
"""

import asyncio
from collections.abc import Mapping

from mailmsg.downgrade import to_seven_bit
from mailproto.smtp.body import BodyType
from spool import Envelope

from mta_queue import metrics

# From this size on it is done in a thread.
THREAD_OCTETS = 256 * 1024
# SIZE= is said before the message has been read: base64 makes four of three, and line ends come to that.
GROWTH = 1.4


def travels_as(envelope: Envelope, extensions: Mapping[str, str]) -> tuple[BodyType, int]:
    """How it is sent to a system with these extensions, and how many octets it has then, about."""
    if envelope.binary and {"CHUNKING", "BINARYMIME"} <= extensions.keys():
        return BodyType.BINARY, envelope.size_octets
    if envelope.eight_bit and not envelope.binary and "8BITMIME" in extensions:
        return BodyType.EIGHT_BIT, envelope.size_octets
    if envelope.eight_bit or envelope.binary:
        return BodyType.SEVEN_BIT, int(envelope.size_octets * GROWTH)
    return BodyType.SEVEN_BIT, envelope.size_octets


def is_converted(envelope: Envelope, extensions: Mapping[str, str]) -> bool:
    """Whether it is not sent as it was taken."""
    return (envelope.eight_bit or envelope.binary) and travels_as(envelope, extensions)[
        0
    ] is BodyType.SEVEN_BIT


async def converted(content: bytes) -> bytes:
    """Raises mailmsg.downgrade.CannotConvert."""
    if len(content) >= THREAD_OCTETS:
        made = await asyncio.to_thread(to_seven_bit, content)
    else:
        made = to_seven_bit(content)
    if made is not content:
        metrics.CONVERTED.inc()
    return made
