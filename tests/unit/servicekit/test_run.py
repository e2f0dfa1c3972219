"""A process of ours ends when one of its tasks does, whatever ended that."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from servicekit import run
from servicekit.run import Service
from servicekit.settings import ServiceSettings


@pytest.fixture(autouse=True)
def memory_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_settle_memory", lambda: None)


async def fails() -> None:
    raise ValueError("what it is for is over")


async def waits_for_what_a_library_gives_up() -> None:
    answer = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(answer.cancel)
    await answer


@pytest.mark.parametrize("work", [fails, waits_for_what_a_library_gives_up])
async def test_a_task_that_dies_ends_the_process(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    service = Service("test", ServiceSettings())
    begun: list[asyncio.Task[Any]] = []

    async def wire(service: Service[ServiceSettings]) -> None:
        begun.append(service.spawn(work(), name="work"))

    async with asyncio.timeout(10):
        assert await service.live(wire) == 1


async def test_tasks_that_the_drain_cuts_are_no_failure() -> None:
    service = Service("test", ServiceSettings(drain_seconds=0))
    begun: list[asyncio.Task[Any]] = []

    async def wire(service: Service[ServiceSettings]) -> None:
        begun.append(service.spawn(asyncio.Event().wait(), name="work"))
        asyncio.get_running_loop().call_later(0.01, service.draining.set)

    async with asyncio.timeout(10):
        assert await service.live(wire) == 0
