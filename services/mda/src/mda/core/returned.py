"""Whether a message says what became of another: a notice (RFC 3464), a feedback report (RFC 5965), or whatever comes to a
reverse-path that says which copy it is about (VERP).
"""

from spool import Source, SpooledLetter
from spool.verp import copy_of

# As BODYSTRUCTURE has the second part of such a multipart/report (RFC 6522 §3).
PARTS = (b'"delivery-status"', b'"global-delivery-status"', b'"feedback-report"')


def came_back(letter: SpooledLetter) -> bool:
    """From outside only: what our own queue says is of messages that it knows."""
    if letter.envelope.source is not Source.MX:
        return False
    if not letter.envelope.reverse_path and any(
        copy_of(each.original_address) is not None for each in letter.envelope.recipients
    ):
        return True
    structure = letter.facts.bodystructure.lower()
    return b'"report"' in structure and any(part in structure for part in PARTS)
