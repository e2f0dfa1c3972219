"""Who is speaking in what accounts and mailing lists send on.

Whoever reads it next believes From where DMARC passed, or where nobody had to be checked (`standing`). So what the door found
out goes along; and where From may have been written by a script, or by whoever stored the message, nobody has spoken for it.
"""

from dataclasses import replace

from senderauth import Result
from spool import Speaker


def of_nobody(reverse_path: str, before: Speaker | None = None) -> Speaker:
    """Its From is nobody's word. Its reverse-path is ours, or what the door found out about it `before`."""
    if before is not None:
        return replace(before, dmarc=Result.NONE)
    none = Result.NONE
    return Speaker(Result.PASS, _domain(reverse_path), none, none, "", (), none, (), none, "", "none")


def of_copies(reverse_path: str, before: Speaker | None) -> Speaker | None:
    """What a list sends to its members: the reverse-path is the list's, From its author's, as the door saw it `before`."""
    return None if before is None else replace(before, spf=Result.PASS, spf_domain=_domain(reverse_path))


def _domain(reverse_path: str) -> str:
    return reverse_path.rpartition("@")[2]
