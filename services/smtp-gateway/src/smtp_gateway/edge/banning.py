"""What is held against clients, in one process among several.

Points are counted like every rate here and told to the other processes once a second (`sharing`); a ban is a fact in a
ledger, which all hear at once and which outlives us. While NATS is away a ban holds in this process only.

A ban for offences closes the MX door alone. At the MSA door the same client is made to wait, and its first wrong password
ends the session: so nobody is kept from his own account by what strangers did from his address. An operator's ban
closes all doors.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from eventbus import BusUnavailable
from servicekit import logs

from smtp_gateway import metrics
from smtp_gateway.core import bans
from smtp_gateway.core.bans import Ban, BannedBy, Bans
from smtp_gateway.core.limits import Limited, Limits
from smtp_gateway.core.networks import Networks
from smtp_gateway.core.offences import Offence, Rules
from smtp_gateway.core.prefixes import network_of, prefix_of
from smtp_gateway.ports import Ledger

LOG = logs.logger("smtp_gateway.banning")
REMEMBERED = timedelta(days=14)
OPERATOR_BANS_MOST = 10_000


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class Banning:
    """Shared by a process. Clients in `exempt` are never held anything against."""

    def __init__(
        self,
        limits: Limits,
        rules: Rules,
        exempt: Networks,
        automatic: Ledger,
        operators: Ledger,
        today: Callable[[], datetime] = utc_now,
    ) -> None:
        self.rules = rules
        self._limits = limits
        self._exempt = exempt
        self._ledgers = {BannedBy.OFFENCES: automatic, BannedBy.OPERATOR: operators}
        self._today = today
        self._bans = Bans()

    def heard(self, by: BannedBy, network: str, value: bytes) -> None:
        """A ledger's change; "" lifts."""
        try:
            if not value:
                self._bans.remove(network, by)
                self._limits.forget(Limited.CLIENT_OFFENCES, network)
                return
            self._bans.put(bans.decode(network, by, value))
        except ValueError as error:
            LOG.warning("ban_unreadable", network=network, error=str(error))

    def banned(self, host: str, by: BannedBy) -> Ban | None:
        """Whether a client is, now."""
        if host in self._exempt:
            return None
        return self._bans.holding(host, by, self._today())

    def holding(self, host: str) -> list[Ban]:
        """All bans that an address lies in."""
        found = (self._bans.holding(host, by, self._today()) for by in BannedBy)
        return [ban for ban in found if ban is not None]

    def wait_seconds(self, host: str, now: float) -> float:
        """How long this client waits for an answer; `now` as the limits count."""
        if host in self._exempt:
            return 0.0
        if self._bans.holding(host, BannedBy.OFFENCES, self._today()):
            return self.rules.longest_wait_seconds
        return self.rules.wait_seconds(self._limits.level(Limited.CLIENT_OFFENCES, prefix_of(host), now))

    async def offended(self, host: str, offence: Offence, now: float) -> None:
        """A client did this; it may be banned for it."""
        network = network_of(host)
        weight = self.rules.weight_of(offence)
        if network is None or not weight or not self.rules.points or host in self._exempt:
            return
        metrics.OFFENCES.labels(offence.label).inc()
        keys = [(Limited.CLIENT_OFFENCES, str(network))]
        over = self._limits.take(keys, weight, now)
        if over is None or self._bans.holding(host, BannedBy.OFFENCES, self._today()) is not None:
            return
        today = self._today()
        before = self._bans.known(network, BannedBy.OFFENCES)
        times = 1 if before is None else before.times + 1
        until = today + timedelta(seconds=self.rules.ban_seconds(times))
        await self._keep(
            Ban(str(network), BannedBy.OFFENCES, f"offences, the last: {offence.label}", today, until, times)
        )

    def forgive(self, host: str, now: float) -> None:
        """A client brought what was wanted: that is one point less."""
        if self.rules.points:
            self._limits.forgive(Limited.CLIENT_OFFENCES, prefix_of(host), 1, now)

    async def ban(self, network: str, reason: str, until: datetime | None) -> Ban:
        """The operator's. Raises ValueError (no network, too many, our own), BusUnavailable."""
        text = bans.network_text(network)
        if self._exempt.touch(text):
            raise ValueError(f"{text} holds addresses that are never banned")
        made = Ban(text, BannedBy.OPERATOR, reason, self._today(), until)
        if until is not None and not made.holds(self._today()):
            raise ValueError("a ban cannot end in the past")
        if sum(ban.by is BannedBy.OPERATOR for ban in self.listing()) >= OPERATOR_BANS_MOST:
            raise ValueError(f"there are {OPERATOR_BANS_MOST} bans of operators already")
        await self._ledgers[BannedBy.OPERATOR].put(text, bans.encode(made))
        self._bans.put(made)
        return made

    async def lift(self, network: str) -> int:
        """End all bans of just this network, and forget its offences; how many there were. Raises like `ban`."""
        text = bans.network_text(network)
        lifted = 0
        for by, ledger in self._ledgers.items():
            held = [ban for ban in self.listing() if ban.network == text and ban.by is by]
            if held or by is BannedBy.OFFENCES:
                await ledger.remove(text)
                self.heard(by, text, b"")
            lifted += len(held)
        return lifted

    def listing(self) -> list[Ban]:
        """All that hold, the latest first."""
        return self._bans.listing(self._today())

    def forget_past(self) -> None:
        """What was over long ago says nothing any more."""
        self._bans.forget_past(self._today() - REMEMBERED)

    async def _keep(self, ban: Ban) -> None:
        metrics.BANS.inc()
        LOG.info(
            "client_banned", network=ban.network, reason=ban.reason, times=ban.times, until=str(ban.until)
        )
        self._bans.put(ban)
        try:
            await self._ledgers[ban.by].put(ban.network, bans.encode(ban))
        except BusUnavailable as error:
            LOG.warning("ban_not_shared", network=ban.network, error=str(error))
