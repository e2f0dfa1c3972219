"""A mailbox and the messages in it, as a session needs to know them."""

from dataclasses import dataclass

from mailmodel.flags import Flags


@dataclass(frozen=True, slots=True)
class Entry:
    """A message's place in a mailbox: what FETCH (UID FLAGS MODSEQ) shows."""

    uid: int
    modseq: int
    flags: Flags


@dataclass(frozen=True, slots=True)
class MailboxInfo:
    """What STATUS and LIST show. `special_use` holds names like `\\Sent` (RFC 6154)."""

    mailbox_id: int
    name: str
    uid_validity: int
    uid_next: int
    highest_modseq: int
    messages: int
    unseen: int
    size_octets: int
    special_use: frozenset[str]
    subscribed: bool
