"""Who is in and may not be any more is sent away, at once and whoever came in by an answer of before."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
import pytest
from directoryclient import barring, client
from directoryclient.barring import AGAIN_SECONDS, ASKED_AT_ONCE, EVERYBODY, MOST_DUE, Barring, concerned
from mailwire.directory.v1 import directory_pb2 as wire


@dataclass(eq=False)
class Guest:
    owner: tuple[str, str, str] | None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def abort(self) -> None:
        self.ended.set()


def guest(tenant_id: str, account_id: str, credential: str = "") -> Guest:
    return Guest((tenant_id, account_id, credential))


class Stub:
    def __init__(self) -> None:
        self.barred: set[str] = set()
        self.asked: list[list[str]] = []
        self.failure: grpc.StatusCode | None = None
        self.was_asked = asyncio.Event()
        self.meanwhile: Callable[[], None] = lambda: None

    async def FindBarred(self, request: wire.FindBarredRequest, timeout: float) -> wire.FindBarredResponse:
        self.asked.append([each.account_id + each.credential for each in request.guests])
        self.was_asked.set()
        self.meanwhile()
        if self.failure is not None:
            raise grpc.aio.AioRpcError(self.failure, grpc.aio.Metadata(), grpc.aio.Metadata(), None, None)
        barred = [each for each in request.guests if {each.account_id, each.credential} & self.barred]
        return wire.FindBarredResponse(guests=barred)


class Door:
    """A door with guests, and the time."""

    def __init__(self, *owners: tuple[str, ...] | None) -> None:
        self.now = 0.0
        self.guests = [guest(*owner) if owner is not None else Guest(None) for owner in owners]
        self.stub = Stub()
        self.barring = Barring(cast(Any, _Channel()), lambda: self.guests, lambda: self.now)
        self.barring._stub = cast(Any, self.stub)

    def tell(self, **change: Any) -> None:
        self.barring.changed("directory.changed", wire.DirectoryChanged(**change).SerializeToString())

    async def look(self, after_seconds: float = 0.0) -> list[list[str]]:
        """Who was asked about."""
        self.now += after_seconds
        self.stub.asked.clear()
        await self.barring.look()
        return list(self.stub.asked)

    @property
    def gone(self) -> list[str]:
        """Accounts, with what each came in with."""
        return ["".join(each.owner[1:]) for each in self.guests if each.owner and each.ended.is_set()]


class _Channel:
    def unary_unary(self, *_arguments: Any, **_more: Any) -> None:
        return None


async def test_all_sessions_of_an_account_that_was_suspended_end_and_no_others() -> None:
    door = Door(("t", "a"), ("t", "b"), ("t", "a"), None, ("u", "c"))
    door.stub.barred = {"a", "b"}
    door.tell(tenant_id="t", account_id="a", addresses=["a@t.test"])
    assert await door.look() == [["a"]]
    assert door.gone == ["a", "a"]


async def test_only_who_came_with_what_was_taken_away_goes() -> None:
    door = Door(("t", "a", ":phone"), ("t", "a", ":laptop"), ("t", "a"), ("t", "a", ":phone"))
    door.stub.barred = {":phone"}
    door.tell(tenant_id="t", account_id="a")
    assert await door.look() == [["a", "a:laptop", "a:phone"]]
    assert door.gone == ["a:phone", "a:phone"]


async def test_a_change_that_shuts_nobody_out_ends_nothing() -> None:
    door = Door(("t", "a"))
    door.tell(tenant_id="t", account_id="a")
    assert await door.look() == [["a"]]
    assert door.gone == []


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        ({"tenant_id": "t"}, [["a", "b"]]),
        ({"tenant_id": "t", "domains": ["t.test"]}, [["a", "b"]]),
        ({}, [["a", "b", "c"]]),
        # An alias.
        ({"tenant_id": "t", "addresses": ["team@t.test"]}, []),
        ({"tenant_id": "v"}, []),
    ],
)
async def test_whom_a_change_may_concern(change: dict[str, Any], asked: list[list[str]]) -> None:
    door = Door(("t", "b"), ("t", "a"), ("u", "c"), None)
    door.tell(**change)
    assert await door.look() == asked


async def test_who_was_just_coming_in_is_found_a_little_later() -> None:
    door = Door()
    door.stub.barred = {"a"}
    door.tell(tenant_id="t", account_id="a")
    assert await door.look() == []
    # The directory had said yes before the change.
    door.guests.append(guest("t", "a"))
    assert await door.look(AGAIN_SECONDS / 2) == []
    assert await door.look(AGAIN_SECONDS / 2) == [["a"]]
    assert door.gone == ["a"]
    assert await door.look(3600.0) == []


def test_the_second_look_is_after_the_last_answer_of_before_the_change() -> None:
    assert AGAIN_SECONDS > client.ANSWER_SECONDS


async def test_a_connection_that_became_somebody_elses_meanwhile_stays() -> None:
    door = Door(("t", "a"), ("t", "a"), ("t", "a"))
    door.stub.barred = {"a"}

    def meanwhile() -> None:
        door.guests[0].owner, door.guests[1].owner = None, ("t", "b", "")

    door.stub.meanwhile = meanwhile
    door.tell(tenant_id="t", account_id="a")
    await door.look()
    assert [each.ended.is_set() for each in door.guests] == [False, False, True]


async def test_many_changes_one_after_the_other_are_looked_at_as_a_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(barring, "PAUSE_SECONDS", 60.0)
    door, draining = Door(("t", "a")), asyncio.Event()
    running = asyncio.ensure_future(door.barring.run(draining))
    for _ in range(100):
        door.tell(tenant_id="t")
        for _ in range(10):
            await asyncio.sleep(0)
    assert len(door.stub.asked) == 1
    draining.set()
    await running
    # What came last still waits to be looked at.
    await door.barring.look()
    assert len(door.stub.asked) == 2


async def test_while_the_directory_is_away_it_is_tried_again() -> None:
    door = Door(("t", "a"))
    door.stub.barred, door.stub.failure = {"a"}, grpc.StatusCode.UNAVAILABLE
    door.tell(tenant_id="t", account_id="a")
    for _ in range(3):
        assert await door.look(10.0) == [["a"]]
    door.stub.failure = None
    assert await door.look(10.0) == [["a"]]
    assert door.gone == ["a"]


async def test_a_directory_that_does_not_answer_is_asked_less_and_less_often() -> None:
    door = Door(("t", "a"))
    door.stub.failure = grpc.StatusCode.DEADLINE_EXCEEDED
    door.tell(tenant_id="t", account_id="a")
    asked_at = []
    for second in range(200):
        if await door.look(1.0):
            asked_at.append(second)
    assert asked_at == [0, 1, 3, 7, 15, 31, 61, 91, 121, 151, 181]
    door.stub.failure = None
    door.stub.barred = {"a"}
    assert await door.look(barring.RETRY_MOST_SECONDS)
    assert door.gone == ["a"]
    # A new trouble begins anew.
    door.stub.failure = grpc.StatusCode.UNAVAILABLE
    door.tell(tenant_id="t", account_id="a")
    assert [bool(await door.look(1.0)) for _ in range(4)] == [True, True, False, True]


async def test_a_directory_of_before_ends_nothing() -> None:
    door = Door(("t", "a"))
    door.stub.failure = grpc.StatusCode.UNIMPLEMENTED
    door.tell()
    assert await door.look() == [["a"]]
    assert await door.look(AGAIN_SECONDS) == [["a"]]
    assert await door.look(AGAIN_SECONDS) == []


async def test_many_are_asked_about_in_pieces_and_many_changes_are_one() -> None:
    door = Door(*[("t", f"{number:05}") for number in range(2 * ASKED_AT_ONCE + 1)])
    for number in range(MOST_DUE + 1):
        door.tell(tenant_id="v", account_id=str(number))
    assert [len(each) for each in await door.look()] == [ASKED_AT_ONCE, ASKED_AT_ONCE, 1]
    assert concerned(b"\xff\xff") == concerned(b"") == EVERYBODY


async def test_it_looks_by_itself_until_the_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(barring, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(barring, "PAUSE_SECONDS", 0.0)
    door, draining = Door(("t", "a")), asyncio.Event()
    door.stub.barred, door.stub.failure = {"a"}, grpc.StatusCode.UNAVAILABLE
    running = asyncio.ensure_future(door.barring.run(draining))
    door.tell(tenant_id="t")
    async with asyncio.timeout(10):
        await door.stub.was_asked.wait()
        door.stub.failure = None
        await door.guests[0].ended.wait()
        draining.set()
        await running
