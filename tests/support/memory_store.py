"""A mail store in memory with MailStore's face: sessions of imap are tested on it without a network.

It keeps what the real one promises: MODSEQs of the account, UIDs never used twice, vanished UIDs, all or none.
The real one is tested on its own (tests/integration/mailstore).
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import IO, Any
from uuid import UUID

from blobstore import BodyReference
from mailmodel import AccountRef, Entry, FlagChange, Flags, MailboxInfo, SystemFlag
from mailmodel.collation import casemap
from mailmodel.mailbox_name import INBOX, SEPARATOR, canonical, superiors
from mailmodel.quota import NO_LIMITS, Quota, QuotaLimits
from mailmodel.rights import Rights, kept_form
from mailmodel.thread_id import thread_id
from mailmsg.facts import MessageFacts
from mailstore import (
    AnnotationsFull,
    BodyPlace,
    Changes,
    Columns,
    CopyResult,
    EntryCounts,
    EntryMissing,
    FlagOutcome,
    InboxProtected,
    MailboxChange,
    MailboxExists,
    MailboxHasInferiors,
    MailboxMissing,
    Measured,
    NewMessage,
    Prepared,
    Snapshot,
    StoredMessage,
    TextAnswer,
    TextQuestion,
)
from mailstore.annotations import MOST_ENTRIES
from mailstore.appending import Appended
from mailstore.joined import Joined, Segment, Written
from mailstore.rows import FIRST_MAILBOXES

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Row:
    """An entry with its message."""

    uid: int
    modseq: int
    flags: Flags
    message_id: str
    new: NewMessage
    saved_at: datetime = NOW


@dataclass
class Box:
    """A mailbox."""

    mailbox_id: int
    name: str
    uid_validity: int
    special_use: frozenset[str] = frozenset()
    uid_next: int = 1
    highest_modseq: int = 1
    recent_from_uid: int = 1
    rows: dict[int, Row] = field(default_factory=dict)
    vanished: list[tuple[int, int]] = field(default_factory=list)
    annotations: dict[str, bytes] = field(default_factory=dict)
    rights: dict[str, str] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)


class Account:
    """One account's mailboxes."""

    def __init__(self) -> None:
        self.modseq = 1
        self._ids = count(1)
        self._validities = count(1_700_000_000)
        self.boxes: dict[str, Box] = {}
        self.subscribed: set[str] = set()
        self.annotations: dict[str, bytes] = {}
        for name, use in FIRST_MAILBOXES:
            self.add(name, frozenset({use} - {""}))
            self.subscribed.add(name)

    def add(self, name: str, special_use: frozenset[str]) -> Box:
        box = self.boxes[name] = Box(next(self._ids), name, next(self._validities), special_use)
        return box

    def by_id(self, mailbox_id: int) -> Box:
        for box in self.boxes.values():
            if box.mailbox_id == mailbox_id:
                return box
        raise MailboxMissing

    def info(self, box: Box) -> MailboxInfo:
        rows = box.rows.values()
        return MailboxInfo(
            mailbox_id=box.mailbox_id,
            name=box.name,
            uid_validity=box.uid_validity,
            uid_next=box.uid_next,
            highest_modseq=box.highest_modseq,
            messages=len(rows),
            unseen=sum(not row.flags.system & SystemFlag.SEEN for row in rows),
            size_octets=sum(row.new.size_octets for row in rows),
            special_use=box.special_use,
            subscribed=box.name in self.subscribed,
        )


