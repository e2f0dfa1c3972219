"""A stream of which the octets may be heard as they come, without waking a task for each piece of them."""

import asyncio
from collections.abc import Callable, Iterable
from typing import SupportsIndex


class Ear(asyncio.StreamReader):
    """As a StreamReader, until somebody hears: then what comes goes to `heard`, and is kept here no more.

    While nobody does it fills its buffer and then stops the transport, as any StreamReader does.
    """

    _heard: Callable[[bytes], None] | None = None
    _ended: Callable[[], None] | None = None

    def hear(self, heard: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        """From now on, until `hear_no_more`; `ended` is called when nothing more can come. Nothing is unread."""
        self._heard, self._ended = heard, ended

    def hear_no_more(self) -> None:
        """What comes from now on is kept."""
        self._heard = self._ended = None

    @property
    def has_unread(self) -> bool:
        """Whether octets are kept here."""
        return bool(self._buffer)  # type: ignore[attr-defined]

    @property
    def is_over(self) -> bool:
        """Whether nothing more can come."""
        return self.at_eof() or self.exception() is not None

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """Of the transport."""
        if self._heard is not None:
            self._heard(bytes(data))
        else:
            super().feed_data(data)

    def feed_eof(self) -> None:
        """Of the transport."""
        super().feed_eof()
        if self._ended is not None:
            self._ended()

    def set_exception(self, exc: Exception) -> None:
        """Of the transport."""
        super().set_exception(exc)
        if self._ended is not None:
            self._ended()


async def open_connection(
    host: str, port: int, *, limit: int, local_addr: tuple[str, int] | None
) -> tuple[Ear, asyncio.StreamWriter]:
    """As asyncio's. Raises OSError."""
    loop = asyncio.get_running_loop()
    ear = Ear(limit=limit, loop=loop)
    protocol = asyncio.StreamReaderProtocol(ear, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, host, port, local_addr=local_addr)
    return ear, asyncio.StreamWriter(transport, protocol, ear, loop)
