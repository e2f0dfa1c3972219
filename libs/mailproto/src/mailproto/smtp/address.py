"""Paths and mailboxes (RFC 5321 §4.1.2, RFC 6531 §3.3), strictly: what does not match the grammar is no address.

A source route is accepted and ignored (RFC 5321 appendix C). Quoted local parts
stay as they came. Outside ASCII there are letters, marks and the like in UTF-8;
nothing that breaks a line, is a space, or turns the direction of writing. Whether
such an address may be used is said by MAIL's SMTPUTF8, which is not known here.
"""

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import idna

# UTF8-non-ascii is let through here octet by octet and judged in `_text`.
ATOM = rb"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\x80-\xff]+"
# Dot-string = Atom *("." Atom)
DOT_STRING = rb"%s(?:\.%s)*" % (ATOM, ATOM)
# Quoted-string = DQUOTE *QcontentSMTP DQUOTE ; qtextSMTP = %d32-33 / %d35-91 / %d93-126 / UTF8-non-ascii
QUOTED_STRING = rb'"(?:[\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\x20-\x7e])*"'
# sub-domain = Let-dig [Ldh-str] / U-label ; an underscore is seen in the wild and harms nobody
SUB_DOMAIN = rb"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
U_LABEL = rb"[A-Za-z0-9_\x80-\xff](?:[A-Za-z0-9_\x80-\xff-]*[A-Za-z0-9_\x80-\xff])?"
DOMAIN = rb"%s(?:\.%s)*" % (SUB_DOMAIN, SUB_DOMAIN)
U_DOMAIN = rb"%s(?:\.%s)*" % (U_LABEL, U_LABEL)
# address-literal = "[" ( IPv4 / IPv6 / General ) "]"
LITERAL = rb"\[[A-Za-z0-9.:\-]{1,64}\]"
# A-d-l = At-domain *( "," At-domain )
ROUTE = rb"(?:@%s(?:,@%s)*:)?" % (DOMAIN, DOMAIN)

PATH = re.compile(
    rb"<%s(?P<mailbox>(?P<local>%s|%s)@(?P<domain>%s|%s))>"
    % (ROUTE, DOT_STRING, QUOTED_STRING, U_DOMAIN, LITERAL)
)
POSTMASTER = re.compile(rb"<postmaster>", re.IGNORECASE)
HELO_NAME = re.compile(rb"%s|%s|[A-Za-z0-9_.:-]+" % (DOMAIN, LITERAL))

LOCAL_PART_OCTETS = 64
# RFC 1035 §2.3.4; of other scripts' labels `ascii_domain` says it.
LABEL_OCTETS = 63
DOMAIN_OCTETS = 255
PATH_OCTETS = 1024

# Controls, separators, spaces, what is private or nothing at all, and what cannot be seen or turns the direction of
# writing, so that an address looks like another (RFC 8264 §9); two joiners excepted, which some scripts write with.
UNFIT_CATEGORIES = frozenset(("Cc", "Cf", "Zl", "Zp", "Zs", "Co", "Cs", "Cn"))
JOINERS = frozenset("\u200c\u200d")


class AddressInvalid(ValueError):
    """The text is no path; the message says why."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A path and what follows it on the line."""

    address: str
    rest: bytes


def parse_reverse_path(text: bytes) -> Parsed:
    """Reverse-path = Path / "<>". The address of the null reverse-path is "". Raises AddressInvalid."""
    if text.startswith(b"<>"):
        return Parsed("", text[2:])
    return _parse(text)


def parse_forward_path(text: bytes) -> Parsed:
    """Forward-path, or <postmaster> without a domain (RFC 5321 §4.5.1). Raises AddressInvalid."""
    if match := POSTMASTER.match(text):
        return Parsed("postmaster", text[match.end() :])
    return _parse(text)


def ascii_domain(domain: str) -> str:
    """The form that DNS knows (RFC 5891), in lower case. Raises AddressInvalid where there is none."""
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise AddressInvalid("that is no internationalised domain") from error


def _parse(text: bytes) -> Parsed:
    if len(text) > PATH_OCTETS + 1536:
        raise AddressInvalid("the path is too long")
    match = PATH.match(text)
    if match is None:
        if not text.startswith(b"<"):
            raise AddressInvalid("the path needs < and >")
        raise AddressInvalid("that is no address")
    if len(match["local"]) > LOCAL_PART_OCTETS or len(match["domain"]) > DOMAIN_OCTETS:
        raise AddressInvalid("the address is too long")
    mailbox, domain = match["mailbox"], match["domain"]
    if domain.startswith(b"["):
        _check_literal(domain[1:-1].decode("ascii"))
    elif len(domain) > LABEL_OCTETS and max(map(len, domain.split(b"."))) > LABEL_OCTETS and domain.isascii():
        raise AddressInvalid("a label of its domain is too long")
    if mailbox.isascii():
        return Parsed(mailbox.decode("ascii"), text[match.end() :])
    address = _text(mailbox)
    ascii_domain(address.rpartition("@")[2])
    return Parsed(address, text[match.end() :])


def _check_literal(text: str) -> None:
    """Raises AddressInvalid for one of an address that there cannot be."""
    tag, colon, rest = text.partition(":")
    try:
        if not colon:
            IPv4Address(text)
        elif tag.lower() == "ipv6":
            IPv6Address(rest)
        elif not (tag and rest):
            raise ValueError(text)
    except ValueError as error:
        raise AddressInvalid("that is no address literal") from error


def _text(mailbox: bytes) -> str:
    """UTF-8 (RFC 3629) of characters that an address may have. Raises AddressInvalid."""
    try:
        text = mailbox.decode("utf-8")
    except UnicodeDecodeError as error:
        raise AddressInvalid("that is no UTF-8") from error
    for character in text:
        if character.isascii():
            continue
        if unicodedata.category(character) in UNFIT_CATEGORIES and character not in JOINERS:
            raise AddressInvalid(f"an address has no character U+{ord(character):04X}")
    return text
