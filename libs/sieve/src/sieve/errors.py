"""What can go wrong: a script that is none (before it runs), and a fault while it runs (RFC 5228 §2.10.6)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a script. `script` is the name of an included script, or empty for the one that was started.

    Line 0 stands for no line at all: what happens without being asked for, the implicit keep.
    """

    line: int
    script: str = ""

    def __str__(self) -> str:
        return f"{self.script}: line {self.line}" if self.script else f"line {self.line}"


class ScriptError(ValueError):
    """The script can't be run: a compile-time error. `reason` is for its author to read."""

    def __init__(self, reason: str, line: int, script: str = "") -> None:
        self.reason = reason = _sayable(reason)
        self.place = Place(line, script)
        super().__init__(f"{self.place}: {reason}")


class UnavailableError(ScriptError):
    """Something that is unknown, or whose extension was not required: a script with "ihave" may still be run."""


class Fault(Exception):
    """A run-time error: it ends in an implicit keep, and its text is told to the user."""

    def __init__(self, reason: str) -> None:
        super().__init__(_sayable(reason))


def _sayable(reason: str) -> str:
    """A reason quotes scripts, and these may hold octets that are no UTF-8: who tells it must be able to."""
    return reason.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, slots=True)
class RunError:
    """The fault that ended a run, and where."""

    place: Place
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"
