"""Accounts that become full: their users are warned, and doors hear of it, so that mail is refused there and not bounced.

What doors hear is a ledger on the bus: account id → octets that still fit (`core.fullness.told_room`). Each process
looks once a minute at the accounts that stand in it, and takes out who has room again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from eventbus import BusUnavailable
from mailmodel import AccountRef, Quota
from mailmsg.compose import build_text
from mailstore import Delivery, StoreUnavailable
from mailstore.scripts import ScriptStore
from servicekit import logs
from spool import Letter, OutcomeUnknown, Recipient, Source, Spool, SpoolUnavailable, new_queue_id

from mda import metrics
from mda.core.fullness import SUBJECT, WARN_AT, WARNED_SECONDS, told_room, warning_of, words
from mda.core.sieving import memory_handle

LOG = logs.logger("mda.fullness")
LOOK_SECONDS = 60.0
MOST_WAITING = 1_000


class Quotas(Protocol):
    """What of the mail store is needed."""

    async def quota(self, account: AccountRef) -> Quota: ...

    @property
    def scripts(self) -> ScriptStore: ...


class Rooms(Protocol):
    """The ledger of accounts that are nearly full."""

    async def put(self, key: str, value: bytes) -> None: ...

    async def remove(self, key: str) -> None: ...


class Fullness:
    """What this process knows of full accounts."""

    def __init__(
        self,
        hostname: str,
        mailboxes: Quotas,
        spool: Spool,
        rooms: Rooms,
        refresh: Callable[[], Awaitable[None]],
        draining: asyncio.Event,
    ) -> None:
        """`refresh` reads the ledger again where changes may have been missed."""
        self._refresh = refresh
        self._hostname = hostname
        self._mailboxes = mailboxes
        self._spool = spool
        self._rooms = rooms
        self._draining = draining
        self._seen: dict[str, Quota] = {}
        self._waiting: dict[str, tuple[Quota, str]] = {}
        self._woken = asyncio.Event()
        # As the ledger has it: account id → (tenant id, octets).
        self._told: dict[str, tuple[str, int]] = {}

    def heard(self, account_id: str, value: bytes) -> None:
        """The ledger's change."""
        tenant_id, _, octets = value.decode("ascii", "replace").partition(" ")
        if octets.isdecimal():
            self._told[account_id] = (tenant_id, int(octets))
        else:
            self._told.pop(account_id, None)

    def seen(self, quota: Quota) -> None:
        """What an account keeps after a delivery: `MailStore.on_quota`."""
        if warning_of(quota) is not None or told_room(quota) is not None:
            self._seen[quota.account.account_id] = quota

    def filed(self, deliveries: Sequence[Delivery]) -> None:
        """These were tried; those of them that are nearly full are looked at soon."""
        if not self._seen:
            return
        for delivery in deliveries:
            quota = self._seen.pop(delivery.account.account_id, None)
            if quota is not None and len(self._waiting) < MOST_WAITING:
                self._waiting[delivery.account.account_id] = (quota, delivery.recipient)
                self._woken.set()
        self._seen.clear()

    async def run(self) -> None:
        """Until the drain."""
        told = asyncio.ensure_future(self._draining.wait())
        told.add_done_callback(lambda _: self._woken.set())
        while not self._draining.is_set():
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._woken.wait()
            except TimeoutError:
                await self.look_again()
            self._woken.clear()
            await self.settle()

    async def settle(self) -> None:
        """Warn users and tell doors of what was seen."""
        while self._waiting:
            _, (quota, address) = self._waiting.popitem()
            try:
                await self._tell(quota)
                await self._warn(quota, address)
            except (BusUnavailable, StoreUnavailable, SpoolUnavailable, OutcomeUnknown) as error:
                # The next delivery brings it up again.
                LOG.warning("fullness_not_told", account_id=quota.account.account_id, error=str(error))

    async def look_again(self) -> None:
        """At those that doors were told of: perhaps they have room again."""
        try:
            await self._refresh()
            for account_id, (tenant_id, _) in list(self._told.items()):
                await self._tell(await self._mailboxes.quota(AccountRef(tenant_id, account_id)))
        except (BusUnavailable, StoreUnavailable) as error:
            LOG.warning("fullness_not_looked_at", error=str(error))

    async def _tell(self, quota: Quota) -> None:
        account, room = quota.account, told_room(quota)
        told = self._told.get(account.account_id)
        if room is None:
            if told is not None:
                await self._rooms.remove(account.account_id)
                self._told.pop(account.account_id, None)
        elif told is None or told[1] != room:
            await self._rooms.put(account.account_id, f"{account.tenant_id} {room}".encode())
            self._told[account.account_id] = (account.tenant_id, room)

    async def _warn(self, quota: Quota, address: str) -> None:
        reached = warning_of(quota)
        if reached is None:
            return
        handles = [memory_handle("quota", str(each)) for each in WARN_AT if each <= reached]
        scripts = self._mailboxes.scripts
        # Whoever notes the highest tells; the lower ones need not be told any more.
        if not await scripts.remember(quota.account, handles[-1], WARNED_SECONDS):
            return
        queue_id, now = new_queue_id(), datetime.now(UTC)
        content = build_text(
            sender=f"MAILER-DAEMON@{self._hostname}",
            recipients=[address],
            subject=SUBJECT,
            text=words(quota),
            message_id=f"<{queue_id}@{self._hostname}>",
            sent_at=now,
            extra={"Auto-Submitted": "auto-generated"},
        )
        account = quota.account
        letter = Letter(
            queue_id=queue_id,
            reverse_path="",
            recipients=(Recipient(address, address, account.tenant_id, account.account_id),),
            content=content,
            trace_prefix=b"",
            source=Source.DSN,
            arrived_at=now,
            smtputf8=not address.isascii(),
        )
        try:
            await self._spool.accept(letter)
        except (SpoolUnavailable, OutcomeUnknown):
            await scripts.prolong(account, handles[-1], 0)
            raise
        for handle in handles[:-1]:
            await scripts.prolong(account, handle, WARNED_SECONDS)
        metrics.QUOTA_WARNINGS.inc()
        LOG.info("quota_warned", account_id=account.account_id, percent=quota.used_percent)
