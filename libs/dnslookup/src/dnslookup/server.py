"""A server that is asked for what strangers publish: of an answer over TCP no more is read than mail has use for.

Taking 64 KiB of records apart costs more than a tenth of a second, and one message may ask for a hundred such answers. So
what is larger than `MOST_OCTETS` is none, unread, and what is larger than `AT_ONCE_OCTETS` is taken apart in a thread, one at a
time: who publishes it waits, and nobody else does.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dns.exception
import dns.message
import dns.nameserver
import dns.query

MOST_OCTETS = 32 * 1024
AT_ONCE_OCTETS = 4 * 1024
_APART = ThreadPoolExecutor(1, thread_name_prefix="dns")


class TooLarge(dns.exception.FormError):
    """The answer is larger than anybody's mail needs."""


class BoundedServer(dns.nameserver.Do53Nameserver):
    """UDP first, as ever; it bounds itself."""

    async def async_query(
        self,
        request: dns.message.QueryMessage,
        timeout: float,
        source: str | None,
        source_port: int,
        max_size: bool,
        backend: Any,
        one_rr_per_rrset: bool = False,
        ignore_trailing: bool = False,
    ) -> dns.message.Message:
        """One question. Raises what dnspython's own does."""
        if not max_size:
            return await super().async_query(
                request, timeout, source, source_port, max_size, backend, one_rr_per_rrset, ignore_trailing
            )
        try:
            async with asyncio.timeout(timeout):
                response = await self._over_tcp(request.to_wire())
        except TimeoutError:
            # An OSError would take the server out for the rest of this question.
            raise dns.exception.Timeout from None
        if not request.is_response(response):
            raise dns.query.BadResponse
        return response

    async def _over_tcp(self, question: bytes) -> dns.message.Message:
        reader, writer = await asyncio.open_connection(self.address, self.port)
        try:
            writer.write(len(question).to_bytes(2, "big") + question)
            octets = int.from_bytes(await reader.readexactly(2), "big")
            if octets > MOST_OCTETS:
                raise TooLarge
            answer = await reader.readexactly(octets)
        finally:
            writer.close()
        if octets <= AT_ONCE_OCTETS:
            return dns.message.from_wire(answer)
        return await asyncio.get_running_loop().run_in_executor(_APART, dns.message.from_wire, answer)
