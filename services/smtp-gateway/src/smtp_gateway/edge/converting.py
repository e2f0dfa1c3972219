"""What a user submits in binary and sends into the world is made 7-bit before it is signed (RFC 6376 §5.3).

A system on its way that takes no binary would make it so, and the signature would hold no more. Mail for this
installation only stays as it came, and so does what has no 7-bit form: then it goes as far as systems take it.
"""

import asyncio
from dataclasses import replace

from mailmsg.downgrade import CannotConvert, to_seven_bit
from spool import Letter, Source

# From this size on it is done in a thread.
THREAD_OCTETS = 256 * 1024


async def for_the_world(letter: Letter) -> Letter:
    """The letter as it is signed and stored."""
    is_submitted = letter.source is Source.SUBMISSION
    if not (is_submitted and letter.binary and any(each.account_id is None for each in letter.recipients)):
        return letter
    try:
        if len(letter.content) >= THREAD_OCTETS:
            content = await asyncio.to_thread(to_seven_bit, letter.content)
        else:
            content = to_seven_bit(letter.content)
    except CannotConvert:
        return letter
    return replace(letter, content=content, binary=False, eight_bit=False)
