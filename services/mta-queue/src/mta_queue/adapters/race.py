"""The first of a host's addresses that answers (RFC 8305): one that is silent for a moment is joined by the next.

So a host of which one address (or one family) is dead costs a quarter of a second and not a whole connection timeout.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from mta_queue.adapters.hearing import Ear
from mta_queue.adapters.proxies import WayOut, connect

# RFC 8305 §8
HEADSTART_SECONDS = 0.25


class NobodyAnswered(OSError):
    """`failures` says why, by address."""

    def __init__(self, failures: dict[str, OSError]) -> None:
        self.failures = failures
        text = next((each.strerror or str(each) for each in failures.values()), "no address")
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Connected:
    """To whom, and how."""

    address: str
    reader: Ear
    writer: asyncio.StreamWriter


async def first_of(addresses: Sequence[str], port: int, out: WayOut) -> Connected:
    """Raises NobodyAnswered, ProxyAway, ProxyRefused."""
    if len(addresses) == 1:
        return await _one(addresses[0], port, out)
    waiting = list(addresses)
    tasks: dict[asyncio.Task[Connected], str] = {}
    failures: dict[str, OSError] = {}
    try:
        while waiting or tasks:
            if waiting:
                address = waiting.pop(0)
                tasks[asyncio.create_task(_one(address, port, out))] = address
            done, _ = await asyncio.wait(
                tasks, timeout=HEADSTART_SECONDS if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                address = tasks.pop(task)
                error = task.exception()
                if error is None:
                    return task.result()
                if not isinstance(error, NobodyAnswered):
                    raise error
                failures |= error.failures
        raise NobodyAnswered(failures)
    finally:
        for task in tasks:
            task.cancel()
            task.add_done_callback(_close)


async def _one(address: str, port: int, out: WayOut) -> Connected:
    try:
        return Connected(address, *await connect(address, port, out))
    except (ConnectionError, TimeoutError) as error:
        raise NobodyAnswered({address: error}) from error
    except OSError as error:
        if out.proxy is not None:
            raise
        raise NobodyAnswered({address: error}) from error


def _close(task: "asyncio.Task[Connected]") -> None:
    """Who comes second goes again."""
    with contextlib.suppress(asyncio.CancelledError, OSError):
        task.result().writer.close()
