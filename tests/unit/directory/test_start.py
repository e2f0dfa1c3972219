"""What a directory does when it starts: the one before it may have died between a commit and telling of it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from directory import __main__ as start
from directory.settings import Settings
from eventbus import EventBus
from eventbus.subjects import DIRECTORY_CHANGED


class Bus:
    """Notes what is told, and when."""

    def __init__(self, done: list[Any]) -> None:
        self._done = done

    def when_missed(self, _callback: Any) -> None:
        return None

    def tell(self, subject: str, payload: bytes) -> None:
        self._done.append((subject, payload))

    async def close(self) -> None:
        return None

    check = close


class Starting:
    """As much of a service as the wiring needs."""

    name, identity = "directory", None

    def __init__(self, folder: Path) -> None:
        (folder / "dsn").write_text("postgresql://nowhere")
        self.settings = Settings.model_validate({"database_dsn_file": folder / "dsn"})
        self.draining = asyncio.Event()

    def on_close(self, _closer: Any) -> None:
        return None

    def ready_when(self, _name: str, _check: Any) -> None:
        return None

    def spawn(self, coroutine: Any, *, name: str) -> None:
        coroutine.close()


async def test_everybody_forgets_everything_once_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Any] = []

    class Pool:
        async def close(self) -> None:
            return None

    async def connect(*_: Any, **__: Any) -> Bus:
        return Bus(done)

    async def pool(*_: Any, **__: Any) -> Pool:
        return Pool()

    async def nothing(*_: Any) -> bytes:
        return bytes(32)

    async def served(*_: Any) -> None:
        done.append("answers")

    monkeypatch.setattr(EventBus, "connect", connect)
    for name, does in (("open_pool", pool), ("check_durability", nothing), ("shared_secret", nothing)):
        monkeypatch.setattr(start, name, does)
    monkeypatch.setattr(start, "serve_grpc", served)
    await start.wire(Starting(tmp_path))  # type: ignore[arg-type]
    assert done == ["answers", (DIRECTORY_CHANGED, b"")]
