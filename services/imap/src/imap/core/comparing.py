"""How an account's mailboxes were and how they are: what NOTIFY tells of them (RFC 5465 §5)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from mailmodel import AccountRef, MailboxInfo
from mailmodel.mailbox_name import superiors
from mailmodel.rights import READ
from mailproto.imap import responses
from mailproto.imap.mailbox_options import StatusItem
from mailproto.imap.notify_events import Event

from imap.core import status
from imap.core.places import is_foreign, visible
from imap.core.session import Session
from imap.core.watch import Watch

SERVER = 0
# Of a mailbox of others; what is private there is the reader's own.
SHARED_ENTRIES = "/shared/"


@dataclass
class Compared:
    """The mailboxes as they are now; the watch holds how they were."""

    mailboxes: dict[int, MailboxInfo]
    subscriptions: frozenset[str]
    annotations: dict[tuple[int, str], bytes]
    owners: frozenset[AccountRef] = frozenset()
    # Of others: they may be listed and not read.
    barred: dict[int, MailboxInfo] = field(default_factory=dict)

    @classmethod
    async def read(cls, session: Session, watch: Watch) -> "Compared":
        """Only what somebody asks for."""
        places = await visible(session, own_only=not watch.names_others)
        # What of others' may not be read is not told of, but that it is so; they are heard for when it may.
        barred = {place.info.mailbox_id: place.info for place in places if READ not in place.reach.rights}
        owners = frozenset(
            place.reach.owner
            for place in places
            if not place.is_own and watch.events_of(place.info.name, is_subscribed=place.info.subscribed)
        )
        places = [place for place in places if READ in place.reach.rights]
        subscriptions: frozenset[str] = frozenset()
        annotations: dict[tuple[int, str], bytes] = {}
        if watch.asks(Event.SUBSCRIPTION_CHANGE):
            subscriptions = frozenset(await session.store.list_subscriptions(session.account))
        if watch.asks(Event.MAILBOX_METADATA_CHANGE) or watch.asks(Event.SERVER_METADATA_CHANGE):
            annotations = await session.store.annotation_digests(session.account)
        if watch.asks(Event.MAILBOX_METADATA_CHANGE):
            for owner in owners:
                theirs = {place.info.mailbox_id for place in places if place.reach.owner == owner}
                held = await session.store.annotation_digests(owner)
                annotations |= {
                    key: held[key] for key in held if key[0] in theirs and key[1].startswith(SHARED_ENTRIES)
                }
        mailboxes = {place.info.mailbox_id: place.info for place in places}
        return cls(mailboxes, subscriptions, annotations, owners, barred)

    def keep(self, watch: Watch) -> None:
        """Next time this is how they were."""
        watch.mailboxes, watch.subscriptions, watch.annotations = (
            self.mailboxes,
            self.subscriptions,
            self.annotations,
        )
        watch.owners, watch.barred = self.owners, self.barred

    def lines(self, session: Session, watch: Watch) -> bytes:
        """All that changed and is asked for."""
        return b"".join(
            [
                *self._names(session, watch),
                *self._subscribed(session, watch),
                *self._counters(session, watch),
                *self._annotated(session, watch),
            ]
        )

    def _names(self, session: Session, watch: Watch) -> Iterator[bytes]:
        """Created, deleted and renamed mailboxes, and those right above created and deleted ones (§5.4); those that may be
        read no more, or again (§5.9).
        """
        if not watch.asks(Event.MAILBOX_NAME):
            return
        before, now = watch.mailboxes | watch.barred, self.mailboxes | self.barred
        renamed = {
            before[i].name: now[i].name for i in before.keys() & now.keys() if before[i].name != now[i].name
        }
        told: dict[str, bytes] = {}
        for old, new in renamed.items():
            if not any(upper in renamed for upper in superiors(old)):
                told[new] = b'"OLDNAME" (%b)' % session.shown(old)
        for mailbox_id in before.keys() ^ now.keys():
            name = (before.get(mailbox_id) or now[mailbox_id]).name
            if name not in told and not (mailbox_id in before and name in self._named):
                told[name] = b""
            for upper in superiors(name)[-1:]:
                # Of an owner's address there is no mailbox.
                if upper in self._named or not is_foreign(upper):
                    told.setdefault(upper, b"")
        for mailbox_id in watch.barred.keys() ^ self.barred.keys():
            if mailbox_id in before and mailbox_id in now:
                told.setdefault(now[mailbox_id].name, b"")
        for name in sorted(told):
            if Event.MAILBOX_NAME in self._events(watch, name):
                yield self._listed(session, name, told[name])

    def _subscribed(self, session: Session, watch: Watch) -> Iterator[bytes]:
        for name in sorted(watch.subscriptions ^ self.subscriptions):
            if Event.SUBSCRIPTION_CHANGE in self._events(watch, name):
                yield self._listed(session, name)

    def _counters(self, session: Session, watch: Watch) -> Iterator[bytes]:
        """STATUS of mailboxes that are not selected (§5.1 to §5.3)."""
        earlier = {info.name for info in watch.mailboxes.values()}
        for mailbox_id, info in self.mailboxes.items():
            before = watch.mailboxes.get(mailbox_id)
            if before is not None and before.highest_modseq == info.highest_modseq:
                continue
            if session.selected is not None and session.selected.mailbox_id == mailbox_id:
                continue
            events = self._events(watch, info.name)
            if before is None:
                items = self._items_of_new(session, info, events, takes_place=info.name in earlier)
            else:
                items = self._items(session, before, info, events)
            if items:
                yield status.line(session, info, items, {})

    @staticmethod
    def _items(
        session: Session, before: MailboxInfo, now: MailboxInfo, events: frozenset[Event]
    ) -> list[StatusItem]:
        items: list[StatusItem] = []
        if Event.MESSAGE_NEW in events and (
            before.uid_next != now.uid_next or before.messages != now.messages
        ):
            items += [StatusItem.MESSAGES, StatusItem.UIDNEXT]
        if Event.FLAG_CHANGE in events and before.unseen != now.unseen:
            items.append(StatusItem.UNSEEN)
        if session.tells_modseqs and (items or Event.FLAG_CHANGE in events):
            items.append(StatusItem.HIGHESTMODSEQ)
        return [*items, StatusItem.UIDVALIDITY] if items else []

    @staticmethod
    def _items_of_new(
        session: Session, now: MailboxInfo, events: frozenset[Event], *, takes_place: bool
    ) -> list[StatusItem]:
        """Of a mailbox that was not there: what has come into it already, and that the UIDs of one of that name are not
        valid any more (§5.1).
        """
        items: list[StatusItem] = []
        if Event.MESSAGE_NEW in events and (now.uid_next > 1 or takes_place):
            items += [StatusItem.MESSAGES, StatusItem.UIDNEXT]
        if session.tells_modseqs and (items or (takes_place and Event.FLAG_CHANGE in events)):
            items.append(StatusItem.HIGHESTMODSEQ)
        return (
            [*items, StatusItem.UIDVALIDITY] if items or (takes_place and Event.FLAG_CHANGE in events) else []
        )

    def without_access(self, session: Session, watch: Watch) -> bytes:
        """Mailboxes that are asked about, may be listed, and not watched (§3.1)."""
        return b"".join(
            responses.listing(b"LIST", ["\\NoAccess"], session.shown(info.name))
            for info in self.barred.values()
            if watch.events_of(info.name, is_subscribed=info.subscribed)
        )

    def _annotated(self, session: Session, watch: Watch) -> Iterator[bytes]:
        """Names of entries that were set or removed (§5.6, §5.7; RFC 5464 §4.4.2)."""
        entries: dict[int, list[str]] = {}
        for place in watch.annotations.keys() | self.annotations.keys():
            if watch.annotations.get(place) != self.annotations.get(place):
                entries.setdefault(place[0], []).append(place[1])
        for mailbox_id, names in sorted(entries.items()):
            shown = b" ".join(map(responses.entry, sorted(names)))
            if mailbox_id == SERVER:
                if watch.asks(Event.SERVER_METADATA_CHANGE):
                    yield b'* METADATA "" %b\r\n' % shown
                continue
            info = self.mailboxes.get(mailbox_id)
            if info is not None and Event.MAILBOX_METADATA_CHANGE in self._events(watch, info.name):
                yield b"* METADATA %b %b\r\n" % (session.shown(info.name), shown)

    @cached_property
    def _with_inferiors(self) -> frozenset[str]:
        return frozenset(upper for name in self._named for upper in superiors(name))

    @cached_property
    def _named(self) -> dict[str, MailboxInfo]:
        return {info.name: info for info in (self.mailboxes | self.barred).values()}

    def _is_subscribed(self, name: str) -> bool:
        info = self._named.get(name)
        return name in self.subscriptions or (info is not None and info.subscribed)

    def _events(self, watch: Watch, name: str) -> frozenset[Event]:
        return watch.events_of(name, is_subscribed=self._is_subscribed(name) or name in watch.subscriptions)

    def _listed(self, session: Session, name: str, extended: bytes = b"") -> bytes:
        named = self._named
        words = []
        info = named.get(name)
        if info is None:
            words.append("\\NonExistent")
        else:
            words += ["\\NoAccess"] * (info.mailbox_id in self.barred)
            words.append("\\HasChildren" if name in self._with_inferiors else "\\HasNoChildren")
            words += sorted(info.special_use)
        if self._is_subscribed(name):
            words.append("\\Subscribed")
        return responses.listing(b"LIST", words, session.shown(name), extended)
