"""Whose addresses these are: a user's own, and those aliases of the own tenant that lead to the user (RFC 6409 §6.1)."""

from collections.abc import Collection

from directoryclient import Identity

from smtp_gateway.core.roles import owns
from smtp_gateway.ports import Directory


async def all_owned(directory: Directory, who: Identity, addresses: Collection[str]) -> bool:
    """Whether the user may speak for all of them. Raises directoryclient.Unavailable."""
    others = sorted(address for address in addresses if address.lower() != who.address)
    if not others:
        return True
    if "" in others:
        return False
    return all(owns(who, resolution) for resolution in await directory.resolve(others))
