"""Names: tenants, domains, addresses, passwords. One canonical form each, or a sentence why not.

Domains are kept as A-labels in lower case (IDNA 2008, RFC 5891). Local parts of
our own accounts are kept in lower case: RFC 5321 §2.4 leaves their meaning to us.
"""

import re
import unicodedata
from functools import cache
from uuid import UUID

import idna
from precis_i18n import get_profile
from precis_i18n.profile import Profile

from directory.core.confusable import mixes_scripts, shown_labels

TENANT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# RFC 5321 §4.1.2 Dot-string, without what needs quoting.
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LOCAL_PART = re.compile(rf"{ATOM}(?:\.{ATOM})*")
# RFC 6531 §3.3: UTF8-non-ascii is atext too.
_UTF8_ATOM = ATOM.replace("~-]", "~\\u0080-\U0010ffff-]")
INTERNATIONAL = re.compile(rf"{_UTF8_ATOM}(?:\.{_UTF8_ATOM})*")
LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
LOCAL_PART_OCTETS = 64
# RFC 5321 §4.5.3.1.3: 256 with the angle brackets.
ADDRESS_OCTETS = 254
DOMAIN_OCTETS = 253
DISPLAY_NAME_LENGTH = 200
PASSWORD_LEAST = 8
PASSWORD_OCTETS = 1024


# What can pass for a line break or turn the reading order of what stands beside it (UAX 9 §2).
UNSEEN = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")


class NameInvalid(ValueError):
    """The name cannot be used; the text says why."""


def check_text(text: str) -> None:
    """Raises NameInvalid for characters that no name, address or list position has: line breaks, NUL and the like."""
    for character in text:
        if character in UNSEEN or unicodedata.category(character) == "Cc":
            raise NameInvalid(
                f"there is a control character in it (U+{ord(character):04X}); names and addresses have none"
            )


def tenant_name(text: str) -> str:
    """Raises NameInvalid."""
    if not TENANT.fullmatch(text):
        raise NameInvalid("a tenant's name has 1 to 63 of a-z, 0-9 and -, and neither begins nor ends with -")
    if is_id(text):
        raise NameInvalid("a tenant's name cannot look like a tenant's id")
    return text


