"""senderauth's questions, put to DNS: one cache for the process, one deadline for each message.

After the deadline nothing is asked any more: every question has the answer that there is none, so that the checks come
to their end, with temperror where they needed it (RFC 7208 §4.6.4, RFC 8601 §2.7).
"""

import asyncio

from dnslookup import DnsUnavailable, NoSuchDomain, Resolver
from senderauth.dns import Answer, Answers, NoAnswer, RecordType, Resolve, TempError

from smtp_gateway import metrics

# Of one question; a message's own deadline may come before it.
QUESTION_SECONDS = 5.0
TOO_LATE = TempError("there was no time left")


class Questions:
    """Makes a Resolve for each message."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def within(self, seconds: float) -> Resolve:
        """Asks until so many seconds from now."""
        clock = asyncio.get_running_loop().time
        until = clock() + seconds

        async def resolve(name: str, record_type: RecordType, /) -> Answer:
            if clock() >= until:
                return TOO_LATE
            try:
                # Most of what is asked is known, and needs no clock of its own.
                records = self._resolver.known_records(name, record_type.value)
                if records is None:
                    async with asyncio.timeout_at(until):
                        records = await self._resolver.records(name, record_type.value)
            except NoSuchDomain:
                return NoAnswer.NO_NAME
            except DnsUnavailable as error:
                metrics.DNS_UNANSWERED.inc()
                return TempError(str(error))
            except TimeoutError:
                metrics.DNS_UNANSWERED.inc()
                return TOO_LATE
            return Answers(tuple(records)) if records else NoAnswer.NO_DATA

        return resolve
