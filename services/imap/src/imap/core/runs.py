"""Reading small messages together: those that lie beside each other in the object storage cost one request."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from mailstore import BodyCorrupt, MailStore, Readable

M = TypeVar("M", bound=Readable)

# Messages up to this size are read in runs of up to that size.
SMALL_OCTETS = 64 * 1024
RUN_OCTETS = 256 * 1024


def runs(stored: Sequence[M]) -> Iterator[list[M]]:
    """Small messages in runs that are read together, each larger one by itself; all in their order."""
    run: list[M] = []
    octets = 0
    for message in stored:
        is_small = message.size_octets <= SMALL_OCTETS
        if run and (not is_small or octets + message.size_octets > RUN_OCTETS):
            yield run
            run, octets = [], 0
        run.append(message)
        octets += message.size_octets
        if not is_small:
            yield run
            run, octets = [], 0
    if run:
        yield run


async def read_run(store: MailStore, run: Sequence[Readable]) -> Sequence[bytes | None]:
    """Whole messages that were fetched with Columns.BODY; None for those that are to be asked for by themselves."""
    if len(run) > 1:
        try:
            return await store.read_whole(run)
        except BodyCorrupt:
            # Which of them it is, they tell one by one.
            pass
    return [None] * len(run)
