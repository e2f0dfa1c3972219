"""May a message be answered automatically? RFC 5230 §4.5, §4.6 and RFC 3834 §2 say when not."""

from __future__ import annotations

import re

from mailmsg.address import mailboxes

from sieve.actions import Withheld
from sieve.addresses import is_address
from sieve.header_block import HeaderBlock
from sieve.situation import Situation

_RECIPIENT_FIELDS = (b"to", b"cc", b"bcc", b"resent-to", b"resent-cc", b"resent-bcc")
_LIST_FIELDS = (
    b"list-id",
    b"list-help",
    b"list-subscribe",
    b"list-unsubscribe",
    b"list-post",
    b"list-owner",
    b"list-archive",
)
_PROGRAMS = re.compile(
    r"mailer-daemon|listserv|majordomo|listproc|.*-request|owner-.*|.*-owner|.*-bounces?(?:\+.*)?|"
    r"no-?reply|do-?not-?reply|nobody|bounces?",
    re.IGNORECASE,
)
_AUTO_SUBMITTED = re.compile(rb"\s*(?:\([^()]*\)\s*)*([A-Za-z-]*)")
MAX_HEADER_ADDRESSES = 10_000


def is_automatic(header: HeaderBlock) -> bool:
    """True where Auto-Submitted says anything but "no" (RFC 3834 §5)."""
    for field in header.named(b"auto-submitted"):
        found = _AUTO_SUBMITTED.match(field.value)
        assert found is not None
        if found[1].lower() != b"no":
            return True
    return False


def reason_not_to_answer(
    situation: Situation, header: HeaderBlock, further_addresses: frozenset[str]
) -> Withheld | None:
    """Why an automatic answer to the sender is out of place, or None where it may go.

    `further_addresses` (lower case) are the user's too, for this answer (":addresses").
    """
    sender = situation.reverse_path
    if not sender:
        return Withheld.NULL_REVERSE_PATH
    if not is_address(sender):
        return Withheld.BAD_SENDER
    if situation.is_own(sender) or sender.lower() in further_addresses:
        return Withheld.OWN_MESSAGE
    if _PROGRAMS.fullmatch(sender.rpartition("@")[0]) is not None:
        return Withheld.SYSTEM_SENDER
    if is_automatic(header):
        return Withheld.AUTOMATIC
    if any(header.named(name) for name in _LIST_FIELDS):
        return Withheld.MAILING_LIST
    for field in header.named(b"precedence"):
        if field.value.lower() in (b"bulk", b"junk", b"list"):
            return Withheld.MAILING_LIST if field.value.lower() == b"list" else Withheld.AUTOMATIC
    if not _is_addressed(situation, header, further_addresses):
        return Withheld.NOT_ADDRESSED
    return None


def _is_addressed(situation: Situation, header: HeaderBlock, further_addresses: frozenset[str]) -> bool:
    own = {address.lower() for address in situation.own_addresses} | further_addresses
    own.add(situation.forward_path.lower())
    seen = 0
    for name in _RECIPIENT_FIELDS:
        for field in header.named(name):
            for address in mailboxes(field.unfolded):
                seen += 1
                if seen > MAX_HEADER_ADDRESSES:
                    return False
                if address.address.decode("utf-8", "replace").lower() in own:
                    return True
    return False
