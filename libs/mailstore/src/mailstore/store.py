"""The mail store: everything mda, imap and pop3 may do with mailboxes.

Each change is one transaction; `tell` is called after its commit. Every method
raises StoreUnavailable where PostgreSQL or the object storage is away, and
MailboxMissing where a mailbox is not there, not there any more, or not in this
tenant: the three look the same.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import IO

from blobstore import BlobStore, BlobUnavailable, BodyReference
from mailmodel import AccountRef, Entry, FlagAction, FlagChange, MailboxInfo
from mailmodel.quota import Quota, QuotaLimits
from mailmodel.rights import Rights
from pgkit import Pool, check, check_durability, open_pool, transaction

from mailstore import (
    across,
    annotations,
    bodies,
    emptying,
    filing,
    flagging,
    headers,
    joined,
    keys,
    mailboxes,
    measures,
    moving,
    places,
    readers,
    reading,
    removing,
    replacing,
    sealed_facts,
    sharing,
    staging,
    texts,
    upkeep,
)
from mailstore.appending import Appended, Appender
from mailstore.errors import StoreUnavailable
from mailstore.prepared import Prepared
from mailstore.quotas import AskLimits, Quotas, limits_of, unlimited
from mailstore.scripts import ScriptStore
from mailstore.sharing import SharedMailbox
from mailstore.staging import StagedBlobs
from mailstore.tenant_scripts import TenantScriptStore
from mailstore.texts import BodyText, TextAnswer, TextQuestion
from mailstore.turns import Turns
from mailstore.types import (
    BodyPlace,
    Changes,
    Columns,
    CopyResult,
    Delivery,
    EntryCounts,
    FlagLimits,
    FlagOutcome,
    MailboxChange,
    NewMessage,
    Outcome,
    Readable,
    Side,
    Snapshot,
    Sorted,
    SortedAs,
    StoredMessage,
)

Tell = Callable[[MailboxChange], None]

# Our statements leave the planner no choice (see `tables`): it need not choose again each time, which took longer than
# the work, and must not choose to read a whole table because that is small today.
PLANNED_ONCE = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}


# As clients say it (registered by RFC 5788's registry).
KEYWORDS = {"$junk": SortedAs.SPAM, "$notjunk": SortedAs.HAM}


class MailStore:
    """One store: a PostgreSQL database and a bucket."""

    def __init__(self, pool: Pool, blobs: BlobStore, tell: Tell, quotas: Quotas) -> None:
        self._pool = pool
        self._blobs: BlobStore = StagedBlobs(blobs, pool)
        self._staged_octets = staging.LONGEST_OCTETS
        self._tell = tell
        self._quotas = quotas
        self._turns = Turns()
        self._appender = Appender(pool, quotas, self._turns)
        # Messages that sessions of this process have read ahead.
        self.prepared = Prepared()
        # Told after a delivery what accounts that have a limit keep now.
        self.on_quota: Callable[[Quota], None] = lambda _quota: None
        # Told after a commit what users take messages for.
        self.on_sorted: Callable[[Sorted], None] = lambda _sorted: None

    @classmethod
    async def open(
        cls,
        dsn: str,
        blobs: BlobStore,
        tell: Tell,
        *,
        pool_size: int = 4,
        limits: AskLimits = unlimited,
        staged_octets: int = staging.LONGEST_OCTETS,
    ) -> "MailStore":
        """Connect as the application role. Raises DatabaseUnavailable or DatabaseMisconfigured.

        `limits` says how much accounts may keep; whoever files for users gives it. Bodies that are appended
        and not longer than `staged_octets` wait in the database (`staging`).
        """
        pool = await open_pool(dsn, max_size=pool_size, settings=PLANNED_ONCE)
        await check_durability(pool)
        store = cls(pool, blobs, tell, Quotas(limits))
        store._staged_octets = staged_octets
        return store

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def check(self) -> None:
        """Raise StoreUnavailable while PostgreSQL does not answer."""
        await check(self._pool)

    @property
    def scripts(self) -> ScriptStore:
        """The accounts' Sieve scripts."""
        return ScriptStore(self._pool)

    @property
    def tenant_scripts(self) -> TenantScriptStore:
        """The tenants' Sieve scripts."""
        return TenantScriptStore(self._pool)

    def _told(self, *changes: MailboxChange | None) -> None:
        for change in changes:
            if change is not None:
                self._tell(change)

    # -- the list of mailboxes

    async def provision(self, account: AccountRef) -> None:
        """Give a new account its first mailboxes. Idempotent; delivery and listing do it by themselves."""
        await mailboxes.listing(self._pool, account)

    async def list_mailboxes(self, account: AccountRef) -> list[MailboxInfo]:
        """All mailboxes, INBOX first, then by name."""
        return await mailboxes.listing(self._pool, account)

    async def get_mailbox(self, account: AccountRef, name: str) -> MailboxInfo | None:
        """One mailbox or None. Raises MailboxNameInvalid."""
        return await mailboxes.get(self._pool, account, name)

    async def has_inferiors(self, account: AccountRef, name: str) -> bool:
        """Whether there are mailboxes below it. Raises MailboxNameInvalid."""
        return await mailboxes.has_inferiors(self._pool, account, name)

    async def create_mailbox(
        self, account: AccountRef, name: str, special_use: frozenset[str] = frozenset()
    ) -> MailboxInfo:
        """Raises MailboxExists, InboxProtected, MailboxNameInvalid, MailboxesFull."""
        async with self._turns.of(account):
            made = await mailboxes.create(self._pool, account, name, special_use)
        self._told(MailboxChange(account, 0, 0))
        return made

    async def delete_mailbox(self, account: AccountRef, name: str) -> None:
        """Raises MailboxMissing, MailboxHasInferiors, InboxProtected."""
        async with self._turns.of(account):
            await mailboxes.delete(self._pool, account, name)
        self._told(MailboxChange(account, 0, 0))

    async def rename_mailbox(self, account: AccountRef, old: str, new: str) -> None:
        """Raises MailboxMissing, MailboxExists, InboxProtected, MailboxNameInvalid, MailboxesFull."""
        async with self._turns.of(account):
            await mailboxes.rename(self._pool, account, old, new)
        self._told(MailboxChange(account, 0, 0))

    async def subscribe(self, account: AccountRef, name: str) -> None:
        """Remember a name, whether or not there is such a mailbox. Raises MailboxesFull."""
        async with self._turns.of(account):
            await mailboxes.subscribe(self._pool, account, name)
        self._told(MailboxChange(account, 0, 0))

    async def unsubscribe(self, account: AccountRef, name: str) -> bool:
        """False when it was not remembered."""
        was_there = await mailboxes.unsubscribe(self._pool, account, name)
        self._told(MailboxChange(account, 0, 0) if was_there else None)
        return was_there

    async def list_subscriptions(self, account: AccountRef) -> list[str]:
        """All names remembered."""
        return await mailboxes.subscriptions(self._pool, account)

    # -- messages in

    async def deliver(self, deliveries: Sequence[Delivery]) -> list[Outcome]:
        """File a batch for any accounts in one transaction; what became of each."""
        if not deliveries:
            return []
        deliveries = await sealed_facts.seal_deliveries(self._blobs, deliveries)
        filed = await filing.deliver(self._pool, self._quotas, deliveries)
        self._told(*filed.changes)
        for quota in filed.quotas:
            self.on_quota(quota)
        return filed.outcomes

    def may_wait(self, contents: Sequence[bytes]) -> bool:
        """Whether bodies that are appended together are so short that they are stored with their messages."""
        return staging.may_wait(contents, self._staged_octets)

    async def put_body(self, account: AccountRef, content: bytes) -> BodyReference:
        """Of a message to be appended. A short one is stored with its message (`staging`)."""
        [reference] = await self.put_bodies(account, [content])
        return reference

    async def put_bodies(self, account: AccountRef, contents: Sequence[bytes]) -> list[BodyReference]:
        """The same of messages that are appended together: longer ones in few objects."""
        if self.may_wait(contents):
            return await staging.stage(self._blobs, account, contents)
        return await bodies.put(self._blobs, account, contents)

    async def put_file(
        self, account: AccountRef, file: IO[bytes], octets: int, digest: bytes
    ) -> BodyReference:
        """The same of one that is too long to be held; `digest` is its SHA-256."""
        return await bodies.put_file(self._blobs, account, file, octets, digest)

    async def append(self, account: AccountRef, mailbox_id: int, messages: Sequence[NewMessage]) -> list[int]:
        """File messages into one mailbox, all or none; their UIDs. Raises QuotaExceeded."""
        messages = await sealed_facts.seal(self._blobs, account.tenant_id, messages)
        async with self._turns.of(account):
            uids, change = await filing.append(self._pool, self._quotas, account, mailbox_id, messages)
        self._told(change)
        return uids

    async def append_named(self, account: AccountRef, name: str, messages: Sequence[NewMessage]) -> Appended:
        """The same, into a mailbox of the account's own by its name: one turn to PostgreSQL where they are short."""
        messages = await sealed_facts.seal(self._blobs, account.tenant_id, messages)
        appended = await self._appender.append(account, name, messages)
        self._told(MailboxChange(account, appended.mailbox_id, appended.modseq))
        return appended

    async def replace(
        self, account: AccountRef, source_id: int, uid: int, target_id: int, new: NewMessage
    ) -> int:
        """File a message and remove another, both or neither; the new UID. Raises EntryMissing, QuotaExceeded."""
        [new] = await sealed_facts.seal(self._blobs, account.tenant_id, [new])
        async with self._turns.of(account):
            new_uid, told = await replacing.replace(
                self._pool, self._quotas, account, source_id, uid, target_id, new
            )
        self._told(*told)
        return new_uid

    # -- reading

    async def snapshot(self, account: AccountRef, mailbox_id: int, *, claim_recent: bool = False) -> Snapshot:
        """The mailbox as it is now."""
        found = await reading.snapshot(self._pool, account, mailbox_id)
        if claim_recent and found.recent_from_uid < found.info.uid_next:
            await self.claim_recent(account, mailbox_id, found.info.uid_next)
        return found

    async def sizes(self, account: AccountRef, mailbox_id: int) -> tuple[list[int], list[int]]:
        """UIDs in order, and the size in octets of each message."""
        return await reading.sizes(self._pool, account, mailbox_id)

    async def seen_before(self, account: AccountRef, mailbox_id: int, saved_before: datetime) -> list[int]:
        """UIDs of what is \\Seen and came into the mailbox before an instant."""
        return await reading.seen_before(self._pool, account, mailbox_id, saved_before)

    async def count_entries(self, account: AccountRef, mailbox_ids: Sequence[int]) -> dict[int, EntryCounts]:
        """What no counter holds, by mailbox; mailboxes that are gone are left out."""
        return await reading.count_entries(self._pool, account, mailbox_ids)

    async def claim_recent(self, account: AccountRef, mailbox_id: int, uid_next: int) -> None:
        """Messages below `uid_next` were announced to a session: they are \\Recent to no later one."""
        async with self._turns.of(account):
            await reading.claim_recent(self._pool, account, mailbox_id, uid_next)

    async def changes_since(self, account: AccountRef, mailbox_id: int, modseq: int) -> Changes:
        """What changed after a MODSEQ; `gone` where the mailbox was deleted."""
        return await reading.changes_since(self._pool, account, mailbox_id, modseq)

    def fetch(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int], columns: Columns
    ) -> AsyncIterator[list[StoredMessage]]:
        """Messages in UID order, in pieces."""
        found = reading.fetch(self._pool, account, mailbox_id, uids, columns)
        if columns & sealed_facts.COLUMNS:
            return sealed_facts.opened(self._blobs, account.tenant_id, found)
        return found

    async def body_places(self, account: AccountRef, mailbox_id: int, uids: Sequence[int]) -> list[BodyPlace]:
        """Where the octets of these messages are, in UID order; UIDs that are gone are left out."""
        return await places.body_places(self._pool, account, mailbox_id, uids)

    def fetch_joined(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int], segments: Sequence[joined.Segment]
    ) -> AsyncIterator[Sequence[joined.Joined]]:
        """(UID, segment, ...): what is kept of messages, put together by PostgreSQL; in UID order, in pieces.

        Segments of a message whose columns are sealed are None: `fetch` opens them.
        """
        return joined.joined(self._pool, account, mailbox_id, uids, segments)

    async def headers_may_hold(
        self,
        account: AccountRef,
        mailbox_id: int,
        alternatives: headers.Alternatives,
        uids: Sequence[int] | None,
    ) -> list[int]:
        """UIDs, in order, of those messages (None: of all) whose header may hold all texts of an alternative, which are in
        upper case: none is left out that does.
        """
        return await headers.may_hold(self._pool, account, mailbox_id, alternatives, uids)

    async def uids_of(self, account: AccountRef, mailbox_id: int, asked: measures.Measured) -> list[int]:
        """UIDs, in order, of the messages that have this measure."""
        return await measures.uids_of(self._pool, account, mailbox_id, asked)

    def fetch_places(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int]
    ) -> AsyncIterator[Sequence[BodyPlace]]:
        """The same of any number of messages, in pieces."""
        return places.fetch_places(self._pool, account, mailbox_id, uids)

    async def read(self, message: Readable, offset: int, length: int) -> bytes:
        """Octets of prefix and body of a message that was fetched with Columns.BODY."""
        return await bodies.read(self._blobs, message, offset, length)

    async def read_whole(self, messages: Sequence[Readable]) -> list[bytes]:
        """Several whole messages that were fetched with Columns.BODY; neighbours in one object cost one request."""
        return await bodies.read_whole(self._blobs, messages)

    # -- changing

    async def store_flags(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int], change: FlagChange
    ) -> list[Entry]:
        """The entries as they are after it."""
        async with self._turns.of(account):
            outcome, told = await flagging.store_flags(self._pool, account, mailbox_id, uids, change)
        self._told(told)
        self._sorted_by_keyword(account, mailbox_id, outcome, change)
        return outcome.entries

    async def store_flags_unless_changed(
        self,
        account: AccountRef,
        mailbox_id: int,
        uids: Sequence[int],
        change: FlagChange,
        unchanged_since: int,
    ) -> FlagOutcome:
        """Only of messages that did not change after a MODSEQ (RFC 7162 §3.1.3)."""
        async with self._turns.of(account):
            outcome, told = await flagging.store_flags(
                self._pool, account, mailbox_id, uids, change, unchanged_since
            )
        self._told(told)
        self._sorted_by_keyword(account, mailbox_id, outcome, change)
        return outcome

    async def expunge(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int] | None = None
    ) -> list[int]:
        """Remove messages with \\Deleted (of these UIDs, or all); the UIDs removed."""
        async with self._turns.of(account):
            gone, told = await removing.expunge(self._pool, account, mailbox_id, uids)
        self._told(told)
        return gone

    async def remove(self, account: AccountRef, mailbox_id: int, uids: Sequence[int]) -> list[int]:
        """Remove messages whatever their flags, all or none; the UIDs that were there."""
        async with self._turns.of(account):
            gone, told = await removing.remove(self._pool, account, mailbox_id, uids)
        self._told(told)
        return gone

    async def copy(
        self, account: AccountRef, source_id: int, uids: Sequence[int], target_id: int
    ) -> CopyResult:
        """All or none; UIDs that are gone are left out. Raises QuotaExceeded."""
        async with self._turns.of(account):
            result, told = await moving.copy(self._pool, self._quotas, account, source_id, uids, target_id)
        self._told(*told)
        self._sorted_by_place(account, target_id, result)
        return result

    async def move(
        self, account: AccountRef, source_id: int, uids: Sequence[int], target_id: int
    ) -> CopyResult:
        """Copy and remove at once."""
        async with self._turns.of(account):
            result, told = await moving.move(self._pool, account, source_id, uids, target_id)
        self._told(*told)
        self._sorted_by_place(account, target_id, result)
        return result

    def _sorted_by_place(self, account: AccountRef, target_id: int, result: CopyResult) -> None:
        if result.sorted_as is not None and result.pairs:
            uids = tuple(uid for _, uid in result.pairs)
            self.on_sorted(Sorted(account, target_id, uids, result.sorted_as))

    def _sorted_by_keyword(
        self, account: AccountRef, mailbox_id: int, outcome: FlagOutcome, change: FlagChange
    ) -> None:
        said = {word.lower() for word in change.flags.keywords} & KEYWORDS.keys()
        if change.action is FlagAction.REMOVE or len(said) != 1:
            return
        left_alone = set(outcome.modified)
        uids = tuple(entry.uid for entry in outcome.entries if entry.uid not in left_alone)
        if uids:
            self.on_sorted(Sorted(account, mailbox_id, uids, KEYWORDS[said.pop()]))

    # -- quotas

    async def limits(self, account: AccountRef) -> QuotaLimits:
        """What an account may keep, from memory most times."""
        return limits_of(await self._quotas.limits([account]), account)

    async def quota(self, account: AccountRef) -> Quota:
        """What an account keeps, and may keep."""
        limits = await self.limits(account)
        async with transaction(self._pool, account.tenant_id) as connection:
            used = await self._quotas.used(connection, account.tenant_id, {account.account_id: limits})
        return used[account.account_id]

    # -- annotations

    async def get_annotations(self, account: AccountRef, mailbox_id: int) -> dict[str, bytes]:
        """Of a mailbox; of the account itself where the id is 0."""
        return await annotations.get(self._pool, account, mailbox_id)

    async def change_annotations(
        self, account: AccountRef, mailbox_id: int, values: Mapping[str, bytes | None]
    ) -> None:
        """None removes; all or nothing. Names in lower case. Raises AnnotationsFull."""
        async with self._turns.of(account):
            told = await annotations.change(self._pool, account, mailbox_id, values)
        self._told(told)

    async def annotations_named(
        self, account: AccountRef, entries: Sequence[str]
    ) -> dict[tuple[int, str], bytes]:
        """Those with these names, of all mailboxes, by mailbox id and name."""
        return await annotations.named(self._pool, account, entries)

    async def annotation_digests(self, account: AccountRef) -> dict[tuple[int, str], bytes]:
        """Of all annotations of an account, by mailbox id and name."""
        return await annotations.digests(self._pool, account)

    async def get_annotations_as(
        self, owner: AccountRef, mailbox_id: int, reader_id: str
    ) -> dict[str, bytes]:
        """What a reader keeps for himself about another's mailbox."""
        return await annotations.get_as(self._pool, owner, mailbox_id, reader_id)

    async def change_annotations_as(
        self,
        owner: AccountRef,
        mailbox_id: int,
        reader_id: str,
        own: Mapping[str, bytes | None],
        shared: Mapping[str, bytes | None],
    ) -> None:
        """What is a reader's own, and what is the mailbox's; all or nothing. Raises AnnotationsFull."""
        async with self._turns.of(owner):
            told = await annotations.change_as(self._pool, owner, mailbox_id, reader_id, own, shared)
        self._told(told)

    # -- keys of mailboxes: what their holder signs URLs with

    async def mailbox_key(self, owner: AccountRef, mailbox_id: int, holder_id: str) -> bytes | None:
        """None where he has none."""
        return await keys.get(self._pool, owner, mailbox_id, holder_id)

    async def need_mailbox_key(self, owner: AccountRef, mailbox_id: int, holder_id: str) -> bytes:
        """Made where he has none."""
        return await keys.need(self._pool, owner, mailbox_id, holder_id)

    async def renew_mailbox_key(self, owner: AccountRef, mailbox_id: int, holder_id: str) -> None:
        """What was signed with the one before is worth nothing from now on. The holder's sessions are told."""
        await keys.renew(self._pool, owner, mailbox_id, holder_id)
        self._told(MailboxChange(AccountRef(owner.tenant_id, holder_id), mailbox_id, 0, keys=True))

    async def forget_mailbox_keys(self, holder: AccountRef) -> None:
        """All that he has."""
        await keys.forget_all(self._pool, holder)
        self._told(MailboxChange(holder, 0, 0, keys=True))

    # -- others' mailboxes: a `Side`, or a mailbox and the id of its reader

    async def list_visible(
        self, account: AccountRef, who: Sequence[str]
    ) -> tuple[list[MailboxInfo], list[SharedMailbox]]:
        """One's own, and those of others in which any of the identifiers `who` has any right."""
        return await sharing.listing(self._pool, account, who)

    async def get_shared(
        self, owner: AccountRef, name: str, reader: AccountRef, who: Sequence[str]
    ) -> SharedMailbox | None:
        """Another's mailbox by its name there. None without any right. Raises MailboxNameInvalid."""
        return await sharing.get(self._pool, owner, name, reader, who)

    async def get_shared_by_id(
        self, owner: AccountRef, mailbox_id: int, reader: AccountRef, who: Sequence[str]
    ) -> SharedMailbox | None:
        """The same by its id."""
        return await sharing.get_by_id(self._pool, owner, mailbox_id, reader, who)

    async def rights(self, owner: AccountRef, mailbox_id: int) -> dict[str, str]:
        """A mailbox's access control list, by identifier (mailmodel.rights)."""
        return await sharing.rights(self._pool, owner, mailbox_id)

    async def change_rights(
        self, owner: AccountRef, mailbox_id: int, identifier: str, change: Callable[[Rights], Rights]
    ) -> None:
        """Of one identifier. Raises RightsFull."""
        async with self._turns.of(owner):
            told = await sharing.change_rights(self._pool, owner, mailbox_id, identifier, change)
        self._told(told)

    async def snapshot_as(
        self, owner: AccountRef, mailbox_id: int, reader_id: str, *, claim_recent: bool = False
    ) -> Snapshot:
        """As a reader sees it: \\Seen is his own."""
        found = await readers.snapshot(self._pool, owner, mailbox_id, reader_id)
        if claim_recent and found.recent_from_uid < found.info.uid_next:
            await self.claim_recent(owner, mailbox_id, found.info.uid_next)
        return found

    async def changes_as(self, owner: AccountRef, mailbox_id: int, modseq: int, reader_id: str) -> Changes:
        """What changed for a reader."""
        return await readers.changes_since(self._pool, owner, mailbox_id, modseq, reader_id)

    async def store_flags_as(
        self,
        owner: AccountRef,
        mailbox_id: int,
        uids: Sequence[int],
        change: FlagChange,
        unchanged_since: int,
        reader_id: str,
        limits: FlagLimits,
    ) -> FlagOutcome:
        """What of it the limits allow."""
        async with self._turns.of(owner):
            outcome, told = await readers.store_flags(
                self._pool, owner, mailbox_id, uids, change, unchanged_since, reader_id, limits
            )
        self._told(told)
        return outcome

    async def append_to(self, target: Side, messages: Sequence[NewMessage]) -> list[int]:
        """File messages, all or none; their UIDs."""
        messages = await sealed_facts.seal(self._blobs, target.owner.tenant_id, messages)
        async with self._turns.of(target.owner):
            uids, told = await across.append(self._pool, self._quotas, target, messages)
        self._told(told)
        return uids

    async def copy_between(self, source: Side, uids: Sequence[int], target: Side) -> CopyResult:
        """All or none; UIDs that are gone are left out."""
        async with self._turns.of(source.owner, target.owner):
            result, told = await across.copy(self._pool, self._quotas, source, uids, target)
        self._told(*told)
        self._sorted_by_place(target.owner, target.mailbox_id, result)
        return result

    async def move_between(self, source: Side, uids: Sequence[int], target: Side) -> CopyResult:
        """Copy and remove at once."""
        async with self._turns.of(source.owner, target.owner):
            result, told = await across.move(self._pool, self._quotas, source, uids, target)
        self._told(*told)
        self._sorted_by_place(target.owner, target.mailbox_id, result)
        return result

    async def replace_between(self, source: Side, uid: int, target: Side, new: NewMessage) -> int:
        """File a message and remove another, both or neither; the new UID. Raises EntryMissing."""
        [new] = await sealed_facts.seal(self._blobs, target.owner.tenant_id, [new])
        async with self._turns.of(source.owner, target.owner):
            new_uid, told = await across.replace(self._pool, self._quotas, source, uid, target, new)
        self._told(*told)
        return new_uid

    # -- texts of bodies

    async def ask_texts(
        self, account: AccountRef, mailbox_id: int, uids: Sequence[int], question: TextQuestion
    ) -> dict[int, TextAnswer]:
        """By UID, of messages whose text is kept."""
        return await texts.ask(self._pool, account, mailbox_id, uids, question)

    async def ask_of_texts(
        self, tenant_id: str, language: str, given: Sequence[str], question: TextQuestion
    ) -> list[TextAnswer]:
        """Of these texts."""
        return await texts.ask_of(self._pool, tenant_id, language, given, question)

    async def keep_texts(self, account: AccountRef, language: str, kept: Sequence[BodyText]) -> None:
        """Of messages that are gone nothing is kept, nor of a tenant that encrypts its bodies."""
        if await self._is_sealed(account):
            return
        await texts.keep(self._pool, account, language, kept)

    async def without_text(
        self, account: AccountRef, mailbox_id: int, below_uid: int, limit: int
    ) -> list[int]:
        """UIDs of messages whose text is not kept and may be, the newest first."""
        if await self._is_sealed(account):
            return []
        return await texts.unkept(self._pool, account, mailbox_id, below_uid, limit)

    async def _is_sealed(self, account: AccountRef) -> bool:
        """Whether what is put for its tenant now is encrypted. Raises StoreUnavailable."""
        try:
            return await self._blobs.is_sealing(account.tenant_id)
        except BlobUnavailable as error:
            raise StoreUnavailable(str(error)) from error

    # -- upkeep

    async def remove_account(self, account: AccountRef) -> int:
        """Everything of an account that was removed for good; how many messages. Idempotent."""
        return await emptying.remove_account(self._pool, account)

    async def pack(self) -> int:
        """Move short bodies that were appended from the database to the object storage; how many."""
        return await staging.pack(self._pool, self._blobs)

    async def settled(self, queue_ids: Sequence[str]) -> set[tuple[str, str]]:
        """Which (queue id, recipient) of these queue ids are filed."""
        return await upkeep.settled(self._pool, queue_ids)

    def orphans(self, kept: timedelta, at_once: int) -> AsyncIterator[list[upkeep.Orphan]]:
        """Objects whose last message went, longer ago than this; in pieces."""
        return upkeep.orphans(self._pool, kept, at_once)

    async def unused_objects(self, keys: Sequence[str]) -> set[str]:
        """Those of these objects that no message refers to."""
        return await upkeep.unused_objects(self._pool, keys)

    async def settle_orphans(self, settled: Sequence[upkeep.Orphan]) -> None:
        """These are removed, or are no orphans any more."""
        await upkeep.settle_orphans(self._pool, settled)

    async def prune(self) -> int:
        """Forget old delivery records, and where bodies were before they were packed; how many."""
        forgotten = await upkeep.prune(self._pool)
        while told := await staging.forget(self._pool):
            forgotten += told
        return forgotten
