"""What NOTIFY can be asked for (RFC 5465)."""

from dataclasses import dataclass
from enum import Enum

from mailproto.imap.fetch_items import FetchItem


class Watched(Enum):
    """Which mailboxes a group of events is about (RFC 5465 §6)."""

    SELECTED = "SELECTED"
    SELECTED_DELAYED = "SELECTED-DELAYED"
    INBOXES = "INBOXES"
    PERSONAL = "PERSONAL"
    SUBSCRIBED = "SUBSCRIBED"
    SUBTREE = "SUBTREE"
    # Only in a search of several mailboxes (RFC 7377 §2.2): one level of inferiors.
    SUBTREE_ONE = "SUBTREE-ONE"
    MAILBOXES = "MAILBOXES"


OF_SELECTED = (Watched.SELECTED, Watched.SELECTED_DELAYED)
NAMED = (Watched.SUBTREE, Watched.SUBTREE_ONE, Watched.MAILBOXES)


@dataclass(frozen=True, slots=True)
class Source:
    """Mailboxes that are searched (RFC 7377 §2.2)."""

    watched: Watched
    names: tuple[str, ...]


class Event(Enum):
    """What can be told (RFC 5465 §5)."""

    MESSAGE_NEW = "MessageNew"
    MESSAGE_EXPUNGE = "MessageExpunge"
    FLAG_CHANGE = "FlagChange"
    MAILBOX_NAME = "MailboxName"
    SUBSCRIPTION_CHANGE = "SubscriptionChange"
    MAILBOX_METADATA_CHANGE = "MailboxMetadataChange"
    SERVER_METADATA_CHANGE = "ServerMetadataChange"


MESSAGE_EVENTS = frozenset({Event.MESSAGE_NEW, Event.MESSAGE_EXPUNGE, Event.FLAG_CHANGE})


@dataclass(frozen=True, slots=True)
class EventGroup:
    """Events of some mailboxes. `names` with SUBTREE and MAILBOXES, `items` are fetched of new messages.

    `unknown`: the client asked for an event that is not among ours.
    """

    watched: Watched
    names: tuple[str, ...]
    events: frozenset[Event]
    items: tuple[FetchItem, ...] = ()
    unknown: bool = False
