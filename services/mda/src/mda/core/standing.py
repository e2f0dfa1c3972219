"""Whether a tenant has a sender on its lists.

Who may be let past a filter must be who it says: From counts where DMARC passed, MAIL FROM where SPF passed, both for
our own users. Where the door checks nobody, it is believed. Who is blocked is blocked by either name.
"""

from collections.abc import Iterator
from enum import Enum

from directoryclient.policies import TenantPolicy
from mailmsg.address import mailboxes
from mailmsg.envelope import authors_in
from mailmsg.header import first_value
from senderauth import Result
from spool import Envelope, SpooledLetter

# Of a From field with more authors these are looked at, and it is let past for none of them: others may follow.
MOST_AUTHORS = 20


class Standing(Enum):
    """What a tenant's lists say of a sender."""

    UNKNOWN = "unknown"
    ALLOWED = "allowed"
    BLOCKED = "blocked"


class Lists:
    """Tenants' lists in a form that is quick to look into; made anew when a tenant's choice has changed."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[tuple[str, ...], frozenset[str]]] = {}

    def standing(self, letter: SpooledLetter, policy: TenantPolicy) -> Standing:
        """Allowed goes before blocked."""
        if not policy.allowed_senders and not policy.blocked_senders:
            return Standing.UNKNOWN
        envelope, authors = letter.envelope, list(authors_of(letter))
        allowed = self._set(policy.allowed_senders)
        few = 0 < len(authors) < MOST_AUTHORS
        if is_authors(envelope) and few and all(_listed(each, allowed) for each in authors):
            return Standing.ALLOWED
        if is_reverse_paths(envelope) and _listed(envelope.reverse_path, allowed):
            return Standing.ALLOWED
        blocked = self._set(policy.blocked_senders)
        if not letter.facts.header:
            # Too long to come along: who is blocked must not slip through behind padding. For who is allowed it is not
            # enough, since a long list is cut there.
            authors = [each.decode("utf-8", "replace") for each in authors_in(letter.facts.envelope)]
        if any(_listed(each, blocked) for each in (*authors, envelope.reverse_path)):
            return Standing.BLOCKED
        return Standing.UNKNOWN

    def _set(self, senders: tuple[str, ...]) -> frozenset[str]:
        known = self._known.get(id(senders))
        if known is None or known[0] is not senders:
            if len(self._known) > 1_000:
                self._known.clear()
            known = (senders, frozenset(sender.lower() for sender in senders))
            # The tuple is held, so its id stays its own.
            self._known[id(senders)] = known
        return known[1]


def authors_of(letter: SpooledLetter) -> Iterator[str]:
    """Addresses in From; not of a letter whose header is not here."""
    value = first_value(letter.facts.header, b"from")
    for number, author in enumerate(mailboxes(value) if value is not None else []):
        if number >= MOST_AUTHORS:
            return
        yield author.address.decode("utf-8", "replace")


def is_authors(envelope: Envelope) -> bool:
    """Whether From may be believed."""
    # What an account or a list sends on bears its id, and may be a stranger's all the same.
    return envelope.speaker is None or envelope.speaker.dmarc is Result.PASS


def is_reverse_paths(envelope: Envelope) -> bool:
    """Whether MAIL FROM may be believed."""
    return envelope.speaker is None or envelope.speaker.spf is Result.PASS


def _listed(address: str, senders: frozenset[str]) -> bool:
    address = address.lower()
    return bool(address) and (address in senders or "@" + address.rpartition("@")[2] in senders)
