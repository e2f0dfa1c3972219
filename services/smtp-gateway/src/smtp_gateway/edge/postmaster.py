"""RCPT TO:<postmaster> without a domain, which every server takes (RFC 5321 §4.5.1): who that is here.

For a user it is the postmaster of the user's domain. For strangers it is whom the operator named, else the postmaster of
our own host name's domain, or of the one above it, where that is one of ours.
"""

from collections.abc import Sequence
from dataclasses import replace

from directoryclient import Disposition, Identity
from mailproto.smtp.server_commands import Rcpt

from smtp_gateway.edge.needs import Needs

POSTMASTER = "postmaster"


async def with_postmaster(needs: Needs, who: Identity | None, rcpts: Sequence[Rcpt]) -> Sequence[Rcpt]:
    """The same with a domain behind the postmaster. Raises directoryclient.Unavailable."""
    if all(rcpt.forward_path != POSTMASTER for rcpt in rcpts):
        return rcpts
    meant = await _meant(needs, who)
    return [replace(rcpt, forward_path=meant) if rcpt.forward_path == POSTMASTER else rcpt for rcpt in rcpts]


async def _meant(needs: Needs, who: Identity | None) -> str:
    if who is not None:
        return f"{POSTMASTER}@{who.address.rpartition('@')[2]}"
    if needs.settings.postmaster:
        return needs.settings.postmaster
    hostname = needs.settings.hostname
    candidates = [f"{POSTMASTER}@{domain}" for domain in (hostname, hostname.partition(".")[2]) if domain]
    found = await needs.directory.resolve(candidates)
    for candidate, resolution in zip(candidates, found, strict=True):
        if resolution.disposition is not Disposition.REMOTE:
            return candidate
    return candidates[0]
