"""In what circumstances a script runs: the envelope, whose script it is, the time, what filters found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a run depends on besides script, message and world.

    `reverse_path`: of MAIL, empty for the null path. `forward_path`: of the RCPT that brought the message to this
    user, and to nobody else (RFC 5231 §10). `own_addresses`: further addresses of the user. `now`: aware;
    "currentdate" shows it in `zone`. `environment`: the items of RFC 5183 §4.1 by lower case name. `flags`: those
    that the message has already, where it lies in a mailbox (RFC 6785 §3.8). `has_envelope`: False where the message is
    not being delivered: to ask for its envelope is an error then (RFC 6785 §4.6). `spam_percent`: None where
    no spam test was made (RFC 5235 §3.2.2). `virus_severity`: 0 to 5, 0 for untested (RFC 5235 §3.3). `clock`: seconds, of the
    processor or of the wall, for `Limits.seconds`; None: steps alone are counted.
    `spent_seconds`: by earlier runs of the same, which stopped at a question (`Unanswered`).
    """

    reverse_path: str
    forward_path: str
    now: datetime
    own_addresses: frozenset[str] = frozenset()
    zone: tzinfo = UTC
    environment: Mapping[str, str] = field(default_factory=dict)
    subaddress_separator: str = "+"
    flags: tuple[str, ...] = ()
    has_envelope: bool = True
    spam_percent: int | None = None
    spam_text: str = ""
    virus_severity: int = 0
    virus_text: str = ""
    clock: Callable[[], float] | None = field(default=None, compare=False)
    spent_seconds: float = field(default=0.0, compare=False)

    def is_own(self, address: str) -> bool:
        """True for an address of the user: known as such, or the one that the message came to (RFC 5230 §4.5)."""
        wanted = address.lower()
        return wanted == self.forward_path.lower() or wanted in {own.lower() for own in self.own_addresses}
