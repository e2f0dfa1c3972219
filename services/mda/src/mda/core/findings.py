"""What a scanner says of a message, and what follows from it: a vocabulary of a few words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from directoryclient.policies import TenantPolicy

from mda.core.standing import Standing

NO_POLICY = TenantPolicy()
# What a scanner wants done with what should not have come in.
REFUSED = frozenset({"reject"})


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

    def chosen(self, scanner_down: str) -> "WhenUnscanned":
        """As the tenant has it, or as it is here."""
        return {"retry": WhenUnscanned.WAIT, "deliver_marked": WhenUnscanned.DELIVER_MARKED}.get(
            scanner_down, self
        )


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


def judged(findings: Sequence[Finding], policy: TenantPolicy) -> tuple[Finding, ...]:
    """The findings as the tenant's own threshold has them."""
    if policy.junk_score is None:
        return tuple(findings)
    return tuple(_judged(finding, policy.junk_score) for finding in findings)


def _judged(finding: Finding, junk_score: float) -> Finding:
    if finding.score is None or finding.verdict not in (Verdict.CLEAN, Verdict.SPAM):
        return finding
    verdict = Verdict.SPAM if finding.score >= junk_score else Verdict.CLEAN
    return replace(finding, verdict=verdict, threshold=junk_score)


def decide(
    findings: Sequence[Finding],
    when_unscanned: WhenUnscanned,
    policy: TenantPolicy = NO_POLICY,
    standing: Standing = Standing.UNKNOWN,
) -> Disposition:
    """The worst finding decides. What could not be scanned is never taken for clean; no list lets a virus pass.

    What a tenant wants refused is kept in quarantine here: it was accepted, and its sender is perhaps somebody else.
    """
    verdicts = {finding.verdict for finding in findings}
    if Verdict.VIRUS in verdicts:
        return Disposition.QUARANTINE
    if when_unscanned is WhenUnscanned.WAIT:
        if Verdict.UNSCANNED in verdicts:
            return Disposition.WAIT
        if Verdict.UNSCANNABLE in verdicts:
            # To wait would not help.
            return Disposition.QUARANTINE
    if standing is Standing.ALLOWED:
        return Disposition.FILE
    if _reaches(findings, policy.quarantine_score) or _reaches(findings, policy.refuse_score):
        return Disposition.QUARANTINE
    if standing is Standing.BLOCKED or Verdict.SPAM in verdicts:
        return Disposition.JUNK
    return Disposition.FILE


def refusal(findings: Sequence[Finding], policy: TenantPolicy, standing: Standing) -> str:
    """Why a message is refused before it is accepted: "virus", "spam", or ""."""
    if any(finding.verdict is Verdict.VIRUS for finding in findings):
        return "virus"
    if standing is Standing.ALLOWED:
        return ""
    if policy.refuse_score is not None:
        return "spam" if _reaches(findings, policy.refuse_score) else ""
    return "spam" if any(finding.action in REFUSED for finding in findings) else ""


def against_client(findings: Sequence[Finding]) -> str:
    """What is held against the client that brought it: "virus", "spam", or ""."""
    found = {finding.verdict for finding in findings}
    return "virus" if Verdict.VIRUS in found else "spam" if Verdict.SPAM in found else ""


def _reaches(findings: Sequence[Finding], score: float | None) -> bool:
    return score is not None and any(each.score is not None and each.score >= score for each in findings)
