"""Bodies for the messages that are being sent: those that lie together in one object are read together.

Messages that arrived together are packed into one object (spool), and they are sent at about the same time. Whoever
begins an attempt says which body it will need; the first that is read brings along what others have asked for nearby.
What was read is kept no longer than the attempts that asked for it.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from blobstore import BlobStore, BlobUnavailable, BodyReference

SMALL_OCTETS = 64 * 1024
RUN_MOST_OCTETS = 512 * 1024
# Between two bodies lies at least one envelope.
GAP_MOST_OCTETS = 8 * 1024
# Offset and length in the object.
Place = tuple[int, int]


@dataclass
class _Object:
    """What is wanted of it, and what has been asked for."""

    wanted: Counter[Place] = field(default_factory=Counter)
    read: dict[Place, "asyncio.Future[bytes]"] = field(default_factory=dict)


class Bodies:
    """Of one process."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._objects: dict[str, _Object] = {}

    @contextlib.contextmanager
    def wanted(self, body: BodyReference) -> Iterator[None]:
        """As long as it may be read."""
        self.want(body)
        try:
            yield
        finally:
            self.release(body)

    def want(self, body: BodyReference) -> None:
        """It may be read soon, or is being; `release` it as often."""
        if body.length <= SMALL_OCTETS:
            self._objects.setdefault(body.object_key, _Object()).wanted[body.offset, body.length] += 1

    def release(self, body: BodyReference) -> None:
        """Whoever wanted it has no need of it any more."""
        known = self._objects.get(body.object_key)
        if known is None or body.length > SMALL_OCTETS:
            return
        place = (body.offset, body.length)
        known.wanted[place] -= 1
        if known.wanted[place] <= 0:
            del known.wanted[place]
            known.read.pop(place, None)
        if not known.wanted:
            del self._objects[body.object_key]

    async def read(self, body: BodyReference) -> bytes:
        """Its octets, as they are stored. Raises BlobMissing, BlobUnavailable."""
        place = (body.offset, body.length)
        known = self._objects.get(body.object_key)
        if known is not None and place in known.wanted:
            if (begun := known.read.get(place)) is not None:
                if begun.done() and begun.exception() is None:
                    return begun.result()
                with contextlib.suppress(BlobUnavailable):
                    return await asyncio.shield(begun)
            elif len(run := _run(known, place)) > 1:
                with contextlib.suppress(BlobUnavailable):
                    return (await self._read_run(body.object_key, known, run))[place]
        # Also where reading together came to nothing: that may be the fault of another's body.
        return await self._blobs.get_range(body.object_key, body.offset, body.length)

    async def _read_run(self, key: str, known: _Object, run: list[Place]) -> dict[Place, bytes]:
        loop = asyncio.get_running_loop()
        futures = {place: loop.create_future() for place in run}
        known.read.update(futures)
        start = run[0][0]
        end = max(offset + length for offset, length in run)
        try:
            content = await self._blobs.get_range(key, start, end - start)
        except BaseException:
            for place, future in futures.items():
                known.read.pop(place, None)
                future.set_exception(BlobUnavailable(f"{key} was not read"))
                # Nobody need have waited for it.
                future.exception()
            raise
        found = {
            (offset, length): content[offset - start : offset - start + length] for offset, length in run
        }
        for place, future in futures.items():
            future.set_result(found[place])
        return found


def _run(known: _Object, place: Place) -> list[Place]:
    """What is wanted around it and not asked for yet, near enough to be read in one go."""
    places = sorted(each for each in known.wanted if each == place or each not in known.read)
    at = places.index(place)
    first, last = at, at
    while first > 0 and _fits(places[first - 1], places[first], places[last]):
        first -= 1
    while last + 1 < len(places) and _fits(places[last], places[last + 1], places[first]):
        last += 1
    return places[first : last + 1]


def _fits(left: Place, right: Place, far: Place) -> bool:
    """Whether two that lie side by side may be of a run that has its other end there."""
    start = min(left[0], far[0])
    end = max(right[0] + right[1], far[0] + far[1])
    return right[0] - (left[0] + left[1]) <= GAP_MOST_OCTETS and end - start <= RUN_MOST_OCTETS
