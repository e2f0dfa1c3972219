"""What has died is started again, also where the disk is full."""

import asyncio
from pathlib import Path

import pytest
from posthouse.stack.layout import Layout
from posthouse.stack.part import Part
from posthouse.stack.ports import Ports
from posthouse.supervisor import process
from posthouse.supervisor.process import Child
from posthouse.supervisor.supervisor import Supervisor, Wishes


async def test_what_could_not_be_started_for_want_of_room_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "FIRST_PAUSE", 0.0)
    starts, there_again = 0, asyncio.Event()

    def before() -> None:
        nonlocal starts
        starts += 1
        if starts in (2, 3):
            raise OSError(28, "No space left on device")
        if starts == 4:
            there_again.set()

    child = Child(Part("probe", ["true"], before=before), tmp_path, lambda: None)
    await child._spawn()
    keeper = asyncio.create_task(child._keep())
    try:
        async with asyncio.timeout(10):
            await there_again.wait()
        assert not keeper.done()
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await child.stop()


def test_what_cannot_be_written_down_stops_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data")
    supervisor = Supervisor(Wishes(layout, Ports.at(2000), {}), lambda _sentence: None)
    assert not layout.state_file.parent.exists(), "as good as a full disk: nothing can be written there"
    supervisor._note()
