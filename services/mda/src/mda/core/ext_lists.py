"""Lists of addresses that scripts look into and send to (RFC 6134), by their names. No I/O.

| name | what it is |
|---|---|
| `:addrbook:default`, `urn:ietf:params:sieve:addrbook:default` | the account's own address book: the annotation `/private/vendor/posthouse/addrbook/default` of the account (RFC 5464) |
| `:addrbook:friends` | another one of its own, by the same rule |
| `mailto:team@example.org` | a mailing list of the tenant, for its members |
"""

import re

from mailmsg.address import mailboxes
from sieve.addresses import is_address

ENTRIES = "/private/vendor/posthouse/addrbook/"
# "redirect" sends to no more: a larger list wants to be a mailing list.
MOST_ADDRESSES = 100
_PREFIX = "urn:ietf:params:sieve"
_BOOK = re.compile(r":addrbook:([a-z0-9][a-z0-9_.-]{0,63})")


def entry_of(name: str) -> str | None:
    """The annotation that holds an address book; None: it is none that there could be."""
    shortened = name.lower().removeprefix(_PREFIX)
    found = _BOOK.fullmatch(shortened)
    return None if found is None else ENTRIES + found[1]


def list_address(name: str) -> str | None:
    """The address of a mailing list; None: it is none."""
    scheme, colon, address = name.partition(":")
    is_one = bool(colon) and scheme.lower() == "mailto" and "?" not in address and is_address(address)
    return address.lower() if is_one else None


def addresses_in(book: bytes) -> list[str]:
    """One or several in a line, with or without names; a line that begins with # is none. In lower case, each once."""
    found: dict[str, None] = {}
    for line in book.splitlines():
        if line.lstrip().startswith(b"#"):
            continue
        for each in mailboxes(line):
            address = each.address.decode("utf-8", "replace").lower()
            if address.count("@") == 1 and is_address(address):
                found[address] = None
    return list(found)
