"""Settings of who is let in (part of the gateway's Settings, same prefix)."""

from ipaddress import IPv4Network, IPv6Network

from pydantic import BaseModel, Field, IPvAnyNetwork

from smtp_gateway.core.offences import Rules


class GuardSettings(BaseModel):
    """What is held against clients."""

    never_banned_networks: tuple[IPvAnyNetwork, ...] = Field(
        (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        description="our own networks: nothing is held against these clients, and no ban may hold them",
    )
    offence_points_per_hour: int = Field(
        60, description="points of offences of one client until it is banned; 0: nobody is", ge=0
    )
    ban_seconds: float = Field(600.0, description="a first ban; each further one is four times as long", gt=0)
    ban_longest_seconds: float = Field(604_800.0, description="the longest ban", gt=0)
    tarpit_seconds: float = Field(
        10.0,
        description="how long whoever is near a ban waits for each answer, at most; 0: not at all",
        ge=0,
        le=60,
    )
    tarpit_clients: int = Field(
        1000, description="sessions that are made to wait at once; more are answered without", ge=0
    )

    def offence_rules(self) -> Rules:
        """The same for core."""
        return Rules(
            self.offence_points_per_hour, self.ban_seconds, self.ban_longest_seconds, self.tarpit_seconds
        )
