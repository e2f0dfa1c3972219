"""What was noticed about logins becomes events: once each, and not lost while the database is away."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import pytest
from mta_queue.core.events import Event
from mta_queue.core.logins import noticed
from mta_queue.edge import logins
from mta_queue.edge.logins import LoginNotices
from pgkit import DatabaseUnavailable


def notice(**more: Any) -> bytes:
    said = {
        "tenant_id": str(uuid4()),
        "account_id": str(uuid4()),
        "address": "alice@a.test",
        "service": "imap",
        "client_address": "198.51.100.7",
        "at": "2026-11-21T08:00:00+00:00",
        "new_device": True,
        "suspicious": False,
    }
    return json.dumps(said | more).encode()


def test_what_an_event_says() -> None:
    payload = notice()
    said, event = json.loads(payload), noticed(payload)
    assert event is not None
    assert event["type"] == "new_device"
    assert event["at"] == "2026-11-21T08:00:00.000+00:00"
    same = ("tenant_id", "account_id", "address", "service", "client_address", "new_device", "suspicious")
    assert {name: event[name] for name in same} == {name: said[name] for name in same}
    both = noticed(notice(suspicious=True))
    assert both is not None
    assert (both["type"], both["new_device"], both["suspicious"]) == ("suspicious_login", True, True)
    assert both["id"] != event["id"]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        notice(tenant_id="x"),
        notice(tenant_id=7),
        notice(account_id=None),
        notice(at="yesterday"),
        notice(at=1),
        notice(at="0001-01-01T00:00:00+14:00"),
        notice(address=["a"]),
        notice(address="a\0@a.test"),
        notice(service="\ud800"),
        notice(client_address="1" * 401),
        notice(new_device=False),
        notice(new_device="yes"),
    ],
)
def test_what_is_no_notice(payload: bytes) -> None:
    assert noticed(payload) is None


class Book:
    """Writes, or is away for so many times."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.written: list[Event] = []
        self.full = asyncio.Event()

    async def reported(self, events: Sequence[Event]) -> None:
        if self.away:
            self.away -= 1
            raise DatabaseUnavailable("away")
        self.written.extend(events)
        self.full.set()


async def test_they_wait_for_the_database_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "WAITING_MOST", 150)
    book = Book(away=1)
    notices = LoginNotices(book, asyncio.Event())
    for number in range(200):
        notices.heard("login.noticed", notice(service=f"s{number}"))
    assert not await notices.tell()
    assert await notices.tell()
    assert await notices.tell()
    assert [each["service"] for each in book.written] == [f"s{number}" for number in range(150)]


async def test_it_tells_until_the_drain_and_what_came_by_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "AGAIN_SECONDS", 0.0)
    book, draining = Book(away=2), asyncio.Event()
    notices = LoginNotices(book, draining)
    running = asyncio.ensure_future(notices.run())
    notices.heard("login.noticed", b"nothing")
    notices.heard("login.noticed", notice())
    await asyncio.wait_for(book.full.wait(), 10)
    notices.heard("login.noticed", notice())
    draining.set()
    await asyncio.wait_for(running, 10)
    assert len(book.written) == 2
