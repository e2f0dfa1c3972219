"""The golden dialogues of several clients, live: each client with another process, as far as there are processes."""

import asyncio
import os
import socket
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support import dialogue_of_many
from tests.support.platform import Platform

GOLDEN = Path(__file__).parent.parent / "conformance" / "imap" / "many"
DIALOGUES = [path for path in sorted(GOLDEN.glob("*.txt")) if not dialogue_of_many.settings(path)]
TRIES = 60


def serving(ours: tuple[str, int], port: int) -> int | None:
    """The process that has the other end of a connection; None where it has not taken it yet."""
    ends = (f":{port:04X}", f":{ours[1]:04X}")
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = [line[9] for line in lines if line[1].endswith(ends[0]) and line[2].endswith(ends[1])]
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(os.readlink(each) == f"socket:[{inode}]" for each in folder.iterdir() for inode in inodes):
                return int(folder.parent.name)
        except OSError:
            continue
    return None


@pytest.mark.parametrize("path", DIALOGUES, ids=lambda path: path.stem)
def test_dialogue_of_many(platform: Platform, path: Path) -> None:
    port = platform.ports.imap
    met: list[int] = []

    async def connect() -> dialogue_of_many.Stream:
        for _ in range(TRIES):
            connection = socket.create_connection(("127.0.0.1", port), 10)
            # The greeting is left for the dialogue; that it is there says that a process has taken the connection.
            connection.recv(1, socket.MSG_PEEK)
            process = serving(connection.getsockname(), port)
            if process is not None and (process not in met or len(met) > 1):
                met.append(process)
                return await asyncio.open_connection(sock=connection)
            connection.close()
        raise AssertionError("no other process takes connections")

    one, other = (platform.create_account(f"{name}-{path.stem}") for name in ("many", "other"))
    asyncio.run(
        dialogue_of_many.play_live(
            path,
            connect,
            substitutions={
                "login": one.address,
                "password": one.password,
                "other": other.address,
                "user": quote(one.address, safe=""),
            },
        )
    )
    assert len({*met}) == 2
