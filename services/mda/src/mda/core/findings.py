"""What a scanner says of a message, and what follows from it: a vocabulary of a few words."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What one scanner found. UNSCANNABLE: it was there and could not look (through all of it)."""

    CLEAN = "clean"
    SPAM = "spam"
    VIRUS = "virus"
    UNSCANNABLE = "unscannable"
    # Not asked, for a reason that no retry would change: too large for a look at its words, or our own notice.
    SKIPPED = "skipped"
    # It was not there; only where the message is delivered all the same.
    UNSCANNED = "unscanned"


class WhenUnscanned(Enum):
    """What happens to a message that could not be scanned."""

    WAIT = "wait"
    DELIVER_MARKED = "deliver marked"


class Disposition(Enum):
    """Where a scanned message goes."""

    FILE = "file"
    JUNK = "junk"
    QUARANTINE = "quarantine"
    WAIT = "wait"
    # Its body is gone or is not what was stored.
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One scanner's answer. `detail` names the virus or the reason; symbols are (name, score)."""

    scanner: str
    verdict: Verdict
    detail: str = ""
    score: float | None = None
    threshold: float | None = None
    action: str = ""
    symbols: tuple[tuple[str, float], ...] = ()


def decide(findings: Sequence[Finding], when_unscanned: WhenUnscanned) -> Disposition:
    """The worst finding decides. What could not be scanned is never taken for clean."""
    verdicts = {finding.verdict for finding in findings}
    if Verdict.VIRUS in verdicts:
        return Disposition.QUARANTINE
    if when_unscanned is WhenUnscanned.WAIT:
        if Verdict.UNSCANNED in verdicts:
            return Disposition.WAIT
        if Verdict.UNSCANNABLE in verdicts:
            # To wait would not help.
            return Disposition.QUARANTINE
    return Disposition.JUNK if Verdict.SPAM in verdicts else Disposition.FILE
