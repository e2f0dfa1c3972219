"""Paths and mailboxes (RFC 5321 §4.1.2), strictly: what does not match the grammar is no address.

A source route is accepted and ignored (RFC 5321 appendix C). Quoted local parts
stay as they came. Only ASCII here; SMTPUTF8 (RFC 6531) is not negotiated.
"""

import re
from dataclasses import dataclass

ATOM = rb"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+"
# Dot-string = Atom *("." Atom)
DOT_STRING = rb"%s(?:\.%s)*" % (ATOM, ATOM)
# Quoted-string = DQUOTE *QcontentSMTP DQUOTE ; qtextSMTP = %d32-33 / %d35-91 / %d93-126
QUOTED_STRING = rb'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"'
# sub-domain = Let-dig [Ldh-str] ; an underscore is seen in the wild and harms nobody
SUB_DOMAIN = rb"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
DOMAIN = rb"%s(?:\.%s)*" % (SUB_DOMAIN, SUB_DOMAIN)
# address-literal = "[" ( IPv4 / IPv6 / General ) "]"
LITERAL = rb"\[[A-Za-z0-9.:\-]{1,64}\]"
# A-d-l = At-domain *( "," At-domain )
ROUTE = rb"(?:@%s(?:,@%s)*:)?" % (DOMAIN, DOMAIN)

MAILBOX = re.compile(rb"(?P<local>%s|%s)@(?P<domain>%s|%s)" % (DOT_STRING, QUOTED_STRING, DOMAIN, LITERAL))
PATH = re.compile(
    rb"<%s(?P<mailbox>(?P<local>%s|%s)@(?P<domain>%s|%s))>"
    % (ROUTE, DOT_STRING, QUOTED_STRING, DOMAIN, LITERAL)
)
POSTMASTER = re.compile(rb"<postmaster>", re.IGNORECASE)
HELO_NAME = re.compile(rb"%s|%s|[A-Za-z0-9_.:-]+" % (DOMAIN, LITERAL))

LOCAL_PART_OCTETS = 64
DOMAIN_OCTETS = 255
PATH_OCTETS = 1024


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


def _parse(text: bytes) -> Parsed:
    if len(text) > PATH_OCTETS + 512:
        raise AddressInvalid("the path is too long")
    match = PATH.match(text)
    if match is None:
        if not text.isascii():
            raise AddressInvalid("addresses have ASCII characters only here")
        if not text.startswith(b"<"):
            raise AddressInvalid("the path needs < and >")
        raise AddressInvalid("that is no address")
    if len(match["local"]) > LOCAL_PART_OCTETS or len(match["domain"]) > DOMAIN_OCTETS:
        raise AddressInvalid("the address is too long")
    return Parsed(match["mailbox"].decode("ascii"), text[match.end() :])
