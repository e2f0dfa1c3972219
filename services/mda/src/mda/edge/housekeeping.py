"""Removing what nobody needs any more: mail of removed accounts, objects in S3, records of deliveries that are old.

An object may hold messages of several readers and of the queue. It goes when it is older than `kept` and

- no mailbox shows any message of it;
- the mta-queue waits for none of its messages;
- each of its messages is settled, filed or sent or failed, or is so old that nobody remembers.

Two ways lead to such objects: mailboxes note those whose last message went (`orphan_object`), and a walk through the
storage finds those that no mailbox ever showed: mail that was only sent. Where the queue does not answer nothing goes.
Several processes may do this at once; what one has removed the other does not find.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from blobstore import BlobAltered, BlobMissing, BlobShredded, BlobStore, BlobUnavailable, KeyUnknown
from blobstore.keys import MAIL_PREFIX
from directoryclient import Unavailable
from mailstore import MailStore, StoreUnavailable
from mailstore.upkeep import DELIVERY_KEPT
from servicekit import logs
from spool import Malformed, read_records

from mda import metrics
from mda.core.unneeded import may_go
from mda.ports import Holdings, HoldingsUnavailable, Removals

LOG = logs.logger("mda.housekeeping")
AT_ONCE = 200
# What mailstore names the bodies that it was given.
APPENDED = "append-"


class Housekeeping:
    """One round after another."""

    def __init__(
        self,
        mailboxes: MailStore,
        blobs: BlobStore,
        holdings: Holdings | None,
        removals: Removals,
        draining: asyncio.Event,
        *,
        every: timedelta,
        kept: timedelta,
    ) -> None:
        """Without `holdings` no objects go: nobody could say whether they are needed."""
        self._mailboxes = mailboxes
        self._blobs = blobs
        self._holdings = holdings
        self._removals = removals
        self._draining = draining
        self._every = every
        self._kept = kept

    async def run(self) -> None:
        """Until the drain."""
        while not self._draining.is_set():
            try:
                async with asyncio.timeout(self._every.total_seconds()):
                    await self._draining.wait()
                    return
            except TimeoutError:
                pass
            try:
                await self.round(datetime.now(UTC))
            except (StoreUnavailable, BlobUnavailable, HoldingsUnavailable, Unavailable) as error:
                LOG.warning("housekeeping_broken_off", error=str(error))

    async def round(self, now: datetime) -> int:
        """How many objects went. Raises StoreUnavailable, BlobUnavailable, HoldingsUnavailable, Unavailable."""
        await self._accounts()
        forgotten = await self._mailboxes.prune()
        removed = 0
        if self._holdings is not None:
            removed = await self._orphans(self._holdings, now) + await self._never_shown(self._holdings, now)
        LOG.info("housekeeping_done", rows=forgotten, objects=removed)
        return removed

    async def _accounts(self) -> None:
        """Mail of accounts that were removed for good; what they had becomes orphans."""
        while due := await self._removals.due():
            for account in due:
                messages = await self._mailboxes.remove_account(account)
                await self._removals.settle(account)
                metrics.ACCOUNTS_REMOVED.inc()
                LOG.info(
                    "account_mail_removed",
                    account_id=account.account_id,
                    tenant_id=account.tenant_id,
                    messages=messages,
                )

    async def _orphans(self, holdings: Holdings, now: datetime) -> int:
        removed = 0
        async for orphans in self._mailboxes.orphans(self._kept, AT_ONCE):
            keys = [orphan.object_key for orphan in orphans]
            unused = await self._mailboxes.unused_objects(keys)
            gone = {key for key in unused if await self._remove(holdings, key, now, is_orphan=True)}
            removed += len(gone)
            # What a mailbox shows again is no orphan; what is needed elsewhere is looked at again.
            await self._mailboxes.settle_orphans(
                [each for each in orphans if each.object_key in gone or each.object_key not in unused]
            )
        return removed

    async def _never_shown(self, holdings: Holdings, now: datetime) -> int:
        removed = 0
        keys: list[str] = []
        async for item in self._blobs.list(MAIL_PREFIX):
            if item.modified_at < now - self._kept:
                keys.append(item.key)
            if len(keys) >= AT_ONCE:
                removed += await self._remove_unused(holdings, keys, now)
                keys = []
        return removed + await self._remove_unused(holdings, keys, now)

    async def _remove_unused(self, holdings: Holdings, keys: Sequence[str], now: datetime) -> int:
        unused = await self._mailboxes.unused_objects(keys)
        return sum([await self._remove(holdings, key, now, is_orphan=False) for key in sorted(unused)])

    async def _remove(self, holdings: Holdings, key: str, now: datetime, *, is_orphan: bool) -> bool:
        """False where it stays."""
        try:
            envelopes = [record.envelope for record in read_records(await self._blobs.get(key))]
        except BlobShredded:
            # Nobody can read it: the key of its tenant was deleted.
            envelopes = []
        except (BlobAltered, KeyUnknown):
            return False
        except BlobMissing:
            return True
        except Malformed:
            # A body that was appended explains nothing itself: only mailboxes know of it.
            if not is_orphan and not key.rpartition("/")[2].startswith(APPENDED):
                return False
            envelopes = []
        queue_ids = sorted({envelope.queue_id for envelope in envelopes})
        if queue_ids:
            filed = await self._mailboxes.settled(queue_ids)
            held = await holdings.of(queue_ids)
            if not may_go(envelopes, filed, held, now - DELIVERY_KEPT):
                return False
        await self._blobs.delete(key)
        metrics.OBJECTS_REMOVED.inc()
        return True
