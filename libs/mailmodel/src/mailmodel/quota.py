"""How much an account may keep, and how much it keeps."""

from dataclasses import dataclass

from mailmodel.account import AccountRef


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """Of one account; `tenant_octets` is what all accounts of its tenant share. 0: no limit."""

    octets: int = 0
    messages: int = 0
    tenant_octets: int = 0

    @property
    def is_limited(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self.octets or self.messages or self.tenant_octets)


NO_LIMITS = QuotaLimits()


@dataclass(frozen=True, slots=True)
class Quota:
    """What an account keeps and may keep. `tenant_used_octets` is counted only where that is limited."""

    account: AccountRef
    limits: QuotaLimits
    used_octets: int
    used_messages: int
    tenant_used_octets: int = 0

    def exceeded_by(self, octets: int, messages: int) -> str:
        """Which limit would be exceeded by so much more: "account", "tenant", or ""."""
        limits = self.limits
        if limits.octets and self.used_octets + octets > limits.octets:
            return "account"
        if limits.messages and self.used_messages + messages > limits.messages:
            return "account"
        if limits.tenant_octets and self.tenant_used_octets + octets > limits.tenant_octets:
            return "tenant"
        return ""

    @property
    def free_octets(self) -> int | None:
        """How much more fits, 0 where no further message does; None where nothing is limited."""
        limits = self.limits
        if limits.messages and self.used_messages >= limits.messages:
            return 0
        free = []
        if limits.octets:
            free.append(limits.octets - self.used_octets)
        if limits.tenant_octets:
            free.append(limits.tenant_octets - self.tenant_used_octets)
        return max(0, min(free)) if free else None

    @property
    def used_percent(self) -> int:
        """Of the account's own limits, the fuller one, rounded down; 0 where it has none."""
        limits = self.limits
        return max(
            self.used_octets * 100 // limits.octets if limits.octets else 0,
            self.used_messages * 100 // limits.messages if limits.messages else 0,
        )
