"""Settings of who is let in (part of the gateway's Settings, same prefix)."""

from ipaddress import IPv4Network, IPv6Network
from typing import Literal

from pydantic import BaseModel, Field, IPvAnyNetwork, field_validator

from smtp_gateway.core import blocklists
from smtp_gateway.core.offences import Rules, chosen_weights

Choice = Literal["off", "mark", "reject"]


class GuardSettings(BaseModel):
    """What is held against clients."""

    never_banned_networks: tuple[IPvAnyNetwork, ...] = Field(
        (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        description="our own networks: nothing is held against these clients, and no ban may hold them",
    )
    offence_points_per_hour: int = Field(
        60, description="points of offences of one client until it is banned; 0: nobody is", ge=0
    )
    offence_points: dict[str, int] = Field(
        {},
        description='what offences weigh where that is not as usual, by their names, e.g. {"virus": 60, "spam": 0}; 0: is none',
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

    greeting_seconds: float = Field(
        1.0,
        description="how long a client that is not known waits for the greeting at the mx; who speaks before it is refused. "
        "0: only what has come already counts",
        ge=0,
        le=30,
    )
    early_talkers: Literal["refused", "taken"] = Field(
        "refused", description="clients that speak before the greeting (RFC 5321 §4.3.1)"
    )
    hello_checks: Choice = Field(
        "mark",
        description="EHLO with no name, our own name, or another's address: refused, written down, or not looked at",
    )
    client_names: Choice = Field(
        "mark",
        description="clients whose address has no name that leads back to it: refused, written down, or neither",
    )
    blocklists: tuple[str, ...] = Field(
        (),
        description='lists of clients in DNS, zone[=codes][*weight], e.g. ["zen.example.org=127.0.0.2-11*2", "dnswl.example*-3"]',
    )
    blocklist_refuse_score: float = Field(
        1.0, description="sum of the weights of lists from which on a client is refused", gt=0
    )
    blocklist_seconds: float = Field(2.0, description="how long a list may take to answer", gt=0, le=10)
    greylist_seconds: float = Field(
        300.0, description="how long whoever is not known must wait, where a tenant wants greylisting", gt=0
    )
    greylist_window_seconds: float = Field(
        172_800.0,
        description="who comes back later begins anew; at most the three days that are remembered",
        gt=0,
        le=259_200,
    )

    @field_validator("blocklists")
    @classmethod
    def _readable(cls, lists: tuple[str, ...]) -> tuple[str, ...]:
        for each in lists:
            blocklists.parse(each)
        return lists

    @field_validator("offence_points")
    @classmethod
    def _known(cls, points: dict[str, int]) -> dict[str, int]:
        chosen_weights(points)
        return points

    def offence_rules(self) -> Rules:
        """The same for core."""
        return Rules(
            self.offence_points_per_hour,
            self.ban_seconds,
            self.ban_longest_seconds,
            self.tarpit_seconds,
            chosen_weights(self.offence_points),
        )
