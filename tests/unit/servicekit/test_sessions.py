"""Sessions are known while they live, and told once when the process is asked to end."""

import asyncio
from typing import Any

import pytest
from servicekit.sessions import Sessions


class Life:
    """One that lives until it is told to end."""

    def __init__(self, fails: bool) -> None:
        self.told = 0
        self._end = asyncio.Event()
        self._fails = fails

    async def live(self) -> None:
        await self._end.wait()
        if self._fails:
            raise ConnectionError

    async def end_if_idle(self) -> None:
        self.told += 1
        self._end.set()


async def test_those_who_wait_are_told_and_those_who_are_gone_are_not() -> None:
    lives: list[Life] = []

    def begin(connection: Any) -> Life:
        lives.append(Life(fails=connection == "fails"))
        return lives[-1]

    sessions, draining = Sessions(begin), asyncio.Event()
    ending = asyncio.create_task(sessions.end_at_drain(draining))
    served = [asyncio.create_task(sessions.serve(each)) for each in ("first", "fails", "third")]  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await lives[0].end_if_idle()
    await served[0]
    draining.set()
    await ending
    with pytest.raises(ConnectionError):
        await served[1]
    await served[2]
    assert [each.told for each in lives] == [1, 1, 1]
    assert sessions._open == set()
