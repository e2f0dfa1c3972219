"""Accounts whose sending is suspended: by the operator, or because they go beyond their limits again and again (which is
how a stolen password shows). All processes know of it at once, and who watches is told.

An account is over once a minute at most, however often it tries in it: a program that waits as it is told, and a list of many
recipients, are no theft.
"""

from collections.abc import Callable
from datetime import datetime

from directoryclient import Identity
from eventbus import BusUnavailable, subjects
from mailproto.smtp.reply import Reply
from servicekit import logs

from smtp_gateway import metrics
from smtp_gateway.core import senders
from smtp_gateway.core.limits import Bucket, Limited, Limits, Rate
from smtp_gateway.core.senders import SuspendedBy, Suspension
from smtp_gateway.edge.banning import utc_now
from smtp_gateway.ports import Ledger

LOG = logs.logger("smtp_gateway.suspending")
SUSPENDED = Reply.of(550, "5.7.1", "Sending is suspended for your account; ask your postmaster")
OVER_SECONDS = 60.0


class Suspending:
    """Shared by a process; `tell` publishes to whoever watches, `resumed` hears of accounts that may send again."""

    def __init__(
        self,
        limits: Limits,
        ledger: Ledger,
        tell: Callable[[str, bytes], None],
        today: Callable[[], datetime] = utc_now,
        resumed: Callable[[str], None] = lambda account_id: None,
    ) -> None:
        self._limits = limits
        self._ledger = ledger
        self._tell = tell
        self._today = today
        self._resumed = resumed
        self._suspended: dict[str, Suspension] = {}
        self._over_lately = Bucket(Rate(1, OVER_SECONDS))

    def heard(self, account_id: str, value: bytes) -> None:
        """The ledger's change; "" lifts, and what the account did is forgotten."""
        if not value:
            self._suspended.pop(account_id, None)
            self._limits.forget(Limited.ACCOUNT_OVERRUNS, account_id)
            self._resumed(account_id)
            return
        try:
            self._suspended[account_id] = senders.decode(value)
        except ValueError as error:
            LOG.warning("suspension_unreadable", account_id=account_id, error=str(error))

    def refusal(self, who: Identity) -> Reply | None:
        """Why this user may not send."""
        return SUSPENDED if who.account.account_id in self._suspended else None

    async def went_over(self, who: Identity, now: float) -> None:
        """An account went beyond a limit of its own; that may have been once too often."""
        account_id = who.account.account_id
        if not self._over_lately.has_room(account_id, 1, now):
            return
        self._over_lately.spend(account_id, 1, now)
        over = self._limits.take([(Limited.ACCOUNT_OVERRUNS, account_id)], 1, now)
        if over is not None and account_id not in self._suspended:
            await self._suspend(
                Suspension(
                    account_id,
                    who.address,
                    who.account.tenant_id,
                    SuspendedBy.LIMITS,
                    "beyond its sending limits again and again",
                    self._today(),
                )
            )

    async def suspend(self, account_id: str, address: str, tenant_id: str, reason: str) -> Suspension:
        """The operator's order. Raises BusUnavailable."""
        made = Suspension(account_id, address, tenant_id, SuspendedBy.OPERATOR, reason, self._today())
        await self._ledger.put(account_id, senders.encode(made))
        self._note(made)
        return made

    async def resume(self, account: str) -> bool:
        """Let an account, by its id or address, send again; False where it may. Raises BusUnavailable."""
        found = [
            each for each in self.listing() if account.lower() in (each.account_id, each.address.lower())
        ]
        for each in found:
            await self._ledger.remove(each.account_id)
            self.heard(each.account_id, b"")
        return bool(found)

    def listing(self) -> list[Suspension]:
        """All, the latest first."""
        return sorted(self._suspended.values(), key=lambda each: (each.since, each.account_id), reverse=True)

    async def _suspend(self, suspension: Suspension) -> None:
        try:
            await self._ledger.put(suspension.account_id, senders.encode(suspension))
        except BusUnavailable as error:
            # It holds in this process; the next time over is told of again by another.
            LOG.warning("suspension_not_shared", account_id=suspension.account_id, error=str(error))
        self._note(suspension)

    def _note(self, suspension: Suspension) -> None:
        metrics.SUSPENDED.labels(suspension.by.value).inc()
        LOG.warning(
            "sender_suspended",
            account_id=suspension.account_id,
            tenant_id=suspension.tenant_id,
            by=suspension.by.value,
            reason=suspension.reason,
        )
        self._suspended[suspension.account_id] = suspension
        self._tell(subjects.SENDING_SUSPENDED, senders.encode(suspension))
