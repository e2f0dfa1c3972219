"""INPROGRESS (RFC 9585): while a command takes long, its client is told now and then that it is under way.

Only for commands that say nothing before their end, or whole lines only: a notice must not fall into a literal.
"""

from collections.abc import Callable
from typing import Protocol

from mailproto.imap import commands as c
from mailproto.imap import responses

TOLD = (
    *(c.Search, c.MultiSearch, c.Sort, c.Thread, c.Store, c.Copy, c.Move, c.Append, c.Replace, c.UidExpunge),
    *(c.Create, c.Delete, c.Rename, c.List, c.Lsub, c.Status, c.Select),
)

STILL = "Still at it"


class Timer(Protocol):
    """A call that is to come."""

    def cancel(self) -> None:
        """It does not come."""


class Progress:
    """Of one session: `begin` and `end` enclose a command, `done` of `total` is what it says of itself."""

    __slots__ = ("_later", "_seconds", "_tag", "_timer", "_write", "done", "text", "total")

    def __init__(
        self,
        write: Callable[[bytes], None],
        later: Callable[[float, Callable[[], None]], Timer],
        seconds: float,
    ) -> None:
        self._write = write
        self._later = later
        self._seconds = seconds
        self._tag = ""
        self._timer: Timer | None = None
        self.done = 0
        self.total = 0
        self.text = STILL

    def begin(self, command: c.Command, tag: str) -> None:
        """It is under way."""
        if isinstance(command, TOLD) or command is c.Plain.EXPUNGE:
            self._tag, self.done, self.total = tag, 0, 0
            self._timer = self._later(self._seconds, self._tell)

    def end(self) -> None:
        """It is over, or says something itself."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self) -> None:
        tag = "NIL" if "]" in self._tag else f'"{self._tag}"'
        state = f"{self.done} {self.total}" if self.total else "NIL NIL"
        self._write(responses.untagged("OK", self.text, f"INPROGRESS ({tag} {state})"))
        self._timer = self._later(self._seconds, self._tell)
