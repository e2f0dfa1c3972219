"""Lists in DNS, asked side by side: answers are kept as long as their TTL says (dnslookup), a list that gives none in time
costs nobody more than the deadline, and after some times nobody at all for a while.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from dnslookup import DnsUnavailable, NoSuchDomain, Resolver
from servicekit import logs

from smtp_gateway import metrics
from smtp_gateway.core.blocklists import List, Standing, question, standing
from smtp_gateway.core.breaker import Breaker

LOG = logs.logger("smtp_gateway.blocklists")
FAILURES, PAUSE_SECONDS = 5, 60.0


class Blocklists:
    """Shared by a process."""

    def __init__(
        self,
        resolver: Resolver,
        lists: Sequence[List],
        deadline_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = resolver
        self._lists = [(each, Breaker(FAILURES, PAUSE_SECONDS)) for each in lists]
        self._seconds = deadline_seconds
        self._clock = clock

    async def standing(self, host: str) -> Standing:
        """What the lists say of a client; those that do not answer say nothing."""
        try:
            address = ip_address(host)
        except ValueError:
            return Standing()
        address = getattr(address, "ipv4_mapped", None) or address
        if not address.is_global:
            return Standing()
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(self._asks(each, breaker, address))
                for each, breaker in self._lists
                if breaker.lets_through(self._clock())
            ]
        return standing([found for task in asked if (found := task.result()) is not None])

    async def _asks(self, listed: List, breaker: Breaker, address: IPv4Address | IPv6Address) -> List | None:
        """The list where it has the address."""
        try:
            async with asyncio.timeout(self._seconds):
                answers = await self._resolver.records(question(address, listed.zone), "A")
        except NoSuchDomain:
            breaker.worked()
            return None
        except (DnsUnavailable, TimeoutError) as error:
            breaker.failed(self._clock())
            metrics.BLOCKLISTS_SILENT.labels(listed.zone).inc()
            LOG.info("blocklist_silent", zone=listed.zone, error=str(error))
            return None
        if listed.refuses(answers):
            breaker.failed(self._clock())
            metrics.BLOCKLISTS_SILENT.labels(listed.zone).inc()
            LOG.warning("blocklist_refuses_us", zone=listed.zone)
            return None
        breaker.worked()
        return listed if listed.counts(answers) else None
