"""Addresses that a script names for outgoing mail (RFC 5228 §2.4.2.3)."""

from __future__ import annotations

import re

from mailmsg.address import Address, parse_addresses

_ATEXT = r"[!#-'*+\-/-9=?A-Z^-~\u0080-\U0010ffff]"
_DOT_ATOM = _ATEXT + r"++(?:\." + _ATEXT + r"++)*+"
_LOCAL_PART = re.compile(_DOT_ATOM + r'|"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*+"')
_DOMAIN = re.compile(
    r"[A-Za-z0-9_\u0080-\U0010ffff-]++(?:\.[A-Za-z0-9_\u0080-\U0010ffff-]++)*+|\[[0-9A-Za-z:.]++\]"
)
MAX_ADDRESS_OCTETS = 320
_UNFIT = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def outgoing_address(value: bytes) -> str | None:
    """The address in a `sieve-address`, local-part@domain, or None where the string is none."""
    found = mailbox_list(value)
    return found[0] if found is not None and len(found) == 1 else None


def mailbox_list(value: bytes) -> list[str] | None:
    """The addresses of a mailbox-list (RFC 5322 §3.4), or None where the string is none, has routes or groups."""
    if _UNFIT.search(value) is not None or len(value) > 64 * MAX_ADDRESS_OCTETS:
        return None
    found: list[str] = []
    for entry in parse_addresses(value):
        if not isinstance(entry, Address) or entry.route:
            return None
        try:
            address = entry.address.decode("utf-8")
        except UnicodeDecodeError:
            return None
        if not is_address(address):
            return None
        found.append(address)
    return found or None


def is_address(address: str) -> bool:
    """True for an addr-spec with a domain."""
    local_part, at, domain = address.rpartition("@")
    return (
        bool(at)
        and len(address.encode("utf-8", "replace")) <= MAX_ADDRESS_OCTETS
        and _LOCAL_PART.fullmatch(local_part) is not None
        and _DOMAIN.fullmatch(domain) is not None
    )


def local_part_and_domain(address: bytes) -> tuple[bytes, bytes] | None:
    """An envelope address cut in two, quoting of the local part taken off; None where it has not both."""
    local_part, at, domain = address.rpartition(b"@")
    if not at or not local_part or not domain:
        return None
    if len(local_part) > 1 and local_part.startswith(b'"') and local_part.endswith(b'"'):
        local_part = re.sub(rb"\\(.)", rb"\1", local_part[1:-1], flags=re.DOTALL)
    return local_part, domain
