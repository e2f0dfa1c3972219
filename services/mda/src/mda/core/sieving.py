"""What a script's outcome means for one delivery: where it is filed, with which flags, and what is sent.

No I/O: what must be looked up (does that mailbox exist?) comes in as `Places`.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import assert_never

from mailmodel import Flags
from mailstore import Delivery, NewMessage
from sieve.actions import (
    Action,
    Discard,
    Edition,
    FileInto,
    Keep,
    Notify,
    NotSent,
    Redirect,
    RedirectToList,
    Reject,
    Target,
    Track,
    Vacation,
)
from spool import Source

from mda.core.ext_lists import MOST_ADDRESSES
from mda.core.findings import Finding, Verdict
from mda.core.plan import INBOX

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

Sending = Redirect | RedirectToList | Reject | Vacation | Notify
UNCHANGED: Mapping[Edition, NewMessage] = MappingProxyType({})
# The addresses in lists, by their names.
Lists = Mapping[str, Sequence[str]]
NO_LISTS: Lists = MappingProxyType({})
# So often a message is sent on within the platform. Accounts that send on to each other make a copy for each way
# through them, and each way is new to every account on it: four redirects each are a thousand copies then, and were
# without an end among some twenty accounts.
MOST_HOPS = 5
# What a script may have put above our own fields.
MOST_ADDED = 1 << 20
# RFC 5235 §3.3.1: 1 is found clean, 5 is infected.
SEVERITY = {Verdict.CLEAN: 1, Verdict.UNSCANNABLE: 3, Verdict.VIRUS: 5}
# The name of the mailbox that a target means, or None where there is none.
Places = Callable[[Target], str | None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, first the sending, then the filing in one commit, then the tracks."""

    deliveries: list[Delivery]
    sendings: list[Sending]
    tracks: tuple[Track, ...]


def carry_out(
    delivery: Delivery,
    actions: Sequence[Action],
    tracks: tuple[Track, ...],
    places: Places,
    *,
    is_looping: bool,
    editions: Mapping[Edition, NewMessage] = UNCHANGED,
    lists: Lists = NO_LISTS,
) -> Plan:
    """The plan for one recipient's message. `is_looping`: it was redirected by this recipient before, or too often.

    What is kept goes where it would go without a script (Junk for spam, else INBOX). A mailbox that is missing becomes INBOX (RFC 5228 §4.1 leaves that to us): nothing is lost by a typing error.
    `editions`: what scripts have changed, as it is stored. `lists`: who is in those that are redirected to; nobody, or
    too many: it is kept.
    """
    assert delivery.new is not None
    flags_by_mailbox: dict[str, Flags] = {}
    news: dict[str, NewMessage] = {}
    sendings: list[Sending] = []
    for action in actions:
        match action:
            case Keep():
                _put(flags_by_mailbox, delivery.mailbox_name, action.flags)
                news.setdefault(delivery.mailbox_name, _edition(delivery.new, action.edition, editions))
            case FileInto():
                mailbox = places(action.target) or INBOX
                _put(flags_by_mailbox, mailbox, action.flags)
                news.setdefault(mailbox, _edition(delivery.new, action.edition, editions))
            case Redirect() if is_looping:
                # RFC 5228 §4.2: break the loop, and lose nothing.
                _put(flags_by_mailbox, INBOX, ())
            case RedirectToList(list_name=name) if is_looping or not may_send_to(lists.get(name, ())):
                _put(flags_by_mailbox, INBOX, ())
            case Redirect() | RedirectToList() | Reject() | Vacation() | Notify():
                sendings.append(action)
            case Discard() | NotSent():
                pass
            case _:
                assert_never(action)
    return Plan(_deliveries(delivery, flags_by_mailbox, news), sendings, tracks)


def may_send_to(addresses: Sequence[str]) -> bool:
    """Whether a message is sent on to a list: to somebody, and not to too many."""
    return 0 < len(addresses) <= MOST_ADDRESSES


def _put(flags_by_mailbox: dict[str, Flags], mailbox: str, names: Sequence[str]) -> None:
    flags = Flags.from_wire(names)
    known = flags_by_mailbox.get(mailbox, Flags())
    # One copy a mailbox, whatever ways led there (RFC 5228 §2.10.3).
    flags_by_mailbox[mailbox] = Flags(known.system | flags.system, known.keywords | flags.keywords)


