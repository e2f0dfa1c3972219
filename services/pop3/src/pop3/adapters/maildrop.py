"""A maildrop is the INBOX of an account in the mail store, under a lock that holds over all processes.

The unique-id of a message (RFC 1939 §7) is `<uidvalidity>.<uid>`: as stable as IMAP's UIDs. Rows are read ahead,
because clients take messages in order, and small messages too (`read_ahead`); the octets of a large one are read in
chunks and checked against the digest that was taken when it came in.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from blobstore import BlobMissing, BlobUnavailable
from directoryclient import Unavailable as DirectoryUnavailable
from directoryclient.policies import AccountSettings
from mailmodel import AccountRef, FlagAction, FlagChange, Flags, MailboxInfo, SystemFlag
from mailproto.pop3.maildrop import Maildrop
from mailstore import (
    BodyCorrupt,
    BodyPlace,
    BodyShredded,
    MailboxMissing,
    MailStore,
    Prepared,
    StoreUnavailable,
)

from pop3.adapters.maildrop_lock import MaildropLock, MaildropLocks
from pop3.adapters.read_ahead import ReadAhead
from pop3.ports import MessageGone, Unavailable

_ROWS_AHEAD = 32
_CHUNK_OCTETS = 1024 * 1024
_UNWELL = (StoreUnavailable, BlobUnavailable, BlobMissing, BodyCorrupt)
_SEEN = FlagChange(FlagAction.ADD, Flags(SystemFlag.SEEN))


def _now() -> datetime:
    return datetime.now(UTC)


class StoreMaildrops:
    """`ports.Maildrops` over mailstore."""

    def __init__(
        self,
        store: MailStore,
        locks: MaildropLocks,
        settings_of: Callable[[str], Awaitable[AccountSettings]],
        now: Callable[[], datetime] = _now,
    ) -> None:
        """`settings_of` is asked with an account's id."""
        self._store = store
        self._locks = locks
        self._settings_of = settings_of
        self._now = now
        self._prepared = store.prepared

    async def open(self, account: AccountRef) -> StoreMaildrop | None:
        """See `ports.Maildrops`."""
        try:
            lock = await self._locks.acquire(account)
            if lock is None:
                return None
            try:
                return await self._open(account, lock)
            except BaseException:
                await lock.release()
                raise
        except (StoreUnavailable, MailboxMissing) as error:
            raise Unavailable(str(error)) from error

    async def _open(self, account: AccountRef, lock: MaildropLock) -> StoreMaildrop:
        store = self._store
        info = await store.get_mailbox(account, "INBOX")
        if info is None:
            await store.provision(account)
            info = await store.get_mailbox(account, "INBOX")
            if info is None:
                raise Unavailable("the account has no INBOX")
        try:
            keep_days = (await self._settings_of(account.account_id)).pop_keep_days
        except DirectoryUnavailable as error:
            raise Unavailable(str(error)) from error
        uids, sizes = await store.sizes(account, info.mailbox_id) if info.messages else ([], [])
        return StoreMaildrop(store, account, info, uids, sizes, lock, self._prepared, keep_days, self._now)


