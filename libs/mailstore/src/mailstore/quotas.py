"""How much accounts keep, held against how much they may keep.

What an account keeps is the sum of its mailboxes' counters, which are exact (see
`tables`), read under the account's lock: no message too many slips in beside
another. A message that is shown in two mailboxes counts twice. Only accounts
that have a limit are looked at.

What all accounts of a tenant keep together is added up at most once in
POOL_SECONDS, and what this process files meanwhile is added to that: no lock
that every delivery of a large tenant would wait for. Several processes may
together file so much too much as comes to the others in that time. Before
anything is refused it is added up anew, once in a second at most.

The limits are the directory's. While it does not say them, none hold: that mail
goes on is worth more.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from mailmodel import AccountRef
from mailmodel.quota import NO_LIMITS, Quota, QuotaLimits
from pgkit import Connection

from mailstore.errors import QuotaExceeded

POOL_SECONDS = 10.0
RECOUNT_SECONDS = 1.0
# Our own notices (it is nearly full) may go beyond the limit, so far.
NOTICE_OCTETS = 256 * 1024
NOTICE_MESSAGES = 20

# The limits of these accounts; those that have none may be left out.
AskLimits = Callable[[Sequence[AccountRef]], Awaitable[Mapping[str, QuotaLimits]]]

USED = """SELECT a.account_id, s.octets, s.messages FROM unnest($1::uuid[]) AS a(account_id)
    CROSS JOIN LATERAL (SELECT coalesce(sum(size_octets), 0)::bigint AS octets, coalesce(sum(messages), 0)::bigint
        AS messages FROM mailbox WHERE mailbox.account_id = a.account_id OFFSET 0) s"""


async def unlimited(accounts: Sequence[AccountRef]) -> Mapping[str, QuotaLimits]:
    """Nobody has a limit."""
    return {}


class _Pool:
    def __init__(self) -> None:
        self.octets = 0
        self.counted_at = float("-inf")


class Quotas:
    """What one process knows of limits and of what tenants keep."""

    def __init__(self, ask: AskLimits = unlimited, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._pools: dict[str, _Pool] = {}

    async def limits(self, accounts: Iterable[AccountRef]) -> dict[str, QuotaLimits]:
        """Of those that have any, by account id. To be asked before a transaction begins."""
        wanted = list(dict.fromkeys(accounts))
        found = await self._ask(wanted)
        return {account_id: limits for account_id, limits in found.items() if limits.is_limited}

    async def used(
        self, connection: Connection, tenant_id: str, limits: Mapping[str, QuotaLimits]
    ) -> dict[str, Quota]:
        """What these accounts of one tenant keep; they are locked, or it is only a look."""
        if not limits:
            return {}
        found = await connection.fetch(USED, [UUID(account_id) for account_id in limits])
        pool = 0
        if any(each.tenant_octets for each in limits.values()):
            pool = await self._pool(connection, tenant_id, POOL_SECONDS)
        return {
            str(row["account_id"]): Quota(
                AccountRef(tenant_id, str(row["account_id"])),
                limits[str(row["account_id"])],
                row["octets"],
                row["messages"],
                pool if limits[str(row["account_id"])].tenant_octets else 0,
            )
            for row in found
        }

    async def check(
        self, connection: Connection, account: AccountRef, limits: QuotaLimits, octets: int, messages: int
    ) -> None:
        """Before so much is added to a locked account. Raises QuotaExceeded."""
        if not limits.is_limited or (octets <= 0 and messages <= 0):
            return
        used = await self.used(connection, account.tenant_id, {account.account_id: limits})
        quota = used[account.account_id]
        exceeded = quota.exceeded_by(octets, messages)
        if exceeded == "tenant":
            pool = await self._pool(connection, account.tenant_id, RECOUNT_SECONDS)
            exceeded = replace(quota, tenant_used_octets=pool).exceeded_by(octets, messages)
        if exceeded:
            raise QuotaExceeded(exceeded)
        self.filed(account.tenant_id, octets)

    async def divide(
        self,
        connection: Connection,
        tenant_id: str,
        limits: Mapping[str, QuotaLimits],
        wished: Sequence[tuple[str, int, bool]],
    ) -> tuple[list[bool], list[Quota]]:
        """Which of (account id, octets, is a notice of ours) fit, one after the other; what the accounts keep then."""
        used = await self.used(connection, tenant_id, limits)
        fits, added_to_pool, is_counted_anew = [], 0, False
        for account_id, octets, is_notice in wished:
            quota = used.get(account_id)
            if quota is None:
                fits.append(True)
                continue
            slack_octets, slack_messages = (NOTICE_OCTETS, NOTICE_MESSAGES) if is_notice else (0, 0)
            more = (octets - slack_octets, 1 - slack_messages)
            exceeded = _plus_pool(quota, added_to_pool).exceeded_by(*more)
            if exceeded == "tenant" and not is_counted_anew:
                is_counted_anew = True
                pool = await self._pool(connection, tenant_id, RECOUNT_SECONDS)
                used = {key: replace(each, tenant_used_octets=pool) for key, each in used.items()}
                quota = used[account_id]
                exceeded = _plus_pool(quota, added_to_pool).exceeded_by(*more)
            fits.append(not exceeded)
            if not exceeded:
                added_to_pool += octets
                used[account_id] = replace(
                    quota,
                    used_octets=quota.used_octets + octets,
                    used_messages=quota.used_messages + 1,
                )
        self.filed(tenant_id, added_to_pool)
        return fits, [_plus_pool(each, added_to_pool) for each in used.values()]

    def filed(self, tenant_id: str, octets: int) -> None:
        """So much was filed (or, below 0, removed) by this process."""
        pool = self._pools.get(tenant_id)
        if pool is not None:
            pool.octets += octets

    async def _pool(self, connection: Connection, tenant_id: str, at_most_old: float) -> int:
        pool = self._pools.setdefault(tenant_id, _Pool())
        now = self._clock()
        if now - pool.counted_at >= at_most_old:
            pool.octets = await connection.fetchval(
                "SELECT coalesce(sum(size_octets), 0)::bigint FROM mailbox WHERE tenant_id = $1",
                UUID(tenant_id),
            )
            pool.counted_at = now
        return pool.octets


def _plus_pool(quota: Quota, octets: int) -> Quota:
    if not quota.limits.tenant_octets:
        return quota
    return replace(quota, tenant_used_octets=quota.tenant_used_octets + octets)


def limits_of(limits: Mapping[str, QuotaLimits], account: AccountRef) -> QuotaLimits:
    """This account's, or none."""
    return limits.get(account.account_id, NO_LIMITS)
