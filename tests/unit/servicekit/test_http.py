"""The status pages, and clients that are in no hurry."""

import asyncio

import pytest
from servicekit import http
from servicekit.http import StatusPages


class Dribbling:
    """Says one octet whenever it is asked, and never all of a request."""

    def __init__(self) -> None:
        self.read_times = 0

    async def read(self, timeout_seconds: float | None = None) -> bytes:
        self.read_times += 1
        # Each read ends in time.
        await asyncio.sleep(0)
        return b"x" if self.read_times % 2 else b"\r"

    def write(self, data: bytes) -> None:
        raise AssertionError("there was no request")


async def test_who_dribbles_does_not_keep_a_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REQUEST_SECONDS", 0.0)
    monkeypatch.setattr(http, "REQUEST_LIMIT_OCTETS", 1 << 60)
    pages = StatusPages(asyncio.Event())
    with pytest.raises(TimeoutError):
        await pages.handle(Dribbling())  # type: ignore[arg-type]
