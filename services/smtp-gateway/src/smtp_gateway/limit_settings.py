"""Settings of what is limited, part of the gateway's; 0 is no limit. A rate may be used up at once and trickles back."""

from ipaddress import IPv4Network, IPv6Network

from pydantic import Field, IPvAnyNetwork

from smtp_gateway.core.limits import Limited, Rate
from smtp_gateway.guard_settings import GuardSettings

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


class LimitSettings(GuardSettings):
    """How much of what is let in."""

    client_prefix_v4_bits: int = Field(
        32, description="clients of one such prefix count together", ge=8, le=32
    )
    client_prefix_v6_bits: int = Field(
        64, description="clients of one such prefix count together", ge=16, le=128
    )
    client_sessions: int = Field(50, description="sessions of one client prefix at once", ge=0)
    client_connections_per_minute: int = Field(300, description="connections of one client prefix", ge=0)
    client_messages_per_hour: int = Field(
        20_000, description="MAIL commands of one client prefix at the mx", ge=0
    )
    client_recipients_per_hour: int = Field(
        60_000, description="recipients accepted of one client prefix at the mx", ge=0
    )
    unlimited_networks: tuple[IPvAnyNetwork, ...] = Field(
        (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        description="clients that no limit of clients holds for; accounts and tenants are limited everywhere",
    )
    account_sessions: int = Field(50, description="sessions of one account at once", ge=0)
    account_messages_per_hour: int = Field(2_000, description="messages submitted by one account", ge=0)
    account_messages_per_day: int = Field(10_000, description="messages submitted by one account", ge=0)
    account_recipients_per_hour: int = Field(10_000, description="recipients named by one account", ge=0)
    account_recipients_per_day: int = Field(50_000, description="recipients named by one account", ge=0)
    tenant_sessions: int = Field(2_000, description="authenticated sessions of one tenant at once", ge=0)
    tenant_messages_per_hour: int = Field(100_000, description="messages submitted by one tenant", ge=0)
    tenant_messages_per_day: int = Field(1_000_000, description="messages submitted by one tenant", ge=0)
    tenant_recipients_per_hour: int = Field(500_000, description="recipients named by one tenant", ge=0)
    tenant_recipients_per_day: int = Field(5_000_000, description="recipients named by one tenant", ge=0)
    domain_messages_per_hour: int = Field(
        100_000,
        description="MAIL commands in the name of one sender domain; at the mx those that SPF vouches for count apart",
        ge=0,
    )
    domain_recipients_per_hour: int = Field(
        300_000, description="recipients accepted for mail in the name of one sender domain", ge=0
    )
    domain_transactions: int = Field(
        1_000, description="messages of one sender domain being received at once", ge=0
    )
    account_overruns_per_day: int = Field(
        30,
        description="minutes in a day in which an account goes beyond its limits before its sending is suspended; 0: never",
        ge=0,
    )

    def rates(self) -> dict[Limited, Rate]:
        """The rate of everything that has one."""
        return {
            Limited.CLIENT_CONNECTIONS: Rate(self.client_connections_per_minute, MINUTE),
            Limited.CLIENT_MESSAGES: Rate(self.client_messages_per_hour, HOUR),
            Limited.CLIENT_RECIPIENTS: Rate(self.client_recipients_per_hour, HOUR),
            Limited.CLIENT_OFFENCES: Rate(self.offence_points_per_hour, HOUR),
            Limited.ACCOUNT_MESSAGES: Rate(self.account_messages_per_hour, HOUR),
            Limited.ACCOUNT_MESSAGES_DAILY: Rate(self.account_messages_per_day, DAY),
            Limited.ACCOUNT_OVERRUNS: Rate(self.account_overruns_per_day, DAY),
            Limited.ACCOUNT_RECIPIENTS: Rate(self.account_recipients_per_hour, HOUR),
            Limited.ACCOUNT_RECIPIENTS_DAILY: Rate(self.account_recipients_per_day, DAY),
            Limited.TENANT_MESSAGES: Rate(self.tenant_messages_per_hour, HOUR),
            Limited.TENANT_MESSAGES_DAILY: Rate(self.tenant_messages_per_day, DAY),
            Limited.TENANT_RECIPIENTS_DAILY: Rate(self.tenant_recipients_per_day, DAY),
            Limited.TENANT_RECIPIENTS: Rate(self.tenant_recipients_per_hour, HOUR),
            Limited.DOMAIN_MESSAGES: Rate(self.domain_messages_per_hour, HOUR),
            Limited.DOMAIN_RECIPIENTS: Rate(self.domain_recipients_per_hour, HOUR),
        }
