"""Golden dialogues of several clients at once: the lines of `dialogue`, each after the letter of a client.

    A C: a IDLE
    B C: b APPEND INBOX {3+}
    A S: * 1 EXISTS
    A S~ a OK {any}       whatever stands before that line
    A --                  A has been told nothing more (in memory; over a network nobody can know)

A client connects when it is named first; captures are everybody's. `# settings: name=2` stands in the first line where the
server is to be another one than usual: such a one is played in memory alone.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.dialogue import Dialogue, Line, Who, _Script

LINE = re.compile(r"(?P<client>[A-Z]) (?P<kind>C:|C\||S:|S~|--)(?: (?P<text>.*))?")
KINDS = {"C:": Who.CLIENT, "C|": Who.CLIENT_RAW}
SECONDS = 15.0


@dataclass(frozen=True)
class Turn:
    """One line of one client."""

    client: str
    kind: str
    line: Line


def load(path: Path) -> list[Turn]:
    """Read a dialogue; raises ValueError on a line that is none."""
    turns = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not text.strip() or text.startswith("#"):
            continue
        found = LINE.fullmatch(text)
        if found is None:
            raise ValueError(f"{path}:{number}: no line of a client")
        who = KINDS.get(found["kind"], Who.SERVER)
        turns.append(Turn(found["client"], found["kind"], Line(number, who, found["text"] or "")))
    return turns


def settings(path: Path) -> dict[str, int | str]:
    """Of the server."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    words = first.removeprefix("# settings: ").split() if first.startswith("# settings: ") else []
    pairs = (word.partition("=") for word in words)
    return {name: int(value) if value.isdigit() else value for name, _, value in pairs}


def _octets(script: _Script, line: Line) -> bytes:
    ending = "" if line.who is Who.CLIENT_RAW else "\r\n"
    return (script.client_text(line.text) + ending).encode()


def play(
    path: Path,
    connect: Callable[[], Callable[[bytes], bytes]],
    *,
    substitutions: Mapping[str, str],
    patience: int = 1,
) -> None:
    """Against a machine in memory; `connect` gives a client's `exchange`, as `dialogue.play` has it. So often is it asked
    whether there is more, where the machine waits for something outside.
    """
    script = _Script(Dialogue(path, ()), substitutions)
    exchanges: dict[str, Callable[[bytes], bytes]] = {}
    said: dict[str, bytearray] = {}

    def hear() -> None:
        for name, exchange in exchanges.items():
            said[name] += exchange(b"")

    for turn in load(path):
        if turn.client not in exchanges:
            exchanges[turn.client] = connect()
            said[turn.client] = bytearray()
        if turn.kind in KINDS:
            said[turn.client] += exchanges[turn.client](_octets(script, turn.line))
            continue
        hear()
        told = said[turn.client]
        if turn.kind == "--":
            if told:
                raise AssertionError(f"{path}:{turn.line.number}: the server said {bytes(told)!r}")
            continue
        while True:
            left_to_ask = patience
            while b"\n" not in told and left_to_ask:
                hear()
                left_to_ask -= 1
            text, end, rest = told.partition(b"\n")
            if not end:
                raise AssertionError(
                    f"{path}:{turn.line.number}: expected {turn.line.text!r}, the server is silent"
                )
            told[:] = rest
            shown = text.rstrip(b"\r").decode("utf-8", "replace")
            if script.matches(turn.line, shown):
                break
            if turn.kind == "S:":
                script.fail(turn.line, shown)
    hear()
    left = {name: bytes(told) for name, told in said.items() if told}
    if left:
        raise AssertionError(f"{path}: the server said more: {left!r}")


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def play_live(
    path: Path, connect: Callable[[], Awaitable[Stream]], *, substitutions: Mapping[str, str]
) -> None:
    """Against a live service."""
    script = _Script(Dialogue(path, ()), substitutions)
    streams: dict[str, Stream] = {}
    try:
        for turn in load(path):
            if turn.client not in streams:
                streams[turn.client] = await connect()
            reader, writer = streams[turn.client]
            if turn.kind in KINDS:
                writer.write(_octets(script, turn.line))
                await writer.drain()
                continue
            while turn.kind != "--":
                async with asyncio.timeout(SECONDS):
                    text = (await reader.readline()).rstrip(b"\r\n").decode("utf-8", "replace")
                if script.matches(turn.line, text):
                    break
                if turn.kind == "S:" or not text:
                    script.fail(turn.line, text)
    finally:
        for _, writer in streams.values():
            writer.close()
