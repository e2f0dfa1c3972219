"""Golden dialogues: text files that read like a session.

    # a comment
    S: 220 {any} ESMTP {any}
    C: EHLO client.example
    S* 250-PIPELINING          lines with S* may come in any order
    S: 250 {name:any}          a later {name} must be the same again
    C| text without a CRLF     e.g. the octets of a literal

`C:` is sent with CRLF; `S:` must be the server's next line. `{any}` matches anything
within a line. `{$word}` is replaced by a substitution of the test (both sides).
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Who(Enum):
    """Whose line it is."""

    CLIENT = "C:"
    CLIENT_RAW = "C|"
    SERVER = "S:"
    SERVER_ANY_ORDER = "S*"


@dataclass(frozen=True)
class Line:
    """One line of a dialogue."""

    number: int
    who: Who
    text: str


@dataclass(frozen=True)
class Dialogue:
    """A whole session."""

    path: Path
    lines: tuple[Line, ...]


def load(path: Path) -> Dialogue:
    """Read a dialogue; raises ValueError on a line that is none."""
    lines = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not text.strip() or text.startswith("#"):
            continue
        try:
            who = Who(text[:2])
        except ValueError:
            raise ValueError(f"{path}:{number}: a line begins with C:, C|, S: or S*") from None
        lines.append(Line(number, who, text[3:]))
    return Dialogue(path, tuple(lines))


class _Script:
    """Matches what the server says, remembers captures."""

    def __init__(self, dialogue: Dialogue, substitutions: Mapping[str, str]) -> None:
        self._dialogue = dialogue
        self._substitutions = substitutions
        self._captured: dict[str, str] = {}

    def client_text(self, text: str) -> str:
        for name, value in self._substitutions.items():
            text = text.replace("{$" + name + "}", value)
        return re.sub(r"\{(\w+)\}", lambda m: self._captured.get(m[1], m[0]), text)

    def matches(self, line: Line, said: str) -> bool:
        pattern = ""
        position = 0
        text = line.text
        for name, value in self._substitutions.items():
            text = text.replace("{$" + name + "}", value)
        for match in re.finditer(r"\{(?:(\w+):)?(\w+)\}", text):
            pattern += re.escape(text[position : match.start()])
            name, word = match.groups()
            if word == "any":
                pattern += f"(?P<{name}>.*?)" if name else ".*?"
            elif word in self._captured:
                pattern += re.escape(self._captured[word])
            else:
                pattern += re.escape(match[0])
            position = match.end()
        pattern += re.escape(text[position:])
        found = re.fullmatch(pattern, said)
        if found is not None:
            self._captured.update(found.groupdict())
        return found is not None

    def fail(self, line: Line, said: str) -> None:
        raise AssertionError(
            f"{self._dialogue.path}:{line.number}: expected {line.text!r}, the server said {said!r}"
        )


def play(
    dialogue: Dialogue,
    exchange: Callable[[bytes], bytes],
    *,
    substitutions: Mapping[str, str] | None = None,
) -> None:
    """Against a machine in memory: `exchange(octets)` feeds it and returns what it says; first with b""."""
    script = _Script(dialogue, substitutions or {})
    said = bytearray(exchange(b""))
    pending: list[Line] = []

    def take(line: Line) -> str:
        end = said.find(b"\n")
        if end < 0:
            raise AssertionError(
                f"{dialogue.path}:{line.number}: expected {line.text!r}, the server is silent"
            )
        text = bytes(said[:end]).rstrip(b"\r").decode("utf-8", "replace")
        del said[: end + 1]
        return text

    for line in dialogue.lines:
        if line.who is Who.SERVER_ANY_ORDER:
            pending.append(line)
            continue
        _settle(pending, script, take)
        if line.who is Who.SERVER:
            text = take(line)
            if not script.matches(line, text):
                script.fail(line, text)
        else:
            ending = "" if line.who is Who.CLIENT_RAW else "\r\n"
            said += exchange((script.client_text(line.text) + ending).encode())
    _settle(pending, script, take)
    if said:
        raise AssertionError(f"{dialogue.path}: the server said more: {bytes(said)!r}")


def _settle(pending: list[Line], script: _Script, take: Callable[[Line], str]) -> None:
    while pending:
        text = take(pending[0])
        for line in pending:
            if script.matches(line, text):
                pending.remove(line)
                break
        else:
            script.fail(pending[0], text)


async def play_live(
    dialogue: Dialogue, host: str, port: int, *, substitutions: Mapping[str, str] | None = None
) -> None:
    """Against a live service."""
    reader, writer = await asyncio.open_connection(host, port)
    script = _Script(dialogue, substitutions or {})
    pending: list[Line] = []

    async def take(line: Line) -> str:
        async with asyncio.timeout(10):
            text = await reader.readline()
        if not text:
            raise AssertionError(
                f"{dialogue.path}:{line.number}: expected {line.text!r}, the connection is closed"
            )
        return text.rstrip(b"\r\n").decode("utf-8", "replace")

    async def settle() -> None:
        while pending:
            text = await take(pending[0])
            for line in pending:
                if script.matches(line, text):
                    pending.remove(line)
                    break
            else:
                script.fail(pending[0], text)

    try:
        for line in dialogue.lines:
            if line.who is Who.SERVER_ANY_ORDER:
                pending.append(line)
                continue
            await settle()
            if line.who is Who.SERVER:
                text = await take(line)
                if not script.matches(line, text):
                    script.fail(line, text)
            else:
                ending = "" if line.who is Who.CLIENT_RAW else "\r\n"
                writer.write((script.client_text(line.text) + ending).encode())
                await writer.drain()
        await settle()
    finally:
        writer.close()
