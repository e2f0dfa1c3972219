"""The end of a process: its clients are sent away one after the other, and what is under way ends as it should."""

import asyncio

import pytest

from tests.support.imap_memory import Imap

BYE = "* BYE The server is going down, come back soon"


@pytest.mark.parametrize(("clients", "drain_seconds"), [(3, 10.0), (50, 10.0), (50, 0.1)])
def test_farewells_are_spread_over_the_drain(clients: int, drain_seconds: float) -> None:
    imap = Imap(drain_seconds=drain_seconds)
    idle = [imap.client(select="INBOX") for _ in range(clients)]
    draining = asyncio.Event()
    left: list[int] = []
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        for _ in range(10):
            await asyncio.sleep(0)
        left.append(sum(not client.is_over for client in idle))

    async def drain(timeout_seconds: float | None = None) -> None:
        draining.set()
        for client in idle:
            client._wire.draining.set()
        await imap._connections.end_at_drain(draining, sleep)

    imap.wait_for(drain())
    assert left == list(range(clients - 1, -1, -1)), "one after the other"
    assert sum(slept) == pytest.approx(min(drain_seconds * 0.8, clients * 0.005))
    assert all(BYE in client.heard() for client in idle)
    imap.close()


def test_a_command_that_is_under_way_ends_and_then_the_session() -> None:
    imap = Imap()
    client = imap.client()
    client.exchange(b"a APPEND INBOX {6}\r\n")
    client._wire.draining.set()
    said = client.exchange(b"abcdef\r\n").decode()
    assert said.startswith("a OK [APPENDUID")
    assert said.endswith(f"{BYE}\r\n")
    assert client.is_over
    imap.close()


def test_nobody_is_there(imap: Imap) -> None:
    draining = asyncio.Event()
    draining.set()
    imap.wait_for(imap._connections.end_at_drain(draining))
