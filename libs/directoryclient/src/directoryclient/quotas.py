"""How much accounts may keep: asked for many at once, with a memory that a change in the directory empties.

While the directory does not answer, what it said last holds; of whom it said nothing yet, nobody knows a limit.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import grpc
from google.protobuf.message import DecodeError
from mailmodel import NO_LIMITS, AccountRef, QuotaLimits
from mailwire.directory.v1 import directory_pb2
from mailwire.directory.v1 import quota_pb2 as wire
from mailwire.directory.v1.quota_pb2_grpc import DirectoryQuotaServiceStub

ANSWER_SECONDS = 2.0
# After no answer nobody waits for the next for so long.
SILENT_SECONDS = 5.0
# For a change that was not heard of.
KEPT_SECONDS = 300.0
MOST_KEPT = 100_000
MOST_AT_ONCE = 1_000


class QuotaBook:
    """DirectoryQuotaService as one process asks it. `limits` is what MailStore.open wants."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        hears_changes: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stub = DirectoryQuotaServiceStub(channel)
        self._hears_changes = hears_changes
        self._clock = clock
        self._kept: dict[str, tuple[float, QuotaLimits]] = {}
        # Counts the changes heard: an answer that was under way while one came is not fresh.
        self._changes = 0
        self._silent_until = float("-inf")

    def changed(self, _subject: str, payload: bytes) -> None:
        """Something in the directory changed."""
        try:
            change = directory_pb2.DirectoryChanged.FromString(payload)
        except DecodeError:
            change = directory_pb2.DirectoryChanged()
        if change.addresses or change.domains:
            return
        self._changes += 1
        if change.account_id:
            self._grow_old(change.account_id)
        else:
            for account_id in list(self._kept):
                self._grow_old(account_id)

    def _grow_old(self, account_id: str) -> None:
        kept = self._kept.get(account_id)
        if kept is not None:
            self._kept[account_id] = (float("-inf"), kept[1])

    async def limits(self, accounts: Sequence[AccountRef]) -> Mapping[str, QuotaLimits]:
        """Of those that have any. Never raises."""
        now, hears = self._clock(), self._hears_changes()
        stale = [
            account.account_id
            for account in accounts
            if not hears or self._kept.get(account.account_id, (float("-inf"), NO_LIMITS))[0] <= now
        ]
        if now < self._silent_until:
            stale = []
        for start in range(0, len(stale), MOST_AT_ONCE):
            await self._ask(stale[start : start + MOST_AT_ONCE])
        found = {}
        for account in accounts:
            kept = self._kept.get(account.account_id)
            if kept is not None and kept[1].is_limited:
                found[account.account_id] = kept[1]
        return found

    async def _ask(self, account_ids: Sequence[str]) -> None:
        changes = self._changes
        try:
            answer = await self._stub.ListQuotas(
                wire.ListQuotasRequest(account_ids=account_ids), timeout=ANSWER_SECONDS
            )
        except grpc.aio.AioRpcError:
            self._silent_until = self._clock() + SILENT_SECONDS
            return
        said = {
            each.account_id: QuotaLimits(each.octets, each.messages, each.tenant_octets)
            for each in answer.quotas
        }
        until = self._clock() + KEPT_SECONDS if changes == self._changes else float("-inf")
        while self._kept and len(self._kept) + len(account_ids) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        for account_id in account_ids:
            self._kept[account_id] = (until, said.get(account_id, NO_LIMITS))
