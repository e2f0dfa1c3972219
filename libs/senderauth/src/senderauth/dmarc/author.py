"""The author's domain: the one thing of a message that DMARC judges (RFC 9989 §5.3.1).

Readers do not agree on what a strange From field means, and forgers live on that. So this takes one field, and only
such as have one domain however they are read.
"""

import re
from enum import Enum

from mailmsg.address import mailboxes
from mailmsg.header import fields, unfold

from senderauth.names import is_qualified_name, normal_name

MAX_FROM_OCTETS = 16 * 1024
MAX_DOMAINS = 64
"""Different spellings of domains in one field; more are several domains, whatever they say."""


class AuthorFault(Enum):
    """Why a message has no author's domain."""

    NO_FIELD = "no From field"
    SEVERAL_FIELDS = "several From fields"
    NO_DOMAIN = "no domain in From"
    SEVERAL_DOMAINS = "several domains in From"
    AMBIGUOUS = "From can be read as another domain"
    TOO_LONG = "the From field is too long"


# A quotation without an end hides nothing: some readers take its mark for a letter.
_QUOTED = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_AFTER_AT = re.compile(rb"@[ \t\\]*+([^\s<>,;:()\"@\[\]\\]++)")
_NO_LETTER = ".!#$%&'*+-/=?^_`{|}~"


def author_domain(header: bytes) -> str | AuthorFault:
    """The domain in normal form, or why there is none."""
    values = [field.value for field in fields(header) if field.name.lower() == b"from"]
    if not values:
        return AuthorFault.NO_FIELD
    if len(values) > 1:
        return AuthorFault.SEVERAL_FIELDS
    if len(values[0]) > MAX_FROM_OCTETS:
        return AuthorFault.TOO_LONG
    value = unfold(values[0])
    written = {each.domain for each in mailboxes(value) if each.domain}
    # Another "@" outside quotes, in the display name or a comment, is what some reader shows or takes as the address.
    mentioned = set(_AFTER_AT.findall(_QUOTED.sub(b" ", value)))
    if len(written | mentioned) > MAX_DOMAINS:
        return AuthorFault.SEVERAL_DOMAINS
    domains = {_name(domain) for domain in written}
    if len(domains) > 1:
        return AuthorFault.SEVERAL_DOMAINS
    domain = next(iter(domains), "")
    if not is_qualified_name(domain):
        # No address by the grammar; but a reader who is less strict may show one.
        seen = _AFTER_AT.findall(value)
        return AuthorFault.AMBIGUOUS if any(map(_looks_like_a_domain, seen)) else AuthorFault.NO_DOMAIN
    return domain if {_name(each) for each in mentioned} <= {domain} else AuthorFault.AMBIGUOUS


def _looks_like_a_domain(text: bytes) -> bool:
    """Readers do not check names: with a mark that is not seen, an octet that is no UTF-8 or an empty label they show one."""
    name = _name(text).strip(_NO_LETTER)
    above, _, top = name.rpartition(".")
    return not name.isascii() or (above != "" and not top.isdigit())


def _name(domain: bytes) -> str:
    return normal_name(domain.decode("utf-8", "replace"))
