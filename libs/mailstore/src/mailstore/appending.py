"""APPEND of short messages by one statement (migration 0016): one turn to PostgreSQL and one commit.

Messages that come while others are being filed wait for these, and are then filed together, whoever's they are: where
one client appends there is one message in a transaction, where many do there are many. Nothing waits for a clock.

Nobody waits for the lock of another's account: what finds its account locked is filed by itself, patiently. An account
is never in two statements of this process at once.

What is longer, waits for nothing, or shares a tenant's room goes another way (`filing.append`).
"""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import assert_never
from uuid import UUID, uuid4

import asyncpg
from mailmodel import AccountRef, SystemFlag
from mailmodel.mailbox_name import canonical
from mailmodel.quota import Quota, QuotaLimits
from pgkit import Pool
from pgkit.single import call
from pgkit.tenancy import may_enter

from mailstore import filing, mailboxes
from mailstore.errors import MailboxMissing, QuotaExceeded, StoreUnavailable
from mailstore.quotas import Quotas, limits_of
from mailstore.staging import StagedBody
from mailstore.turns import Turns
from mailstore.types import NewMessage

# Statements of one process at a time, and how much one takes.
UNDER_WAY = 2
MOST_ITEMS = 64
MOST_OCTETS = 2 * 1024 * 1024
OF_ITEM = ("uuid", "uuid", "text", "int", "int", "bigint", "bigint", "bigint")
OF_MESSAGE = (
    *("int", "int", "uuid", "uuid", "bytea", "text", "bigint", "bytea", "bytea", "int"),
    *(
        "bytea",
        "bytea",
        "bytea",
        "bytea",
        "timestamptz",
        "bytea",
        "bytea",
        "boolean",
        "smallint",
        "text",
        "timestamptz",
    ),
)
TYPES = OF_ITEM + OF_MESSAGE
STATEMENT = f"SELECT * FROM append_2($1, {', '.join(f'${n}' for n, _ in enumerate(TYPES, 2))})"  # noqa: S608
# Of one message: what are arrays there need not be sent as such.
OF_ONE = f"SELECT * FROM append_2($1, {', '.join(f'ARRAY[${n}::{t}]' for n, t in enumerate(TYPES, 2))})"  # noqa: S608


class _Outcome(IntEnum):
    FILED = 0
    NO_MAILBOX = 1
    NO_ACCOUNT = 2
    NO_ROOM = 3
    LOCKED = 4


class AccountMissing(Exception):
    """The account has no row (yet), or another tenant's."""


@dataclass(frozen=True, slots=True)
class Appended:
    """Where messages were filed; what the account keeps now, where it has a limit and that was counted."""

    mailbox_id: int
    uid_validity: int
    uids: list[int]
    modseq: int = 0
    quota: Quota | None = None


# Message id, body id, content, its key, length and digest, header and its octets, the three structures, parts, sent_at,
# thread, list id, attachments, system flags, keywords, internal date.
_Values = tuple[
    UUID,
    UUID,
    bytes,
    str,
    int,
    bytes,
    bytes,
    int,
    bytes,
    bytes,
    bytes,
    bytes,
    datetime | None,
    bytes,
    bytes | None,
    bool | None,
    int,
    str,
    datetime,
]


@dataclass(frozen=True, slots=True)
class Item:
    """One APPEND."""

    account: AccountRef
    name: str
    limits: QuotaLimits
    messages: list[_Values]
    octets: int
    unseen: int


def item_of(
    account: AccountRef, name: str, limits: QuotaLimits, messages: Sequence[NewMessage]
) -> Item | None:
    """None where these are not for this way. `name` is canonical."""
    if limits.tenant_octets or not messages:
        return None
    values: list[_Values] = []
    for new in messages:
        body, facts = new.body, new.facts
        if not isinstance(body, StagedBody) or new.prefix:
            return None
        key = uuid4()
        values.append(
            (
                key,
                UUID(body.object_key.rpartition("/")[2]),
                body.content,
                body.object_key,
                body.length,
                body.digest,
                facts.header,
                facts.header_octets,
                facts.envelope,
                facts.bodystructure,
                facts.body,
                facts.parts,
                facts.sent_at,
                new.thread_id(key.bytes),
                facts.list_id,
                facts.has_attachments,
                int(new.flags.system),
                " ".join(sorted(new.flags.keywords)),
                new.internal_date,
            )
        )
    unseen = sum(not new.flags.system & SystemFlag.SEEN for new in messages)
    return Item(account, name, limits, values, sum(new.size_octets for new in messages), unseen)


