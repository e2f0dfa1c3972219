"""One attempt for one domain: its hosts in the order of preference until one of them answers (RFC 5321 §5.1).

A host that cannot be reached, or that greets with a refusal, is passed over for
the next; an answer to a transaction is an answer and ends the attempt.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import assert_never

from blobstore import BlobStore
from dnslookup import DnsUnavailable, NoSuchDomain, NullMx, Resolver
from mailproto.smtp.client import (
    Asked,
    ClientMachine,
    ContentWanted,
    Failed,
    Finished,
    Outgoing,
    Ready,
    TlsWanted,
)
from mailproto.smtp.client_content import BareLineBreak, encode_content
from mailproto.smtp.reply import Reply
from servicekit import logs
from spool import SpooledLetter

from mta_queue import metrics
from mta_queue.adapters.session import Session, SessionBroken, TlsFailed, opportunistic_context
from mta_queue.core.destinations import is_public, literal_of
from mta_queue.core.outcome import Outcome, all_alike, outcomes
from mta_queue.settings import Settings

LOG = logs.logger("mta_queue.relay")
# Bodies above this size are held in memory a few at a time.
LARGE_OCTETS = 4 * 1024 * 1024
LARGE_AT_ONCE = 4
RECIPIENTS_A_TRANSACTION = 100
HOSTS_TRIED = 10


@dataclass(frozen=True, slots=True)
class Place:
    """One address of one host."""

    host: str
    address: str


class Relay:
    """Satisfies ports.Outbound."""

    def __init__(self, settings: Settings, resolver: Resolver, blobs: BlobStore) -> None:
        self._settings = settings
        self._resolver = resolver
        self._blobs = blobs
        self._tls = opportunistic_context()
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def deliver(self, letter: SpooledLetter, domain: str, recipients: tuple[str, ...]) -> list[Outcome]:
        settled: list[Outcome] = []
        for start in range(0, len(recipients), RECIPIENTS_A_TRANSACTION):
            settled += await self._deliver_some(
                letter, domain, recipients[start : start + RECIPIENTS_A_TRANSACTION]
            )
        return settled

    async def _deliver_some(
        self, letter: SpooledLetter, domain: str, recipients: tuple[str, ...]
    ) -> list[Outcome]:
        last: list[Outcome] | None = None
        try:
            async for place in self._places(domain):
                if not self._settings.allow_private_destinations and not is_public(place.address):
                    text = f"{place.host} is at {place.address}, which is not a public address"
                    last = all_alike(recipients, Reply.of(451, "4.4.3", text), place.host)
                    continue
                try:
                    with metrics.TRANSACTION_SECONDS.time():
                        result = await self._try(letter, place, recipients)
                except SessionBroken as broken:
                    metrics.ATTEMPTS.labels("broken").inc()
                    last = all_alike(recipients, broken.reply, place.host)
                    if broken.asked is Asked.CONTENT:
                        # It may have been taken: another host must not get it too, now.
                        metrics.UNCERTAIN.inc()
                        return last
                    continue
                if isinstance(result, Failed):
                    metrics.ATTEMPTS.labels("refused").inc()
                    # RFC 5321 §4.2.4.2 and practice: a host that refuses the session says nothing about the recipient.
                    reply = result.reply
                    if (
                        result.asked in (Asked.GREETING, Asked.EHLO, Asked.HELO, Asked.STARTTLS)
                        or reply.code < 500
                    ):
                        shown = Reply(451, "4.3.2", (f"{place.host} said {reply.code} {reply.text}"[:500],))
                        last = all_alike(recipients, shown, place.host)
                        continue
                    return all_alike(recipients, reply, place.host)
                metrics.ATTEMPTS.labels("answered").inc()
                return outcomes(recipients, result.replies, place.host)
        except NullMx as error:
            # RFC 7505 §4.2
            return all_alike(recipients, Reply.of(556, "5.1.10", str(error)))
        except NoSuchDomain as error:
            return all_alike(recipients, Reply.of(550, "5.1.2", str(error)))
        except DnsUnavailable as error:
            return last or all_alike(recipients, Reply.of(451, "4.4.3", str(error)))
        return last or all_alike(recipients, Reply.of(451, "4.4.4", f"{domain} has no host with an address"))

    async def _places(self, domain: str) -> AsyncIterator[Place]:
        literal = literal_of(domain)
        if literal is not None:
            yield Place(literal, literal)
            return
        hosts = await self._resolver.mail_hosts(domain)
        tried = 0
        for host in hosts:
            try:
                addresses = await self._resolver.addresses(host.name)
            except (NoSuchDomain, DnsUnavailable):
                # One bad MX of several harms nobody (RFC 5321 §5.1).
                continue
            for address in addresses:
                yield Place(host.name, address)
                tried += 1
                if tried == HOSTS_TRIED:
                    return

    async def _try(
        self, letter: SpooledLetter, place: Place, recipients: tuple[str, ...]
    ) -> Finished | Failed:
        try:
            return await self._talk(letter, place, recipients, wants_tls=True)
        except TlsFailed as failed:
            LOG.info("tls_failed", host=place.host, error=str(failed))
            return await self._talk(letter, place, recipients, wants_tls=False)

    async def _talk(
        self, letter: SpooledLetter, place: Place, recipients: tuple[str, ...], *, wants_tls: bool
    ) -> Finished | Failed:
        settings = self._settings
        machine = ClientMachine(settings.hostname, wants_tls=wants_tls)
        session = Session(machine, settings.reply_seconds, self._tls)
        envelope = letter.envelope
        try:
            await session.open(place.address, settings.smtp_port, settings.connect_seconds, place.host)
            while True:
                event = await session.next_event()
                match event:
                    case Ready():
                        machine.send(
                            Outgoing(
                                envelope.reverse_path,
                                recipients,
                                len(envelope.trace_prefix) + envelope.size_octets,
                                envelope.eight_bit,
                            )
                        )
                    case ContentWanted():
                        try:
                            await self._send_content(session, letter)
                        except BareLineBreak as error:
                            return Failed(Asked.DATA, Reply.of(554, "5.6.0", str(error)))
                    case Finished() | Failed():
                        return event
                    case TlsWanted():
                        raise RuntimeError("the session starts TLS by itself")
                    case _:
                        assert_never(event)
        finally:
            await session.close()

    async def _send_content(self, session: Session, letter: SpooledLetter) -> None:
        if letter.body.length < LARGE_OCTETS:
            await self._stream(session, letter)
            return
        async with self._large:
            await self._stream(session, letter)

    async def _stream(self, session: Session, letter: SpooledLetter) -> None:
        body = letter.body
        content = await self._blobs.get_range(body.object_key, body.offset, body.length)
        if not body.matches(content):
            raise SessionBroken("the stored message is not what was accepted", Asked.DATA)
        encoded = encode_content(letter.envelope.trace_prefix + content)
        # From here on the message may be taken even if the connection dies.
        session.machine.content_sent()
        await session.send(encoded)
