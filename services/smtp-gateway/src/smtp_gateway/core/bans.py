"""Who is banned: networks, each with a reason and an end. Automatic bans are of one prefix of a client, an operator's of
any network. One that is over is remembered for a while, since the next one is longer for it.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_network

from smtp_gateway.core.addresses import parsed

NETWORKS_MOST = 100_000


class BannedBy(Enum):
    """Who made a ban."""

    OFFENCES = "offences"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Ban:
    """`until` is None where it has no end; `times` counts the bans of this network, this one included."""

    network: str
    by: BannedBy
    reason: str
    since: datetime
    until: datetime | None
    times: int = 1

    def holds(self, now: datetime) -> bool:
        """Whether it is not over."""
        return self.until is None or self.until > now


def encode(ban: Ban) -> bytes:
    """For the ledger, under the network."""
    until = None if ban.until is None else ban.until.timestamp()
    return json.dumps([ban.reason, ban.since.timestamp(), until, ban.times]).encode()


def decode(network: str, by: BannedBy, value: bytes) -> Ban:
    """Raises ValueError on what is none of ours."""
    try:
        reason, since, until, times = json.loads(value)[:4]
        return Ban(
            network=network_text(network),
            by=by,
            reason=str(reason),
            since=datetime.fromtimestamp(since, UTC),
            until=None if until is None else datetime.fromtimestamp(until, UTC),
            times=int(times),
        )
    except (TypeError, KeyError, OverflowError, OSError, RecursionError) as error:
        raise ValueError(f"that is no ban: {error}") from error


def network_text(text: str) -> str:
    """A network or a single address as we write it. Raises ValueError."""
    return str(ip_network(text.strip(), strict=False))


class Bans:
    """All that are known in this process. A look-up costs one step for each length of prefix that there is.

    Of one length there are at most NETWORKS_MOST: beyond them the one that changed longest ago is forgotten, since who
    has a large network can have any number of its parts banned.
    """

    def __init__(self) -> None:
        self._by_length: dict[tuple[BannedBy, int, int], dict[int, Ban]] = {}

    def put(self, ban: Ban) -> None:
        """In the place of the one of the same network."""
        network = ip_network(ban.network)
        of_length = self._by_length.setdefault((ban.by, network.version, network.prefixlen), {})
        number = int(network.network_address)
        of_length.pop(number, None)
        if len(of_length) >= NETWORKS_MOST:
            del of_length[next(iter(of_length))]
        of_length[number] = ban

    def remove(self, network: str, by: BannedBy) -> None:
        """There is none any more."""
        parsed = ip_network(network)
        key = (by, parsed.version, parsed.prefixlen)
        of_length = self._by_length.get(key, {})
        of_length.pop(int(parsed.network_address), None)
        if not of_length:
            self._by_length.pop(key, None)

    def known(self, network: IPv4Network | IPv6Network, by: BannedBy) -> Ban | None:
        """The last one of just this network, over or not."""
        of_length = self._by_length.get((by, network.version, network.prefixlen), {})
        return of_length.get(int(network.network_address))

    def holding(self, host: str, by: BannedBy, now: datetime) -> Ban | None:
        """The one that an address lies in, and that is not over."""
        if not self._by_length:
            return None
        address = parsed(host)
        if address is None:
            return None
        number, bits = int(address), address.max_prefixlen
        for (made_by, version, length), of_length in self._by_length.items():
            if made_by is not by or version != address.version:
                continue
            ban = of_length.get(number >> (bits - length) << (bits - length))
            if ban is not None and ban.holds(now):
                return ban
        return None

    def listing(self, now: datetime) -> list[Ban]:
        """All that hold, the latest first."""
        found = [
            ban for of_length in self._by_length.values() for ban in of_length.values() if ban.holds(now)
        ]
        return sorted(found, key=lambda ban: (ban.since, ban.network), reverse=True)

    def forget_past(self, before: datetime) -> None:
        """Remember those no more that were over before then."""
        for key, of_length in list(self._by_length.items()):
            for number in [each for each, ban in of_length.items() if not ban.holds(before)]:
                del of_length[number]
            if not of_length:
                del self._by_length[key]
