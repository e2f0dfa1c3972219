"""Domain names as DNS takes them: normal form, validity, what lies below what, names of addresses."""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

import idna

Address = IPv4Address | IPv6Address

MAX_NAME_OCTETS = 253

# DNS takes any octets (RFC 2181 §11) and SPF's macros make such names; no backslash, which escapes in zone files.
_LABEL = re.compile(r"[ -\-/-\[\]-~]{1,63}")
_HOST_LABEL = re.compile(r"[0-9A-Za-z_-]{1,63}")


def normal_name(name: str) -> str:
    """Lower case, no final dot, U-labels as A-labels (RFC 5891, UTS 46). What is no name stays none; see `is_name`."""
    name = name.removesuffix(".")
    if not name.isascii() and len(name) <= MAX_NAME_OCTETS:
        try:
            return idna.encode(name, uts46=True).decode("ascii").removesuffix(".")
        except UnicodeError:  # idna's own error is one
            return name.lower()
    return name.lower()


def written_forms(name: str) -> set[str]:
    """All forms in lower case in which a name may be written: with A-labels, with U-labels, as it was given."""
    forms = {name.lower().removesuffix("."), normal_name(name)}
    try:
        forms.add(idna.decode(normal_name(name)))
    except UnicodeError:
        pass
    return forms


def is_name(name: str) -> bool:
    """True where DNS can be asked for it: 1 to 253 octets, labels of 1 to 63 (RFC 1035 §2.3.4)."""
    if not name or len(name) > MAX_NAME_OCTETS:
        return False
    return all(_LABEL.fullmatch(label) is not None for label in name.split("."))


def is_qualified_name(name: str) -> bool:
    """What mail may call a domain: at least two labels of letters, digits, hyphens (and "_"), the last no number."""
    if len(name) > MAX_NAME_OCTETS:
        return False
    labels = name.split(".")
    if len(labels) < 2 or labels[-1].isdigit():
        return False
    return all(_HOST_LABEL.fullmatch(label) is not None for label in labels)


def is_below(name: str, ancestor: str) -> bool:
    """True where `name` is a true subdomain of `ancestor`; both in normal form."""
    return name.endswith("." + ancestor)


def is_at_or_below(name: str, ancestor: str) -> bool:
    """True where `name` is `ancestor` or a subdomain of it; both in normal form."""
    return name == ancestor or name.endswith("." + ancestor)


def client_address(text: str) -> Address:
    """An SMTP client's address; IPv4 in IPv6 clothes is IPv4 (RFC 7208 §5). Raises ValueError."""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address
    return address


def same_address(text: str, address: Address) -> bool:
    """True where the text of an A or AAAA record is this address."""
    try:
        return ip_address(text) == address
    except ValueError:
        return False
