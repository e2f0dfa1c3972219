"""RCPTs that came together: asked about at once, answered in order (RFC 2920 §3.2)."""

from collections.abc import Sequence

from mailproto.smtp.reply import Reply
from mailproto.smtp.server_commands import Rcpt

GROUP = 100
TOO_MANY = Reply.of(452, "4.5.3", "Too many recipients")


class RcptGroup:
    """What is still to be answered. `room` is how many recipients the transaction may still have."""

    def __init__(self, room: int) -> None:
        self._room = room
        # A reply that is known already, or None for one that the driver gives.
        self._prepared: list[Reply | None] = []
        self.asked: list[Rcpt] = []

    @property
    def is_full(self) -> bool:
        """Whether the driver should be asked now."""
        return len(self._prepared) >= GROUP

    def add(self, command: Rcpt | Reply) -> None:
        """One more: a recipient, or the reply to what was none."""
        if isinstance(command, Reply):
            self._prepared.append(command)
        elif len(self.asked) >= self._room:
            # RFC 5321 §4.5.3.1.10: the client sends the rest in another transaction.
            self._prepared.append(TOO_MANY)
        else:
            self._prepared.append(None)
            self.asked.append(command)

    def replies(self, given: Sequence[Reply]) -> list[Reply]:
        """All replies in order, the driver's put in where they belong."""
        rest = iter(given)
        return [next(rest) if prepared is None else prepared for prepared in self._prepared]