def _edition(new: NewMessage, edition: Edition | None, editions: Mapping[Edition, NewMessage]) -> NewMessage:
    return new if edition is None else editions.get(edition, new)


def _deliveries(
    delivery: Delivery, flags_by_mailbox: dict[str, Flags], news: dict[str, NewMessage]
) -> list[Delivery]:
    assert delivery.new is not None
    if not flags_by_mailbox:
        return [replace(delivery, mailbox_name=INBOX, new=None)]
    made: list[Delivery] = []
    for mailbox, flags in flags_by_mailbox.items():
        # (queue id, recipient) is filed once: the further copies are told apart by their mailbox. No address has a
        # blank at its end.
        key = f"{delivery.recipient} {mailbox}" if made else delivery.recipient
        new = news.get(mailbox, delivery.new)
        filed = replace(
            new, flags=Flags(new.flags.system | flags.system, new.flags.keywords | flags.keywords)
        )
        made.append(replace(delivery, recipient=key, mailbox_name=mailbox, new=filed))
    return made


def environment(recipient: str, hostname: str, source: Source, client_address: str) -> dict[str, str]:
    """The items of RFC 5183 §4.1 for a delivery. Where a user submitted from is for nobody's script: tenants hide it."""
    return {
        "domain": recipient.rpartition("@")[2],
        "host": hostname,
        "location": "MDA",
        "name": "Posthouse",
        "phase": "during",
        "remote-ip": client_address if source is Source.MX else "",
        "version": "1",
    }


def tested(findings: Sequence[Finding]) -> tuple[int | None, str, int, str]:
    """For spamtest and virustest (RFC 5235): spam in percent of the threshold, virus severity, and a text for each."""
    percent, spam_text, severity, virus_text = None, "", 0, ""
    for finding in findings:
        if finding.score is not None and finding.threshold:
            percent = max(0, min(100, round(100 * finding.score / finding.threshold)))
            spam_text = f"{finding.scanner}: {finding.score:.2f} of {finding.threshold:.2f}"
        elif finding.verdict in SEVERITY:
            severity = max(severity, SEVERITY[finding.verdict])
            virus_text = f"{finding.scanner}: {finding.verdict.value} {finding.detail}".rstrip()
    return percent, spam_text, severity, virus_text


def without_prefix(content: bytes, prefix: bytes) -> bytes:
    """An edited message without the fields that delivery has put before it; what a script added stays."""
    if prefix in content[: len(prefix) + MOST_ADDED]:
        return content.replace(prefix, b"", 1)
    return content.partition(b"\r\n")[2] if content[:12].lower() == b"return-path:" else content


def sent_queue_id(queue_id: str, recipient: str, sending: Sending) -> str:
    """The same for the same action on the same message, so that what is sent twice is delivered once."""
    what = [type(sending).__name__, str(sending.place)]
    if isinstance(sending, Redirect):
        what.append(sending.address)
    elif isinstance(sending, RedirectToList):
        what.append(sending.list_name)
    elif isinstance(sending, Notify):
        # One line may notify several, in several commands or in a loop.
        what += [*sending.recipients, *sending.copies]
    digest = hashlib.sha256("\0".join([queue_id, recipient, *what]).encode()).digest()
    return queue_id[:10] + "".join(ALPHABET[octet & 31] for octet in digest[:16])


def was_redirected_by(header: bytes, address: str) -> bool:
    """Whether this recipient has seen the message: its Delivered-To stands in the header as received."""
    wanted = re.escape(address.lower().encode())
    line = rb"(?im)^[ \t\r]*+delivered-to[ \t\r]*+:[ \t\r]*+" + wanted + rb"[ \t\r]*+$"
    return re.search(line, header) is not None


def hops(trace_prefix: bytes) -> int:
    """How often accounts and lists here have sent it on: in what stands before a message no stranger writes."""
    return len(re.findall(rb"(?im)^delivered-to:", trace_prefix))


def memory_handle(kind: str, *words: str | bytes) -> bytes:
    """What is remembered of an answer or an id: a digest of fixed size."""
    parts = [word if isinstance(word, bytes) else word.encode() for word in (kind, *words)]
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()
