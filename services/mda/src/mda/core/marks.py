"""Header fields that say what the scanners found; they stand above the trace fields.

    X-Posthouse-Scan: none
    X-Posthouse-Scan: clamav; verdict=clean
    X-Posthouse-Scan: rspamd; verdict=spam; score=7.10; threshold=6.00;
        action=add-header; symbols=MISSING_DATE(1.00),R_BAD(6.10)
    X-Posthouse-Sender: blocked
    X-Spam-Flag: YES

The last but one says that the sender stands on a list of the tenant's. A sender may have written such fields too: ours are those above the first
Received field.
"""

import re
from collections.abc import Sequence

from mda.core.findings import Finding, Verdict
from mda.core.standing import Standing

NAME = "X-Posthouse-Scan"
LISTED = "X-Posthouse-Sender"
NOT_SCANNED = f"{NAME}: none\r\n".encode()
RELEASED = b"X-Posthouse-Quarantine: released\r\n"
# RFC 5322 §2.1.1: a line should have no more than 78 characters.
LINE = 78
SYMBOLS = 40
WORD = 80
# A scanner repeats what a sender wrote: nothing that could end a line or a value goes into a field.
_UNSAFE = re.compile(r"[^A-Za-z0-9._+:/-]+")


def _word(text: str) -> str:
    return _UNSAFE.sub("-", text)[:WORD].strip("-") or "unnamed"


def marks(findings: Sequence[Finding], standing: Standing = Standing.UNKNOWN) -> bytes:
    """The fields for these findings, each ended by CRLF."""
    fields = [_field(finding) for finding in findings] or [NOT_SCANNED.decode()]
    is_spam = any(finding.verdict is Verdict.SPAM for finding in findings)
    if standing is not Standing.UNKNOWN:
        fields.append(f"{LISTED}: {standing.value}\r\n")
        is_spam = standing is Standing.BLOCKED
    if is_spam:
        fields.append("X-Spam-Flag: YES\r\n")
    return "".join(fields).encode("ascii")


def _field(finding: Finding) -> str:
    words = [f"{_word(finding.scanner)};", f"verdict={finding.verdict.value};"]
    if finding.detail:
        words.append(f"detail={_word(finding.detail)};")
    if finding.score is not None:
        words.append(f"score={finding.score:.2f};")
    if finding.threshold is not None:
        words.append(f"threshold={finding.threshold:.2f};")
    if finding.action:
        words.append(f"action={_word(finding.action)};")
    # Those that weigh most; what weighs nothing tells nothing.
    weighty = sorted((s for s in finding.symbols if s[1]), key=lambda s: (-abs(s[1]), s[0]))[:SYMBOLS]
    for number, (symbol, score) in enumerate(weighty):
        end = ";" if number == len(weighty) - 1 else ","
        words.append(f"{'' if number else 'symbols='}{_word(symbol)}({score:.2f}){end}")
    lines = [f"{NAME}:"]
    for word in words:
        if len(lines[-1]) + 1 + len(word) > LINE:
            lines.append("\t" + word)
        else:
            lines[-1] += " " + word
    # The last semicolon separates nothing.
    return "\r\n".join(lines).removesuffix(";") + "\r\n"
