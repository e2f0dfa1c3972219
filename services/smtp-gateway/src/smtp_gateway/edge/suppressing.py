"""Users' recipients that their tenant's mail goes to no more: refused at once, where the tenant wants that."""

from collections.abc import Sequence

from directoryclient import Disposition, Identity, Resolution
from mailproto.smtp.reply import Reply

from smtp_gateway.edge.needs import Needs

TEXT_CHARACTERS = 300


async def refuse_suppressed(
    needs: Needs, who: Identity | None, paths: Sequence[str], resolutions: Sequence[Resolution]
) -> list[Reply | None]:
    """One for each path; None: it may go on. Raises directoryclient.Unavailable."""
    if who is None or needs.suppressed is None or needs.policies is None:
        return [None] * len(paths)
    remote = [
        path
        for path, resolution in zip(paths, resolutions, strict=True)
        if resolution.disposition is Disposition.REMOTE
    ]
    if not remote or not (await needs.policies.of(who.account.tenant_id)).refuse_suppressed:
        return [None] * len(paths)
    found = await needs.suppressed.among(who.account.tenant_id, remote)
    return [_refusal(found[path]) if path in found else None for path in paths]


def _refusal(reason: str) -> Reply:
    # What another system said stands in it: only what any client can read goes on.
    shown = "".join(each if " " <= each <= "~" else "?" for each in reason)[:TEXT_CHARACTERS]
    return Reply.of(550, "5.7.1", shown)