class MemoryStore:
    """MailStore's methods over dictionaries."""

    def __init__(self, tell: Callable[[MailboxChange], None]) -> None:
        self.tell = tell
        self.now = NOW
        self._accounts: dict[str, Account] = {}
        self._bodies: dict[str, bytes] = {}
        self._names = count(1)
        self.prepared = Prepared()

    def of(self, account: AccountRef) -> Account:
        return self._accounts.setdefault(account.account_id, Account())

    def _told(self, account: AccountRef, mailbox_id: int, modseq: int) -> None:
        self.tell(MailboxChange(account, mailbox_id, modseq))

    # -- mailboxes

    async def list_mailboxes(self, account: AccountRef) -> list[MailboxInfo]:
        held = self.of(account)
        return [held.info(held.boxes[n]) for n in sorted(held.boxes, key=lambda n: (n != INBOX, n.encode()))]

    async def get_mailbox(self, account: AccountRef, name: str) -> MailboxInfo | None:
        held = self.of(account)
        box = held.boxes.get(canonical(name))
        return None if box is None else held.info(box)

    async def has_inferiors(self, account: AccountRef, name: str) -> bool:
        return any(other.startswith(canonical(name) + SEPARATOR) for other in self.of(account).boxes)

    async def create_mailbox(
        self, account: AccountRef, name: str, special_use: frozenset[str] = frozenset()
    ) -> MailboxInfo:
        held = self.of(account)
        name = canonical(name.removesuffix(SEPARATOR))
        if name == INBOX:
            raise InboxProtected
        if name in held.boxes:
            raise MailboxExists(name)
        for superior in superiors(name):
            if superior not in held.boxes:
                held.add(superior, frozenset())
        made = held.info(held.add(name, special_use))
        self._told(account, 0, 0)
        return made

    async def delete_mailbox(self, account: AccountRef, name: str) -> None:
        held = self.of(account)
        name = canonical(name)
        if name == INBOX:
            raise InboxProtected
        if name not in held.boxes:
            raise MailboxMissing(name)
        if any(other.startswith(name + SEPARATOR) for other in held.boxes):
            raise MailboxHasInferiors(name)
        del held.boxes[name]
        self._told(account, 0, 0)

    async def rename_mailbox(self, account: AccountRef, old: str, new: str) -> None:
        held = self.of(account)
        old, new = canonical(old), canonical(new)
        if old not in held.boxes:
            raise MailboxMissing(old)
        if new in held.boxes:
            raise MailboxExists(new)
        if old == INBOX:
            made = held.add(new, frozenset())
            made.annotations = dict(held.boxes[INBOX].annotations)
            await self.move(
                account, held.boxes[INBOX].mailbox_id, list(held.boxes[INBOX].rows), made.mailbox_id
            )
        else:
            for name in [n for n in held.boxes if n == old or n.startswith(old + SEPARATOR)]:
                box = held.boxes.pop(name)
                box.name = new + name[len(old) :]
                held.boxes[box.name] = box
        self._told(account, 0, 0)

    async def subscribe(self, account: AccountRef, name: str) -> None:
        self.of(account).subscribed.add(canonical(name))
        self._told(account, 0, 0)

    async def unsubscribe(self, account: AccountRef, name: str) -> bool:
        held = self.of(account).subscribed
        was = canonical(name) in held
        held.discard(canonical(name))
        if was:
            self._told(account, 0, 0)
        return was

    async def list_subscriptions(self, account: AccountRef) -> list[str]:
        return sorted(self.of(account).subscribed)

    # -- messages in

    def may_wait(self, contents: Sequence[bytes]) -> bool:
        return all(len(content) < 1000 for content in contents)

    async def put_body(self, account: AccountRef, content: bytes) -> BodyReference:
        key = f"body-{next(self._names)}"
        self._bodies[key] = content
        return BodyReference(key, 0, len(content), hashlib.sha256(content).digest())

    async def put_bodies(self, account: AccountRef, contents: Sequence[bytes]) -> list[BodyReference]:
        return [await self.put_body(account, content) for content in contents]

    async def put_file(
        self, account: AccountRef, file: IO[bytes], octets: int, digest: bytes
    ) -> BodyReference:
        content = file.read()
        assert len(content) == octets
        assert hashlib.sha256(content).digest() == digest
        return await self.put_body(account, content)

    async def append(self, account: AccountRef, mailbox_id: int, messages: Sequence[NewMessage]) -> list[int]:
        held = self.of(account)
        box = held.by_id(mailbox_id)
        held.modseq += 1
        uids = [self._file(held, box, new, new.flags, f"{next(self._names):032x}").uid for new in messages]
        self._told(account, mailbox_id, held.modseq)
        return uids

    async def append_named(self, account: AccountRef, name: str, messages: Sequence[NewMessage]) -> Appended:
        box = self.of(account).boxes.get(canonical(name))
        if box is None:
            raise MailboxMissing(name)
        uids = await self.append(account, box.mailbox_id, messages)
        return Appended(box.mailbox_id, box.uid_validity, uids, box.highest_modseq)

    def _file(self, held: Account, box: Box, new: NewMessage, flags: Flags, message_id: str) -> Row:
        row = box.rows[box.uid_next] = Row(box.uid_next, held.modseq, flags, message_id, new, self.now)
        box.uid_next += 1
        box.highest_modseq = held.modseq
        return row

    async def replace(
        self, account: AccountRef, source_id: int, uid: int, target_id: int, new: NewMessage
    ) -> int:
        if uid not in self.of(account).by_id(source_id).rows:
            raise EntryMissing
        [new_uid] = await self.append(account, target_id, [new])
        self._remove(account, source_id, [uid])
        return new_uid

    # -- reading

    async def snapshot(self, account: AccountRef, mailbox_id: int, *, claim_recent: bool = False) -> Snapshot:
        held = self.of(account)
        box = held.by_id(mailbox_id)
        recent = box.recent_from_uid
        if claim_recent:
            box.recent_from_uid = box.uid_next
        rows = list(box.rows.values())
        return Snapshot(
            held.info(box),
            [row.uid for row in rows],
            [row.modseq for row in rows],
            [int(row.flags.system) for row in rows],
            {row.uid: row.flags.keywords for row in rows if row.flags.keywords},
            recent,
        )

    async def count_entries(self, account: AccountRef, mailbox_ids: Sequence[int]) -> dict[int, EntryCounts]:
        counts = {}
        for box in self.of(account).boxes.values():
            if box.mailbox_id in mailbox_ids:
                deleted = [row for row in box.rows.values() if row.flags.system & SystemFlag.DELETED]
                counts[box.mailbox_id] = EntryCounts(
                    sum(uid >= box.recent_from_uid for uid in box.rows),
                    len(deleted),
                    sum(row.new.size_octets for row in deleted),
                )
        return counts

    async def claim_recent(self, account: AccountRef, mailbox_id: int, uid_next: int) -> None:
        box = self.of(account).by_id(mailbox_id)
        box.recent_from_uid = max(box.recent_from_uid, uid_next)

    async def changes_since(self, account: AccountRef, mailbox_id: int, modseq: int) -> Changes:
        try:
            box = self.of(account).by_id(mailbox_id)
        except MailboxMissing:
            return Changes([], [], modseq, 0, True)
        return Changes(
            [Entry(row.uid, row.modseq, row.flags) for row in box.rows.values() if row.modseq > modseq],
            sorted(uid for uid, at in box.vanished if at > modseq),
            box.highest_modseq,
            box.uid_next,
            False,
        )

    async def fetch(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int], columns: Columns
    ) -> AsyncIterator[list[StoredMessage]]:
        box = self.of(account).by_id(mailbox_id)
        found = [_stored(box.rows[uid]) for uid in sorted(set(uids)) if uid in box.rows]
        if found:
            yield found

    async def fetch_places(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int]
    ) -> AsyncIterator[list[BodyPlace]]:
        async for found in self.fetch(account, mailbox_id, uids, Columns.BODY):
            yield [
                BodyPlace(each.uid, each.size_octets, UUID(int=each.uid), each.prefix, each.reference)
                for each in found
                if each.reference is not None
            ]

    async def fetch_joined(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int], segments: Sequence[Segment]
    ) -> AsyncIterator[list[Joined]]:
        def joined(message: StoredMessage) -> Joined:
            first, *others = (b"".join(written(message, each) for each in one) for one in segments)
            return (message.uid, first, *others)

        def written(message: StoredMessage, each: bytes | Written) -> bytes:
            match each:
                case Written.SIZE:
                    return b"%d" % message.size_octets
                case Written.DATE:
                    return message.internal_date.astimezone(UTC).strftime("%d-%b-%Y %H:%M:%S +0000").encode()
                case Written():
                    return bytes(getattr(message, each.name.lower()))
                case _:
                    return each

        async for found in self.fetch(account, mailbox_id, uids, Columns(0)):
            yield [joined(message) for message in found]

    async def headers_may_hold(
        self,
        account: AccountRef,
        mailbox_id: int,
        alternatives: Sequence[Sequence[str]],
        uids: Sequence[int] | None,
    ) -> list[int]:
        def may_hold(header: bytes) -> bool:
            if not header.isascii() or b"=?" in header:
                return True
            written = header.replace(b"\r", b"").replace(b"\n", b"").upper().decode("ascii")
            return any(all(text in written for text in texts) for texts in alternatives)

        rows = self.of(account).by_id(mailbox_id).rows
        return [
            uid
            for uid, row in sorted(rows.items())
            if (uids is None or uid in uids) and may_hold(row.new.prefix + row.new.facts.header)
        ]

    async def uids_of(self, account: AccountRef, mailbox_id: int, asked: Measured) -> list[int]:
        rows = [_stored(row) for _, row in sorted(self.of(account).by_id(mailbox_id).rows.items())]
        return [message.uid for message in rows if _has(message, asked)]

    async def read(self, message: StoredMessage, offset: int, length: int) -> bytes:
        assert message.reference is not None
        return (message.prefix + self._bodies[message.reference.object_key])[offset : offset + length]

    async def read_whole(self, messages: Sequence[StoredMessage]) -> list[bytes]:
        return [await self.read(message, 0, message.size_octets) for message in messages]

    # -- changing

    async def store_flags(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int], change: FlagChange
    ) -> list[Entry]:
        outcome = await self.store_flags_unless_changed(account, mailbox_id, uids, change, 1 << 62)
        return outcome.entries

    async def store_flags_unless_changed(
        self,
        account: AccountRef,
        mailbox_id: int,
        uids: Sequence[int],
        change: FlagChange,
        unchanged_since: int,
    ) -> FlagOutcome:
        held = self.of(account)
        box = held.by_id(mailbox_id)
        held.modseq += 1
        altered, modseq_before = False, box.highest_modseq
        entries: list[Entry] = []
        modified: list[int] = []
        for uid in sorted(set(uids)):
            row = box.rows.get(uid)
            if row is None:
                continue
            if row.modseq > unchanged_since:
                modified.append(uid)
                continue
            after = change.applied_to(row.flags)
            if after != row.flags:
                row.flags, row.modseq, altered = after, held.modseq, True
            entries.append(Entry(uid, row.modseq, row.flags))
        if altered:
            box.highest_modseq = held.modseq
            self._told(account, mailbox_id, held.modseq)
        return FlagOutcome(entries, modified, modseq_before, box.highest_modseq)

    async def expunge(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int] | None = None
    ) -> list[int]:
        rows = self.of(account).by_id(mailbox_id).rows
        chosen = [uid for uid, row in rows.items() if row.flags.system & SystemFlag.DELETED]
        return self._remove(account, mailbox_id, [uid for uid in chosen if uids is None or uid in uids])

    async def remove(self, account: AccountRef, mailbox_id: int, uids: Sequence[int]) -> list[int]:
        rows = self.of(account).by_id(mailbox_id).rows
        return self._remove(account, mailbox_id, [uid for uid in uids if uid in rows])

    def _remove(self, account: AccountRef, mailbox_id: int, uids: list[int]) -> list[int]:
        held = self.of(account)
        box = held.by_id(mailbox_id)
        held.modseq += 1
        for uid in uids:
            del box.rows[uid]
            box.vanished.append((uid, held.modseq))
        if uids:
            box.highest_modseq = held.modseq
            self._told(account, mailbox_id, held.modseq)
        return sorted(uids)

    async def copy(
        self, account: AccountRef, source_id: int, uids: Sequence[int], target_id: int
    ) -> CopyResult:
        held = self.of(account)
        source, target = held.by_id(source_id), held.by_id(target_id)
        held.modseq += 1
        chosen = [source.rows[uid] for uid in sorted(set(uids)) if uid in source.rows]
        pairs = [
            (row.uid, self._file(held, target, row.new, row.flags, row.message_id).uid) for row in chosen
        ]
        if pairs:
            self._told(account, target_id, held.modseq)
        return CopyResult(target.uid_validity, pairs)

    async def move(
        self, account: AccountRef, source_id: int, uids: Sequence[int], target_id: int
    ) -> CopyResult:
        result = await self.copy(account, source_id, uids, target_id)
        self._remove(account, source_id, [source for source, _ in result.pairs])
        return result

    async def limits(self, account: AccountRef) -> QuotaLimits:
        return NO_LIMITS

    async def quota(self, account: AccountRef) -> Quota:
        infos = await self.list_mailboxes(account)
        octets, messages = sum(each.size_octets for each in infos), sum(each.messages for each in infos)
        return Quota(account, NO_LIMITS, octets, messages)

    # -- texts: none are kept; what is asked of those that were read is tested on the real one

    async def ask_texts(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int], question: TextQuestion
    ) -> dict[int, TextAnswer]:
        return {}

    async def ask_of_texts(
        self, tenant_id: str, language: str, given: Sequence[str], question: TextQuestion
    ) -> list[TextAnswer]:
        return [
            TextAnswer(
                True,
                [each in text for each in question.substrings],
                [casemap(each) in text.split() for each in question.words],
                [float(each in text) for each in question.fuzzy],
            )
            for text in given
        ]

    # -- rights: kept; whom they let in is tested on the real one

    async def rights(self, owner: AccountRef, mailbox_id: int) -> dict[str, str]:
        return dict(sorted(self.of(owner).by_id(mailbox_id).rights.items()))

    async def change_rights(
        self, owner: AccountRef, mailbox_id: int, identifier: str, change: Callable[[Rights], Rights]
    ) -> None:
        held = self.of(owner).by_id(mailbox_id).rights
        held[identifier] = kept_form(change(frozenset(held.get(identifier, ""))))
        if not held[identifier]:
            del held[identifier]
        self._told(owner, 0, 0)

    # -- keys; what readers keep of others' mailboxes is tested on the real one

    async def mailbox_key(self, owner: AccountRef, mailbox_id: int, holder_id: str) -> bytes | None:
        return self.of(owner).by_id(mailbox_id).keys.get(holder_id)

    async def need_mailbox_key(self, owner: AccountRef, mailbox_id: int, holder_id: str) -> bytes:
        return self.of(owner).by_id(mailbox_id).keys.setdefault(holder_id, b"%032d" % next(self._names))

    async def renew_mailbox_key(self, owner: AccountRef, mailbox_id: int, holder_id: str) -> None:
        self.of(owner).by_id(mailbox_id).keys[holder_id] = b"%032d" % next(self._names)
        self.tell(MailboxChange(AccountRef(owner.tenant_id, holder_id), mailbox_id, 0, keys=True))

    async def forget_mailbox_keys(self, holder: AccountRef) -> None:
        for account in self._accounts.values():
            for box in account.boxes.values():
                box.keys.pop(holder.account_id, None)
        self.tell(MailboxChange(holder, 0, 0, keys=True))

    # -- annotations

    def _annotations(self, account: AccountRef, mailbox_id: int) -> dict[str, bytes]:
        held = self.of(account)
        return held.by_id(mailbox_id).annotations if mailbox_id else held.annotations

    async def get_annotations(self, account: AccountRef, mailbox_id: int) -> dict[str, bytes]:
        return dict(sorted(self._annotations(account, mailbox_id).items()))

    async def change_annotations(
        self, account: AccountRef, mailbox_id: int, values: Mapping[str, bytes | None]
    ) -> None:
        held = self._annotations(account, mailbox_id)
        after = {entry: value for entry, value in {**held, **values}.items() if value is not None}
        if len(after) > MOST_ENTRIES and any(value is not None for value in values.values()):
            raise AnnotationsFull
        held.clear()
        held.update(after)
        of = self.of(account)
        of.modseq += 1
        if mailbox_id:
            of.by_id(mailbox_id).highest_modseq = of.modseq
        self._told(account, mailbox_id, of.modseq)

    async def annotations_named(
        self, account: AccountRef, entries: Sequence[str]
    ) -> dict[tuple[int, str], bytes]:
        held = self.of(account)
        places = [(0, held.annotations), *((box.mailbox_id, box.annotations) for box in held.boxes.values())]
        return {(place, e): v for place, values in places for e, v in values.items() if e in entries}

    async def annotation_digests(self, account: AccountRef) -> dict[tuple[int, str], bytes]:
        held = self.of(account)
        places = [(0, held.annotations), *((box.mailbox_id, box.annotations) for box in held.boxes.values())]
        return {(place, entry): value for place, values in places for entry, value in values.items()}