def is_id(text: str) -> bool:
    """Whether it is written as our ids are."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def display_name(text: str) -> str:
    """A name for people. Raises NameInvalid."""
    if len(text) > DISPLAY_NAME_LENGTH:
        raise NameInvalid(f"a display name has at most {DISPLAY_NAME_LENGTH} characters")
    return text


def domain_name(text: str) -> str:
    """The canonical form of a domain. Raises NameInvalid."""
    given = text = text.strip(" ").removesuffix(".").lower()
    # Punycode makes more octets of a name, never fewer; past that length there is nothing to look at.
    if len(text) > DOMAIN_OCTETS:
        raise NameInvalid(f"a domain has at most {DOMAIN_OCTETS} octets")
    if not text.isascii():
        try:
            text = idna.encode(text, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise NameInvalid(f"{given} is not a domain: {error}") from error
    labels = text.split(".")
    if len(text) > DOMAIN_OCTETS or len(labels) < 2 or not all(LABEL.fullmatch(label) for label in labels):
        raise NameInvalid(f"{given or 'nothing'} is not a domain with at least two labels of a-z, 0-9 and -")
    if labels[-1].isdigit():
        raise NameInvalid(f"{given} is not a domain: its last label is a number")
    return text


def own_domain(text: str) -> str:
    """The canonical form of a domain that is to be ours. Raises NameInvalid.

    Stricter than for a remote one: what only looks like an A-label (RFC 5890 §2.3.2.1)
    would be a second name for the same letters, or for none.
    """
    name = domain_name(text)
    for label in name.split("."):
        if label.startswith("xn--"):
            try:
                fitting = idna.alabel(idna.ulabel(label)).decode("ascii") == label
            except idna.IDNAError as error:
                raise NameInvalid(f"{name} is not a domain: {error}") from error
            if not fitting:
                raise NameInvalid(f"{name} is not a domain: {label} is not the A-label of any name")
    if any(mixes_scripts(label) for label in shown_labels(name)):
        raise NameInvalid(f"{name} mixes letters of scripts that look alike")
    return name


def split(address: str) -> tuple[str, str] | None:
    """(local part, domain) in canonical form, or None for what is no ordinary address of a domain."""
    local_part, at, domain = address.rpartition("@")
    if not at:
        return None
    if local_part.startswith('"') and local_part.endswith('"') and len(local_part) >= 2:
        # A quoted local part means the same as the unquoted one (RFC 5321 §4.1.2).
        local_part = re.sub(r"\\(.)", r"\1", local_part[1:-1])
    try:
        # PostgreSQL's text has no NUL; no address of ours has the character that stands for what is none.
        return unicodedata.normalize("NFC", local_part).lower().replace("\0", "\ufffd"), domain_name(domain)
    except NameInvalid:
        return None


def without_detail(local_part: str) -> str | None:
    """What stands before the first `+` of a subaddress (RFC 5233), or None where it is none."""
    user, plus, _ = local_part.partition("+")
    return user if plus and user else None


def address(text: str) -> str:
    """The canonical form of an address of ours; letters of any script stand before the @. Raises NameInvalid.

    What is not ASCII is prepared by PRECIS's UsernameCaseMapped (RFC 8265 §3.3), which has no blanks, no symbols and
    no two directions of writing, and makes one of what Unicode writes in several ways.
    """
    local_part, at, domain = text.strip(" ").rpartition("@")
    if not at or local_part.isascii():
        return forward_path(text.lower())
    try:
        prepared = _usernames().enforce(local_part)
    except UnicodeError as error:
        raise NameInvalid(f"{local_part} cannot stand before the @: {error.reason}") from error  # type: ignore[attr-defined]
    if mixes_scripts(prepared):
        raise NameInvalid(
            f"{local_part} cannot stand before the @: it mixes scripts, and could pass for another"
        )
    octets = len(prepared.encode())
    if octets > LOCAL_PART_OCTETS or not INTERNATIONAL.fullmatch(prepared):
        raise NameInvalid(
            f"{local_part} cannot stand before the @: at most {LOCAL_PART_OCTETS} octets of UTF-8, letters and "
            "digits, with single dots between them"
        )
    whole = f"{prepared}@{domain_name(domain)}"
    if len(whole.encode()) > ADDRESS_OCTETS:
        raise NameInvalid(f"an address has at most {ADDRESS_OCTETS} octets")
    return whole


@cache
def _usernames() -> Profile:
    return get_profile("UsernameCaseMapped")


def domain_of(address: str) -> str:
    """The canonical form of an address's domain, or "" for what has none."""
    try:
        return domain_name(address.strip(" ").rpartition("@")[2])
    except NameInvalid:
        return ""


def forward_path(text: str) -> str:
    """An address that mail may go to: its domain in canonical form, what stands before the @ as it was written.

    Whether upper and lower case differ there is for the other side to say (RFC 5321 §2.4). Raises NameInvalid.
    """
    local_part, at, domain = text.strip(" ").rpartition("@")
    if not at:
        raise NameInvalid(f"{text or 'nothing'} is not an address: it has no @")
    if len(local_part) > LOCAL_PART_OCTETS or not LOCAL_PART.fullmatch(local_part):
        raise NameInvalid(
            f"{local_part or 'nothing'} cannot stand before the @: 1 to {LOCAL_PART_OCTETS} letters, digits and "
            "!#$%&'*+/=?^_`{|}~- with single dots between them"
        )
    whole = f"{local_part}@{domain_name(domain)}"
    if len(whole) > ADDRESS_OCTETS:
        raise NameInvalid(f"an address has at most {ADDRESS_OCTETS} octets")
    return whole


def password(text: str) -> str:
    """Raises NameInvalid."""
    if len(text) < PASSWORD_LEAST or len(text.encode()) > PASSWORD_OCTETS:
        raise NameInvalid(
            f"a password has at least {PASSWORD_LEAST} characters and at most {PASSWORD_OCTETS} octets"
        )
    if "\0" in text or "\r" in text or "\n" in text:
        raise NameInvalid("a password has no line break and no NUL")
    return text
