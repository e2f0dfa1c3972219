"""Whose addresses these are (RFC 6409 §6.1): a user's own, those aliases of the own tenant that lead to the user, and
those of others for whom the user may send.

Who may send *as* somebody counts as that somebody. Who may send *on behalf of* somebody may name that one in From where
Sender says who it was (and in Resent-From, where Resent-Sender does), and in the envelope, where notices go.
"""

from collections.abc import Collection

from directoryclient import Identity

from smtp_gateway.core.heading import SENDER_OF, Heading
from smtp_gateway.core.roles import owns
from smtp_gateway.ports import Directory


async def owned_of(directory: Directory, who: Identity, addresses: Collection[str]) -> frozenset[str]:
    """Those that the user may send as. Raises directoryclient.Unavailable."""
    own = {each for each in addresses if each.lower() == who.address or each.lower() in who.may_send_as}
    others = sorted(each for each in addresses if each not in own and each)
    if others:
        resolutions = await directory.resolve(others)
        own |= {address for address, found in zip(others, resolutions, strict=True) if owns(who, found)}
    return frozenset(own)


async def may_be_envelope(directory: Directory, who: Identity, reverse_path: str) -> bool:
    """Whether MAIL may name it. Raises directoryclient.Unavailable."""
    if reverse_path.lower() in who.may_send_on_behalf_of:
        return True
    return bool(await owned_of(directory, who, [reverse_path]))


async def may_be_authors(directory: Directory, who: Identity, heading: Heading) -> bool:
    """Whether the user may send a message whose header names these. Raises directoryclient.Unavailable."""
    owned = await owned_of(directory, who, heading.authors)
    for field, names in heading.named.items():
        strangers = names - owned
        if not strangers:
            continue
        # In Sender itself nobody stands for another.
        sender = heading.named.get(SENDER_OF.get(field, b""), frozenset())
        if not sender or not sender <= owned:
            return False
        if not all(each.lower() in who.may_send_on_behalf_of for each in strangers):
            return False
    return True