def _has(message: StoredMessage, asked: Measured) -> bool:
    """As PostgreSQL compares it."""
    value: Any = asked.value
    what, _, how = asked.measure.name.partition("_")
    match what:
        case "ARRIVED" | "SAVED":
            at = message.internal_date if what == "ARRIVED" else message.saved_at
            assert at is not None
            day = at.astimezone(UTC).date()
            return bool({"BEFORE": day < value, "ON": day == value, "SINCE": day >= value}[how])
        case "YOUNGER":
            return bool(message.internal_date >= value)
        case "OLDER":
            return bool(message.internal_date < value)
        case "LARGER":
            return bool(message.size_octets > value)
        case "SMALLER":
            return bool(message.size_octets < value)
        case _:
            return bool(UUID(message.message_id) == value)


def _stored(row: Row) -> StoredMessage:
    facts: MessageFacts = row.new.facts
    return StoredMessage(
        uid=row.uid,
        modseq=row.modseq,
        flags=row.flags,
        internal_date=row.new.internal_date.astimezone(UTC),
        size_octets=row.new.size_octets,
        message_id=row.message_id,
        saved_at=row.saved_at,
        prefix=row.new.prefix,
        header=facts.header,
        header_octets=facts.header_octets,
        envelope=facts.envelope,
        bodystructure=facts.bodystructure,
        body=facts.body,
        parts=facts.parts,
        sent_at=facts.sent_at,
        thread_id=thread_id(facts.header, row.message_id.encode()),
        list_id=facts.list_id,
        has_attachments=facts.has_attachments,
        reference=replace(row.new.body),
    )