class StoreMaildrop:
    """`ports.OpenMaildrop` over mailstore."""

    def __init__(
        self,
        store: MailStore,
        account: AccountRef,
        info: MailboxInfo,
        uids: Sequence[int],
        sizes_octets: Sequence[int],
        lock: MaildropLock,
        prepared: Prepared,
        keep_days: int = 0,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self.contents = Maildrop(
            sizes_octets, lambda number: b"%d.%d" % (info.uid_validity, uids[number - 1]), keep_days
        )
        self._now = now
        self._store = store
        self._account = account
        self._mailbox_id = info.mailbox_id
        self._uids = uids
        self._lock = lock
        self._rows: dict[int, BodyPlace] = {}
        self._ahead = ReadAhead(store, prepared, sizes_octets, self._rows_of)

    def at_hand(self, number: int) -> bytes | None:
        """See `ports.OpenMaildrop`."""
        return self._ahead.at_hand(number)

    async def read(self, number: int, first_chunk_octets: int) -> AsyncGenerator[bytes, None]:
        """See `ports.OpenMaildrop`."""
        try:
            if (whole := await self._ahead.take(number)) is not None:
                yield whole
                return
            row = await self._row(number)
            if row.size_octets <= first_chunk_octets:
                # Read whole: the store checks the digest itself.
                yield await self._store.read(row, 0, row.size_octets)
                return
            async with aclosing(self._chunks(row, first_chunk_octets)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except BodyShredded as error:
            raise MessageGone(str(error)) from error
        except _UNWELL as error:
            raise Unavailable(str(error)) from error

    async def _chunks(self, row: BodyPlace, first_chunk_octets: int) -> AsyncGenerator[bytes, None]:
        """A message that is not read whole, checked at its end."""
        digest = hashlib.sha256()
        size_octets = row.size_octets
        chunk = await self._store.read(row, 0, first_chunk_octets)
        offset = 0
        following: asyncio.Task[bytes] | None = None
        try:
            while chunk:
                digest.update(chunk[max(0, len(row.prefix) - offset) :])
                offset += len(chunk)
                if offset < size_octets and following is not None:
                    # Who wanted a second chunk wants them all: the next one comes while this one is sent.
                    following = asyncio.create_task(self._store.read(row, offset, _CHUNK_OCTETS))
                if offset >= size_octets:
                    if digest.digest() != row.reference.digest:
                        # The last chunk is held back, so the client never takes the message for whole.
                        raise Unavailable("the stored octets are not those that came in")
                    yield chunk
                    return
                yield chunk
                if following is None:
                    following = asyncio.create_task(self._store.read(row, offset, _CHUNK_OCTETS))
                chunk = await following
            raise Unavailable("the stored message is shorter than its row says")
        finally:
            if following is not None:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)

    async def _row(self, number: int) -> BodyPlace:
        uid = self._uids[number - 1]
        if uid not in self._rows:
            self._rows = await self._fetch(self._uids[number - 1 : number - 1 + _ROWS_AHEAD])
        if (row := self._rows.get(uid)) is None:
            raise MessageGone
        return row

    async def _rows_of(self, numbers: Sequence[int]) -> dict[int, BodyPlace]:
        """The rows of these messages that are still there."""
        uids = [self._uids[number - 1] for number in numbers]
        known = self._rows
        if not all(uid in known for uid in uids):
            known = await self._fetch(uids)
        return {number: known[uid] for number, uid in zip(numbers, uids, strict=True) if uid in known}

    async def _fetch(self, uids: Sequence[int]) -> dict[int, BodyPlace]:
        found = await self._store.body_places(self._account, self._mailbox_id, uids)
        return {place.uid: place for place in found}

    async def remove(self, numbers: Sequence[int], retrieved: Sequence[int]) -> int:
        """See `ports.OpenMaildrop`."""
        keep_days = self.contents.keep_days
        if not numbers and not retrieved and not keep_days:
            return 0
        if not self._lock.held:
            raise Unavailable("the lock on the maildrop was lost")
        store, account, mailbox_id = self._store, self._account, self._mailbox_id
        uids = {self._uids[number - 1] for number in numbers}
        try:
            if seen := sorted({self._uids[number - 1] for number in retrieved} - uids):
                await store.store_flags(account, mailbox_id, seen, _SEEN)
            if keep_days:
                old = await store.seen_before(account, mailbox_id, self._now() - timedelta(days=keep_days))
                # What came after the login was never seen by this client.
                uids.update(set(old).intersection(self._uids))
            return len(await store.remove(account, mailbox_id, sorted(uids))) if uids else 0
        except (StoreUnavailable, MailboxMissing) as error:
            raise Unavailable(str(error)) from error

    async def close(self) -> None:
        """See `ports.OpenMaildrop`."""
        self._ahead.close()
        self._rows.clear()
        await self._lock.release()