class Appender:
    """What one process appends."""

    def __init__(self, pool: Pool, quotas: Quotas, turns: Turns) -> None:
        self._pool = pool
        self._quotas = quotas
        self._turns = turns
        self._waiting: list[tuple[Item, asyncio.Future[Appended | None]]] = []
        self._busy: set[AccountRef] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def append(self, account: AccountRef, name: str, messages: Sequence[NewMessage]) -> Appended:
        """File messages into a mailbox of the account's own, all or none.

        Raises MailboxMissing, MailboxNameInvalid, QuotaExceeded and StoreUnavailable (then they may have been filed).
        """
        name = canonical(name)
        limits = limits_of(await self._quotas.limits([account]), account)
        item = item_of(account, name, limits, messages)
        if item is not None:
            try:
                appended = await self._append(item)
                self._quotas.filed(account.tenant_id, item.octets)
                return appended
            except AccountMissing:
                # The look below gives it its first mailboxes.
                pass
        found = await mailboxes.get(self._pool, account, name)
        if found is None:
            raise MailboxMissing(name)
        async with self._turns.of(account):
            uids, change = await filing.append(self._pool, self._quotas, account, found.mailbox_id, messages)
        return Appended(found.mailbox_id, found.uid_validity, uids, change.highest_modseq)

    async def _append(self, item: Item) -> Appended:
        may_enter(item.account.tenant_id)
        future: asyncio.Future[Appended | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._begin()
        appended = await future
        if appended is None:
            async with self._turns.of(item.account):
                [row] = await self._call([item], waits=True)
            appended = _appended(item, row)
            if appended is None:
                raise StoreUnavailable("the account is locked")
        return appended

    def _begin(self) -> None:
        """As many statements as there may be, and as there is something for."""
        while self._waiting and len(self._tasks) < UNDER_WAY:
            batch = self._take()
            if not batch:
                return
            # Not in the context of who came first: others' messages are in it.
            task = asyncio.get_running_loop().create_task(self._file(batch), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._begin()

    def _take(self) -> list[tuple[Item, asyncio.Future[Appended | None]]]:
        """The next ones, but of accounts that are under way; they are under way now."""
        batch: list[tuple[Item, asyncio.Future[Appended | None]]] = []
        rest: list[tuple[Item, asyncio.Future[Appended | None]]] = []
        octets = 0
        for place, (item, future) in enumerate(self._waiting):
            if future.done():
                continue
            if batch and (len(batch) == MOST_ITEMS or octets + item.octets > MOST_OCTETS):
                rest += self._waiting[place:]
                break
            if item.account in self._busy:
                rest.append((item, future))
                continue
            batch.append((item, future))
            octets += item.octets
        self._waiting = rest
        self._busy.update(item.account for item, _ in batch)
        batch.sort(key=lambda each: (each[0].account.tenant_id, each[0].account.account_id))
        return batch

    async def _file(self, batch: Sequence[tuple[Item, asyncio.Future[Appended | None]]]) -> None:
        try:
            await self._file_each(batch)
        finally:
            self._busy.difference_update(item.account for item, _ in batch)

    async def _file_each(self, batch: Sequence[tuple[Item, asyncio.Future[Appended | None]]]) -> None:
        try:
            rows = await self._call([item for item, _ in batch], waits=False)
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, StoreUnavailable):
                # One of them cannot be filed: nothing was, and the others need not know of it.
                for each in batch:
                    await self._file_each([each])
                return
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (item, future), row in zip(batch, rows, strict=True):
            if future.done():
                continue
            try:
                future.set_result(_appended(item, row))
            except (MailboxMissing, QuotaExceeded, AccountMissing) as error:
                future.set_exception(error)

    async def _call(self, items: Sequence[Item], *, waits: bool) -> list[asyncpg.Record]:
        if len(items) == 1 and len(items[0].messages) == 1:
            return await self._call_one(items[0], waits=waits)
        tenants = [item.account.tenant_id for item in items]
        messages = [
            (number, place, *values)
            for number, item in enumerate(items, 1)
            for place, values in enumerate(item.messages)
        ]
        return await call(
            self._pool,
            dict.fromkeys(tenants),
            STATEMENT,
            waits,
            tenants,
            [item.account.account_id for item in items],
            [item.name for item in items],
            [len(item.messages) for item in items],
            [item.unseen for item in items],
            [item.octets for item in items],
            [item.limits.octets for item in items],
            [item.limits.messages for item in items],
            *(list(column) for column in zip(*messages, strict=True)),
        )

    async def _call_one(self, item: Item, *, waits: bool) -> list[asyncpg.Record]:
        return await call(
            self._pool,
            [item.account.tenant_id],
            OF_ONE,
            waits,
            item.account.tenant_id,
            item.account.account_id,
            item.name,
            1,
            item.unseen,
            item.octets,
            item.limits.octets,
            item.limits.messages,
            1,
            0,
            *item.messages[0],
        )


def _appended(item: Item, row: asyncpg.Record) -> Appended | None:
    """None: its account was locked. Raises what `Appender.append` does."""
    outcome = _Outcome(row["outcome"])
    match outcome:
        case _Outcome.FILED:
            first = row["first_uid"]
            quota = None
            if item.limits.is_limited:
                quota = Quota(item.account, item.limits, row["kept_octets"], row["kept_messages"])
            uids = list(range(first, first + len(item.messages)))
            return Appended(row["mailbox"], row["validity"], uids, row["given"], quota)
        case _Outcome.NO_MAILBOX:
            raise MailboxMissing(item.name)
        case _Outcome.NO_ACCOUNT:
            raise AccountMissing
        case _Outcome.NO_ROOM:
            raise QuotaExceeded("account")
        case _Outcome.LOCKED:
            return None
        case _:
            assert_never(outcome)
