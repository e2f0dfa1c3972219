"""Pieces of an answer that are too large to be held: read from the object storage while they are said, one chunk ahead."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from mailstore import StoredMessage

from imap.core.decoding import Decoder, Plain
from imap.core.sections import Inside
from imap.core.session import Session

CHUNK_OCTETS = 512 * 1024


@dataclass(frozen=True, slots=True)
class Large:
    """Octets `first` to `first + octets` of what a place of a message is, decoded."""

    message: StoredMessage
    place: Inside
    octets: int
    first: int = 0
    make: Callable[[], Decoder] = Plain


Piece = bytes | Large


class CutShort(ConnectionAbortedError):
    """Part of an answer has been said and the rest of it cannot be: whatever came now would be taken for that rest."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What must be known of a decoded part before the first octet of it is said."""

    octets: int
    has_nul: bool
    lines: int


async def say_pieces(session: Session, pieces: Sequence[Piece]) -> None:
    """In order; waits for a client that reads slowly. Raises CutShort where a piece fails once something has been said."""
    group: list[bytes] = []
    has_begun = False
    for piece in pieces:
        if isinstance(piece, bytes):
            group.append(piece)
        else:
            await _pass_through(session, b"".join(group), piece, has_begun)
            has_begun = True
            group.clear()
    await session.say(b"".join(group))


async def _pass_through(session: Session, front: bytes, large: Large, has_begun: bool) -> None:
    """What stands in front of it is said once the first of it could be read."""
    skip, left = large.first, large.octets
    try:
        async with aclosing(_decoded(session, large.message, large.place, large.make)) as chunks:
            async for chunk in chunks:
                if skip:
                    dropped = min(skip, len(chunk))
                    skip -= dropped
                    chunk = chunk[dropped:]
                has_begun = True
                await session.say(front)
                front = b""
                await session.say(chunk[:left])
                left -= min(left, len(chunk))
                if not left:
                    return
    except ConnectionError:
        raise
    except Exception as error:
        if has_begun:
            raise CutShort(str(error)) from error
        raise
    raise CutShort(f"{left} octets are missing")


async def _decoded(
    session: Session, message: StoredMessage, place: Inside, make: Callable[[], Decoder]
) -> AsyncGenerator[bytes, None]:
    decoder = make()
    end = place.offset + place.length
    position = place.offset

    async def read() -> bytes:
        return await session.store.read(message, position, min(CHUNK_OCTETS, end - position))

    following: asyncio.Task[bytes] | None = None
    try:
        while position < end:
            chunk = await (following or read())
            if not chunk:
                break
            position += len(chunk)
            following = asyncio.create_task(read()) if position < end else None
            yield decoder.feed(chunk)
        yield decoder.end()
    finally:
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def measure(
    session: Session, message: StoredMessage, place: Inside, make: Callable[[], Decoder]
) -> Measured:
    """Read the whole of it once."""
    octets, lines, has_nul = 0, 0, False
    async with aclosing(_decoded(session, message, place, make)) as chunks:
        async for chunk in chunks:
            octets += len(chunk)
            lines += chunk.count(b"\n")
            has_nul = has_nul or b"\0" in chunk
    return Measured(octets, has_nul, lines)
