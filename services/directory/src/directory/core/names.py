"""Names: tenants, domains, addresses, passwords. One canonical form each, or a sentence why not.

Domains are kept as A-labels in lower case (IDNA 2008, RFC 5891). Local parts of
our own accounts are kept in lower case: RFC 5321 §2.4 leaves their meaning to us.
"""

import re
import unicodedata

import idna

TENANT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# RFC 5321 §4.1.2 Dot-string, without what needs quoting.
LOCAL_PART = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
LOCAL_PART_OCTETS = 64
PASSWORD_LEAST = 8
PASSWORD_OCTETS = 1024


class NameInvalid(ValueError):
    """The name cannot be used; the text says why."""


def tenant_name(text: str) -> str:
    """Raises NameInvalid."""
    if not TENANT.fullmatch(text):
        raise NameInvalid("a tenant's name has 1 to 63 of a-z, 0-9 and -, and neither begins nor ends with -")
    return text


def domain_name(text: str) -> str:
    """The canonical form of a domain. Raises NameInvalid."""
    text = text.strip().rstrip(".").lower()
    if not text.isascii():
        try:
            text = idna.encode(text, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise NameInvalid(f"{text} is not a domain: {error}") from error
    labels = text.split(".")
    if len(text) > 253 or len(labels) < 2 or not all(LABEL.fullmatch(label) for label in labels):
        raise NameInvalid(f"{text or 'nothing'} is not a domain with at least two labels of a-z, 0-9 and -")
    if labels[-1].isdigit():
        raise NameInvalid(f"{text} is not a domain: its last label is a number")
    return text


def split(address: str) -> tuple[str, str] | None:
    """(local part, domain) in canonical form, or None for what is no ordinary address of a domain."""
    local_part, at, domain = address.rpartition("@")
    if not at:
        return None
    if local_part.startswith('"') and local_part.endswith('"') and len(local_part) >= 2:
        # A quoted local part means the same as the unquoted one (RFC 5321 §4.1.2).
        local_part = re.sub(r"\\(.)", r"\1", local_part[1:-1])
    try:
        return unicodedata.normalize("NFC", local_part).lower(), domain_name(domain)
    except NameInvalid:
        return None


def address(text: str) -> str:
    """The canonical form of an address of ours. Raises NameInvalid."""
    local_part, at, domain = text.strip().rpartition("@")
    if not at:
        raise NameInvalid(f"{text} is not an address: it has no @")
    local_part = local_part.lower()
    if len(local_part) > LOCAL_PART_OCTETS or not LOCAL_PART.fullmatch(local_part):
        raise NameInvalid(
            f"{local_part or 'nothing'} cannot stand before the @: 1 to {LOCAL_PART_OCTETS} letters, digits and "
            "!#$%&'*+/=?^_`{|}~- with single dots between them"
        )
    return f"{local_part}@{domain_name(domain)}"


def password(text: str) -> str:
    """Raises NameInvalid."""
    if len(text) < PASSWORD_LEAST or len(text.encode()) > PASSWORD_OCTETS:
        raise NameInvalid(
            f"a password has at least {PASSWORD_LEAST} characters and at most {PASSWORD_OCTETS} octets"
        )
    if "\0" in text or "\r" in text or "\n" in text:
        raise NameInvalid("a password has no line break and no NUL")
    return text
