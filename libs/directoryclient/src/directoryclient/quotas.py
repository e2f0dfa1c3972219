"""How much accounts may keep: asked for many at once, with a memory that a change of theirs in the directory empties.

While the directory does not answer, what it said last holds; of whom it said nothing yet, nobody knows a limit.
"""

import time
from collections.abc import Callable, Mapping, Sequence

import grpc
from mailmodel import NO_LIMITS, AccountRef, QuotaLimits
from mailwire.directory.v1 import quota_pb2 as wire
from mailwire.directory.v1.quota_pb2_grpc import DirectoryQuotaServiceStub

from directoryclient.memory import Ages, parsed

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
        # Until when, what it said, and when it was asked by `_ages`.
        self._kept: dict[str, tuple[float, QuotaLimits, int]] = {}
        self._ages = Ages()
        self._silent_until = float("-inf")

    def changed(self, _subject: str, payload: bytes) -> None:
        """Something in the directory changed."""
        change = parsed(payload)
        if not change.tenant_id:
            self._ages.tell("")
        elif not change.addresses and not change.domains:
            self._ages.tell(change.account_id or change.tenant_id)

    def _is_fresh(self, account: AccountRef, now: float) -> bool:
        kept = self._kept.get(account.account_id)
        if kept is None or kept[0] <= now:
            return False
        return self._ages.holds(kept[2], account.account_id, account.tenant_id)

    async def limits(self, accounts: Sequence[AccountRef]) -> Mapping[str, QuotaLimits]:
        """Of those that have any. Never raises."""
        now, hears = self._clock(), self._hears_changes()
        stale = [account.account_id for account in accounts if not hears or not self._is_fresh(account, now)]
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
        asked = self._ages.now
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
        until = self._clock() + KEPT_SECONDS
        while self._kept and len(self._kept) + len(account_ids) > MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        for account_id in account_ids:
            self._kept[account_id] = (until, said.get(account_id, NO_LIMITS), asked)
