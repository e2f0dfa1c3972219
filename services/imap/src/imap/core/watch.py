"""What a session watches by NOTIFY (RFC 5465 §6), and how the watched was when it looked last."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import assert_never

from mailmodel import AccountRef, MailboxInfo
from mailmodel.mailbox_name import SEPARATOR, superiors
from mailproto.imap.notify_events import OF_SELECTED, Event, EventGroup, Watched

from imap.core.places import is_foreign


@dataclass
class Watch:
    """One NOTIFY SET, or NOTIFY NONE where there are no groups. Names in the groups are canonical."""

    groups: tuple[EventGroup, ...]
    mailboxes: dict[int, MailboxInfo] = field(default_factory=dict)
    # Of others: they may be listed and not read.
    barred: dict[int, MailboxInfo] = field(default_factory=dict)
    subscriptions: frozenset[str] = frozenset()
    annotations: dict[tuple[int, str], bytes] = field(default_factory=dict)
    # Of mailboxes of others that are watched.
    owners: frozenset[AccountRef] = frozenset()

    @property
    def selected(self) -> EventGroup | None:
        """The group about the selected mailbox."""
        return next((group for group in self.groups if group.watched in OF_SELECTED), None)

    @property
    def delays_expunges(self) -> bool:
        """Whether numbers must stay while no command allows otherwise (RFC 5465 §6.1.2)."""
        group = self.selected
        return group is not None and group.watched is Watched.SELECTED_DELAYED

    @property
    def asks_for_others(self) -> bool:
        """Whether anything beside the selected mailbox is watched."""
        return any(group.watched not in OF_SELECTED and group.events for group in self.groups)

    def asks(self, event: Event) -> bool:
        """Whether any group asks for it."""
        return any(event in group.events for group in self.groups)

    @property
    def names_others(self) -> bool:
        """Whether mailboxes of others may be watched."""
        return any(
            group.watched is Watched.SUBSCRIBED or any(map(is_foreign, group.names)) for group in self.groups
        )

    def events_of(self, name: str, *, is_subscribed: bool) -> frozenset[Event]:
        """What is to be told of a mailbox that is not selected."""
        events: frozenset[Event] = frozenset()
        for group in self.groups:
            if is_meant(group.watched, group.names, name, is_subscribed=is_subscribed):
                events |= group.events
        return events


@lru_cache(maxsize=256)
def _as_set(names: tuple[str, ...]) -> frozenset[str]:
    """Thousands of mailboxes are asked for among a hundred names."""
    return frozenset(names)


def is_meant(watched: Watched, names: tuple[str, ...], name: str, *, is_subscribed: bool) -> bool:
    """Whether a mailbox is one of these. Which one is selected is not known here."""
    named = _as_set(names)
    match watched:
        # Mail may be filed anywhere: INBOXES is PERSONAL (RFC 5465 §6.3).
        case Watched.PERSONAL | Watched.INBOXES:
            return not is_foreign(name)
        case Watched.SUBSCRIBED:
            return is_subscribed
        case Watched.SUBTREE:
            return name in named or not named.isdisjoint(superiors(name))
        case Watched.SUBTREE_ONE:
            return name in named or name.rpartition(SEPARATOR)[0] in named
        case Watched.MAILBOXES:
            return name in named
        case Watched.SELECTED | Watched.SELECTED_DELAYED:
            return False
        case _:
            assert_never(watched)
