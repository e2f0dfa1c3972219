"""VRFY and EXPN (RFC 5321 §3.5): strangers learn nothing, a user learns of the addresses of the own tenant."""

from collections.abc import Sequence

from directoryclient import Identity, Resolution
from mailproto.smtp.address import AddressInvalid, parse_forward_path
from mailproto.smtp.reply import Charset, Reply

from smtp_gateway.core import roles
from smtp_gateway.ports import Members

# RFC 5321 §7.3: neither confirmed nor denied.
CANNOT = Reply.of(252, "2.5.0", "Send mail and it will be tried")
# RFC 6531 §3.7.4.2
NOT_SHOWN = Reply.of(252, "2.6.8", "Ask with SMTPUTF8 to see an address outside ASCII")
EMPTY = Reply.of(252, "2.5.0", "The list has no members")
BAD = Reply.of(501, "5.1.3", "That is no address")


def address_of(text: str, who: Identity) -> str | None:
    """The address that is meant: with or without < and >, without a domain one of the user's own; None for none."""
    inner = text.strip().removeprefix("<").removesuffix(">")
    if "@" not in inner:
        inner = f"{inner}@{who.address.rpartition('@')[2]}"
    try:
        parsed = parse_forward_path(f"<{inner}>".encode())
    except AddressInvalid:
        return None
    return None if parsed.rest else parsed.address


def verify(address: str, resolution: Resolution, who: Identity, charset: Charset) -> Reply:
    """The answer to VRFY, which may hold what `charset` has."""
    if (refusal := _refusal(resolution, who)) is not None:
        return refusal
    sole = len(resolution.targets) == 1 and resolution.targets[0].account_id is not None
    return _shown((resolution.targets[0].address if sole else address,), charset)


def expand(resolution: Resolution, who: Identity, charset: Charset, members: Members | None = None) -> Reply:
    """The answer to EXPN: a line for each place that the address leads to, or for each member of a mailing list."""
    if (refusal := _refusal(resolution, who)) is not None:
        return refusal
    if members is not None:
        if not members.are_shown:
            return CANNOT
        if not members.addresses:
            return EMPTY
        if members.count > len(members.addresses):
            return Reply.of(252, "2.5.0", f"The list has {members.count} members, too many to show")
        return _shown(members.addresses, charset)
    return _shown([target.address for target in resolution.targets], charset)


def _shown(addresses: Sequence[str], charset: Charset) -> Reply:
    if charset is Charset.ASCII and not all(address.isascii() for address in addresses):
        return NOT_SHOWN
    return Reply(250, "2.1.5", tuple(f"<{address}>" for address in addresses))


def _refusal(resolution: Resolution, who: Identity) -> Reply | None:
    """Another tenant's address looks like any address of the world."""
    if resolution.tenant_id != who.account.tenant_id:
        return CANNOT
    return roles.REFUSALS.get(resolution.disposition)
