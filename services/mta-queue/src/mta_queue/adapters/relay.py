"""One attempt for one domain: its hosts in the order of preference until one of them answers (RFC 5321 §5.1).

A host that cannot be reached, or that greets with a refusal, is passed over for
the next; an answer to a transaction is an answer and ends the attempt. Where the
operator has set a route it stands in place of the domain's MX.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import assert_never

from blobstore import BlobStore
from dnslookup import DnsUnavailable, NoSuchDomain, NullMx, Resolver
from mailmsg.downgrade import CannotConvert
from mailproto.smtp.body import Transfer
from mailproto.smtp.client import (
    NO_REQUIRETLS,
    Asked,
    ClientMachine,
    ContentWanted,
    Dialect,
    Failed,
    Finished,
    Outgoing,
    Ready,
    TlsWanted,
)
from mailproto.smtp.client_content import BareLineBreak, encode
from mailproto.smtp.client_login import Login
from mailproto.smtp.dsn_request import RECIPIENT_DEFAULT, MessageRequest
from mailproto.smtp.reply import Charset, Reply
from mailproto.smtp.wishes import TlsWish
from servicekit import logs
from servicekit.addresses import is_public
from spool import Envelope, SpooledLetter

from mta_queue import metrics
from mta_queue.adapters.bodies import Bodies
from mta_queue.adapters.connections import Connections
from mta_queue.adapters.converting import converted, is_converted, travels_as
from mta_queue.adapters.egress import Egress, NoSource, SourcesBusy
from mta_queue.adapters.large import LARGE_OCTETS, LargeOnes
from mta_queue.adapters.leaving import Departure, Leaving, as_it_is
from mta_queue.adapters.places import LoopsBack, Place, Places, Shut
from mta_queue.adapters.proxies import DIRECT, WayOut
from mta_queue.adapters.session import Session, SessionBroken, TlsFailed
from mta_queue.adapters.tls import Contexts
from mta_queue.adapters.tls_policies import Destination, StsFailed, StsLookup, vouches
from mta_queue.adapters.tls_results import NoResults, Results
from mta_queue.core.attempt import Attempt, Delivery, attempt_of
from mta_queue.core.dead_hosts import Dead, DeadHosts
from mta_queue.core.egress import parse_proxy
from mta_queue.core.outcome import Outcome, Verdict, all_alike, outcomes, relayed_of
from mta_queue.core.route import parse_route
from mta_queue.core.shaping import OPEN, NotNow, Passage
from mta_queue.core.tls import Demand, Fault, Level, Minimum, PolicyKind, Published
from mta_queue.core.turns import Lane
from mta_queue.core.way import NO_RULE, Protocol, Way, WayRule
from mta_queue.settings import Settings

LOG = logs.logger("mta_queue.relay")
RECIPIENTS_A_TRANSACTION = 100
# RFC 8689 §4.2.1
NAME_UNSURE = Reply.of(550, "5.7.10", "REQUIRETLS: nothing vouches for the name of the host")


# What is refused here is refused to us, and not to a message.
BEFORE_MAIL = (Asked.GREETING, Asked.EHLO, Asked.HELO, Asked.STARTTLS, Asked.AUTH)
DIALECTS = {Protocol.SMTP: Dialect.SMTP, Protocol.LMTP: Dialect.LMTP}
# The way of a tenant's mail to a domain.
WayLookup = Callable[[str, str], Way]


class Trail:
    """The attempts of one delivery as they are made."""

    def __init__(self, domain: str, passage: Passage = OPEN) -> None:
        self._domain = domain
        self.passage = passage
        self.departure = Departure("")
        self.attempts: list[Attempt] = []
        # Places that were passed over or failed without a word, and those that spoke.
        self.dead: list[Dead] = []
        self.spoke = False
        # Hosts and addresses that need not be tried on their own any more.
        self.raced: set[tuple[str, str]] = set()
        self.begin()

    def dead_until(self) -> datetime | None:
        """When the first of the places may be there again, where none of them is."""
        return None if self.spoke else min((each.until for each in self.dead), default=None)

    def lane_of(self, letter: SpooledLetter) -> Lane:
        """Where the letter stands."""
        return Lane(letter.envelope.tenant_id, self._domain)

    def begin(self) -> None:
        """Another attempt begins."""
        self._started_at = datetime.now(UTC)
        self._clock = time.monotonic()
        self.tls = ""
        # Of several that were connected to, the one that answered.
        self.address = ""

    def end(self, address: str, outcomes: list[Outcome]) -> list[Outcome]:
        """It ended so."""
        seconds = time.monotonic() - self._clock
        self.attempts.append(
            attempt_of(self._domain, self._started_at, seconds, self.address or address, self.tls, outcomes)
        )
        return outcomes


class Relay:
    """Satisfies ports.Outbound."""

    def __init__(
        self,
        settings: Settings,
        resolver: Resolver,
        blobs: BlobStore,
        *,
        sts: StsLookup | None = None,
        way_of: WayLookup = lambda tenant_id, domain: NO_RULE,
        results: Results | None = None,
        login_of: Callable[[WayRule], Login | None] = lambda rule: None,
        leaving: Leaving | None = None,
        egress: Egress | None = None,
    ) -> None:
        self._settings = settings
        self._places = Places(resolver, sts, settings.hostname, settings.smtp_port)
        self._way_of = way_of
        self._login_of = login_of
        self._leaving = leaving
        self._egress = egress
        self._results = results if results is not None else NoResults()
        self._bodies = Bodies(blobs)
        self._contexts = Contexts(settings.tls_authorities_file)
        self._large = LargeOnes()
        self._dead = DeadHosts(
            lambda: datetime.now(UTC), min(settings.dead_host_seconds, settings.retry_first_seconds)
        )
        self._connections = Connections(
            idle_seconds=settings.connection_idle_seconds,
            messages_a_connection=settings.messages_a_connection,
            most_idle=settings.attempts_at_once * 4,
        )

    @property
    def bodies(self) -> Bodies:
        """Who has said that he will need one has it read along with its neighbours."""
        return self._bodies

    def forget(self) -> None:
        self._dead.forget()

    async def close(self) -> None:
        """End the connections that are kept."""
        await self._connections.close()

    async def deliver(
        self,
        letter: SpooledLetter,
        domain: str,
        recipients: tuple[str, ...],
        route: str = "",
        passage: Passage = OPEN,
    ) -> Delivery:
        with self._bodies.wanted(letter.body):
            return await self._deliver_all(letter, domain, recipients, route, passage)

    async def _deliver_all(
        self,
        letter: SpooledLetter,
        domain: str,
        recipients: tuple[str, ...],
        route: str,
        passage: Passage,
    ) -> Delivery:
        trail = Trail(domain, passage)
        settled: list[Outcome] = []
        remaining = list(recipients)
        together = RECIPIENTS_A_TRANSACTION if letter.envelope.own_copies is None else 1
        while remaining:
            part = await self._deliver_some(letter, domain, tuple(remaining[:together]), route, trail)
            del remaining[: len(part)]
            if any(each.verdict is Verdict.DELIVERED for each in part):
                # RFC 5321 §4.5.3.1.10: 452 after others were taken means "not so many at once".
                remaining += [each.address for each in part if each.reply.code == 452]
                settled += [each for each in part if each.reply.code != 452]
                # A process that is killed while it sends to the rest must not send to these again.
                break
            settled += part
        return Delivery(settled, trail.attempts, trail.dead_until(), tuple(remaining))

    async def _deliver_some(
        self, letter: SpooledLetter, domain: str, recipients: tuple[str, ...], route: str, trail: Trail
    ) -> list[Outcome]:
        """Outcomes for the first recipients: all, or as many as the peer takes in one transaction."""
        last: list[Outcome] | None = None
        trail.raced.clear()
        departure = as_it_is if self._leaving is None else self._leaving.departure
        trail.departure = departure(letter.envelope, recipients)
        # Of hosts that do not show what REQUIRETLS wants: final, where no other may come to do it (RFC 8689 §4.2.1).
        unfit: list[Outcome] | None = None
        wish = letter.envelope.wishes.tls
        # A notice goes on all the same (RFC 8689 §5).
        requires = wish is TlsWish.REQUIRED and letter.envelope.reverse_path != ""
        destination: Destination | None = None
        way = self._way_of(letter.envelope.tenant_id, domain)
        try:
            if route:
                way = way.rerouted(parse_route(route))
            if requires:
                way = replace(way, minimum=Minimum.VERIFIED)
            async for place in self._places.of(domain, way, is_lenient=wish is TlsWish.OPTIONAL):
                if isinstance(place, Destination):
                    self._note_policy(place)
                    destination = place
                    continue
                if isinstance(place, Place) and (place.host, place.address) in trail.raced:
                    continue
                trail.begin()
                if requires and destination is not None and not vouches(destination, place.host):
                    unfit = trail.end("", all_alike(recipients, NAME_UNSURE, place.host))
                    continue
                if isinstance(place, Shut):
                    self._results.add(place.why.published, place.why.fault, place.host, detail=str(place.why))
                    last = trail.end(
                        "", all_alike(recipients, Reply.of(451, "4.7.5", str(place.why)[:500]), place.host)
                    )
                    continue
                if not (
                    place.is_route or self._settings.allow_private_destinations or is_public(place.address)
                ):
                    text = f"{place.host} is at {place.address}, which is not a public address"
                    last = trail.end(
                        place.address, all_alike(recipients, Reply.of(451, "4.4.3", text), place.host)
                    )
                    continue
                if (dead := self._dead.is_dead(place.key)) is not None:
                    trail.dead.append(dead)
                    text = f"not tried before {dead.until:%H:%M:%S} UTC: {dead.text}"
                    last = trail.end(
                        place.address, all_alike(recipients, Reply.of(451, "4.4.1", text), place.host)
                    )
                    continue
                try:
                    if self._egress is not None and way.egress:
                        place = replace(place, source=await self._egress.choose(way.egress, place.address))
                    try:
                        if place.others:
                            place = replace(place, others=self._others(place))
                        with metrics.TRANSACTION_SECONDS.time():
                            result = await self._try(letter, place, recipients, trail)
                    finally:
                        if place.source is not None and self._egress is not None:
                            self._egress.done(place.source)
                except NoSource as error:
                    if isinstance(error, SourcesBusy) and not trail.attempts:
                        raise NotNow(error.until, str(error)) from error
                    reply = Reply.of(451, "4.7.0", str(error))
                    last = trail.end("", all_alike(recipients, reply, place.host))
                    continue
                except SessionBroken as broken:
                    metrics.ATTEMPTS.labels("broken").inc()
                    if requires and isinstance(broken, TlsFailed):
                        self._heard(place, trail)
                        reply = Reply.of(550, "5.7.10", f"REQUIRETLS: {broken.reply.text}")
                        unfit = trail.end(place.address, all_alike(recipients, reply, place.host))
                        continue
                    last = trail.end(place.address, all_alike(recipients, broken.reply, place.host))
                    if broken.asked is None:
                        for address in (place.address, *place.others):
                            trail.raced.add((place.host, address))
                            trail.dead.append(self._dead.failed(place.key_at(address), broken.reply.text))
                    elif broken.is_away:
                        key = place.key_at(trail.address or place.address)
                        trail.dead.append(self._dead.failed(key, broken.reply.text))
                    else:
                        self._heard(place, trail)
                    if broken.asked is Asked.CONTENT:
                        # It may have been taken: another host must not get it too, now.
                        metrics.UNCERTAIN.inc()
                        return last
                    continue
                self._heard(place, trail)
                if isinstance(result, Failed):
                    metrics.ATTEMPTS.labels("refused").inc()
                    # RFC 5321 §4.2.4.2 and practice: a host that refuses the session says nothing about the recipient.
                    reply = result.reply
                    if result.asked in BEFORE_MAIL or reply.code < 500:
                        shown = Reply(451, "4.3.2", (f"{place.host} said {reply.code} {reply.text}"[:500],))
                        last = trail.end(place.address, all_alike(recipients, shown, place.host))
                        if result.asked is Asked.CONTENT and reply.code != 421:
                            # What it said is no answer, so it may have been taken.
                            metrics.UNCERTAIN.inc()
                            return last
                        continue
                    return trail.end(place.address, all_alike(recipients, reply, place.host))
                metrics.ATTEMPTS.labels("answered").inc()
                if result.replies[0] is NO_REQUIRETLS:
                    unfit = trail.end(place.address, all_alike(recipients, NO_REQUIRETLS, place.host))
                    continue
                asked = recipients[: len(result.replies)]
                relayed = relayed_of(letter.envelope.wishes.deliver_by, result.by)
                return trail.end(
                    place.address, outcomes(asked, result.replies, place.host, result.dsn, relayed)
                )
            trail.begin()
            answer = Reply.of(451, "4.4.4", f"{route or domain} has no host with an address")
        except NullMx as error:
            # RFC 7505 §4.2
            return trail.end("", all_alike(recipients, Reply.of(556, "5.1.10", str(error))))
        except NoSuchDomain as error:
            answer = Reply.of(550, "5.1.2", str(error))
            if way.route is not None:
                # The operator's mistake is not the recipient's.
                answer = Reply.of(451, "4.3.5", f"the route {way.route.host} leads nowhere: {error}")
        except DnsUnavailable as error:
            answer = Reply.of(451, "4.4.3", str(error))
        except LoopsBack as error:
            # RFC 5321 §5.1
            answer = Reply.of(554, "5.4.6", str(error))
        return last or unfit or trail.end("", all_alike(recipients, answer))

    def _heard(self, place: Place, trail: Trail) -> None:
        """There is somebody, whatever he says."""
        trail.spoke = True
        self._dead.answered(place.key_at(trail.address or place.address))

    def _others(self, place: Place) -> tuple[str, ...]:
        """Addresses of its host that may be connected to as well."""
        private_too = place.is_route or self._settings.allow_private_destinations
        return tuple(
            each
            for each in place.others
            if (private_too or is_public(each))
            and self._dead.is_dead(place.key_at(each)) is None
            and (place.source is None or place.source.reaches(each))
        )

    async def _try(
        self, letter: SpooledLetter, place: Place, recipients: tuple[str, ...], trail: Trail
    ) -> Finished | Failed:
        kept = self._connections.take(place.connection_key)
        if kept is not None:
            try:
                result = await self._talk(kept, letter, place, recipients, trail)
                if not (isinstance(result, Failed) and result.reply.code == 421):
                    return result
            except SessionBroken as broken:
                if broken.asked is Asked.CONTENT:
                    raise
            # It had been closed meanwhile, or has had enough: that says nothing about this message.
            trail.begin()
        demand = place.demand
        while True:
            try:
                return await self._talk(self._fresh(demand, place), letter, place, recipients, trail)
            except TlsFailed as failed:
                LOG.info("tls_failed", host=place.host, fault=failed.fault.value, error=str(failed))
                if demand.published is not None:
                    self._results.add(
                        demand.published, failed.fault, place.host, place.address, detail=str(failed)
                    )
                if demand.fallback is None:
                    raise
                demand = demand.fallback
                trail.end(place.address, all_alike(recipients, failed.reply, place.host))
                trail.begin()

    def _fresh(self, demand: Demand, place: Place) -> Session:
        """Raises SessionBroken where we cannot say who we are."""
        login = None
        if place.way.login is not None and (login := self._login_of(place.way.login)) is None:
            raise SessionBroken(f"the password for {place.host} cannot be opened here", Asked.AUTH)
        hello = place.source.hello if place.source is not None else ""
        machine = ClientMachine(
            hello or self._settings.hostname,
            wants_tls=demand.level is not Level.CLEAR,
            login=login,
            dialect=DIALECTS[place.way.protocol],
        )
        settings = self._settings
        return Session(
            machine,
            settings.reply_seconds,
            self._contexts,
            demand,
            transaction_seconds=settings.transaction_seconds,
        )

    def _out(self, place: Place) -> WayOut:
        """Raises NoSource."""
        source = place.source
        if source is None or self._egress is None:
            return DIRECT
        return WayOut(source.address, parse_proxy(source.proxy), self._egress.login_of(source))

    def _note_policy(self, destination: Destination) -> None:
        """A policy that should be there and could not be had is reported (RFC 8460 §4.3.2.2)."""
        if isinstance(destination.sts, StsFailed):
            published = Published(PolicyKind.STS, destination.domain)
            self._results.add(published, destination.sts.fault, "", detail=destination.sts.text)

    def _note_session(self, session: Session, place: Place) -> None:
        """A new session as the reports count it."""
        demand = session.demand
        if demand.published is None:
            return
        fault = demand.known_fault
        if not session.tls:
            fault = Fault.STARTTLS_NOT_SUPPORTED
        self._results.add(
            demand.published, fault, place.host, place.address, local_address=session.local_address
        )

    async def _talk(
        self, session: Session, letter: SpooledLetter, place: Place, recipients: tuple[str, ...], trail: Trail
    ) -> Finished | Failed:
        """One transaction. The session is kept for another where that may be, else closed."""
        settings = self._settings
        finished: Finished | None = None
        session.begin()
        try:
            if session.messages == 0:
                # An attempt has room for one connection, and may have left others here.
                self._connections.make_room(trail.passage.limited_site)
                addresses = (place.address, *place.others)
                await session.open(addresses, place.port, settings.connect_seconds, self._out(place))
                trail.address = session.address
                trail.raced.add((place.host, session.address))
            else:
                trail.tls, trail.address = session.tls, session.address
                await session.settle()
                self._begin(session, letter, recipients, trail.departure)
            while True:
                event = await session.next_event()
                match event:
                    case Ready():
                        trail.tls = session.tls
                        session.extensions = event.extensions
                        self._note_session(session, place)
                        self._begin(session, letter, recipients, trail.departure)
                    case ContentWanted():
                        try:
                            await self._send_in_turn(session, letter, event.transfer, trail)
                        except BareLineBreak as error:
                            return Failed(Asked.DATA, Reply.of(554, "5.6.0", str(error)))
                        except CannotConvert as error:
                            return Failed(
                                Asked.DATA,
                                Reply.of(554, "5.6.3", f"The next system takes only 7-bit mail: {error}"),
                            )
                    case Finished():
                        finished = event
                        return event
                    case Failed():
                        return event
                    case TlsWanted():
                        raise RuntimeError("the session starts TLS by itself")
                    case _:
                        assert_never(event)
        except SessionBroken as broken:
            # Who was told that it is delivered is not to get it again (RFC 2033 §4.2).
            told = session.machine.broken_off(broken.reply)
            if told is None:
                raise
            metrics.UNCERTAIN.inc()
            return told
        finally:
            if finished is not None:
                session.site = trail.passage.limited_site
                self._connections.give_back(
                    place.connection_key, session, trail.passage.messages_a_connection
                )
            else:
                await session.close()

    @staticmethod
    def _begin(
        session: Session, letter: SpooledLetter, recipients: tuple[str, ...], departure: Departure
    ) -> None:
        envelope = letter.envelope
        session.messages += 1
        recipients = recipients[: session.recipients_taken_at_most or None]
        requests = {recipient.address: recipient.request for recipient in envelope.recipients}
        body, size_octets = travels_as(envelope, session.extensions)
        session.machine.send(
            Outgoing(
                departure.reverse_path,
                recipients,
                departure.added_octets + len(envelope.trace_prefix) + size_octets,
                body,
                _header_charset(letter),
                _named(envelope),
                tuple(requests.get(address, RECIPIENT_DEFAULT) for address in recipients),
                envelope.wishes.tls,
                by.left(datetime.now(UTC)) if (by := envelope.wishes.deliver_by) is not None else None,
                envelope.wishes.priority,
            )
        )

    async def _send_in_turn(
        self, session: Session, letter: SpooledLetter, transfer: Transfer, trail: Trail
    ) -> None:
        if letter.body.length < LARGE_OCTETS:
            await self._send_content(session, letter, transfer, trail.departure)
            return
        since = time.monotonic()
        async with self._large.turn(trail.lane_of(letter)):
            # Else the reply to what it then took would come too late, and it would get the same again.
            session.waited(time.monotonic() - since)
            await self._send_content(session, letter, transfer, trail.departure)

    async def _send_content(
        self, session: Session, letter: SpooledLetter, transfer: Transfer, departure: Departure
    ) -> None:
        body = letter.body
        content = await self._bodies.read(body)
        if not body.matches(content):
            raise SessionBroken("the stored message is not what was accepted", Asked.DATA)
        if is_converted(letter.envelope, session.extensions):
            content = await converted(content)
        message = letter.envelope.trace_prefix + departure.fields + content
        if self._leaving is not None and departure.is_marked:
            message = await self._leaving.prefix(letter, departure, message) + message
        encoded = encode(message, transfer)
        # One of three while a slow host reads it.
        del content, message
        # From here on the message may be taken even if the connection dies.
        session.machine.content_sent()
        await session.send(encoded)


def _named(envelope: Envelope) -> MessageRequest:
    """A message whose sender gave it no name (ENVID) bears ours: what comes back about it says what it was."""
    request = envelope.request
    return request if request.envelope_id else replace(request, envelope_id=envelope.queue_id)


def _header_charset(letter: SpooledLetter) -> Charset:
    """UTF_8 where it was accepted as such and is (RFC 6531 §3.4); MIME headers inside show in the structure."""
    if not letter.envelope.smtputf8:
        return Charset.ASCII
    facts = letter.facts
    is_ascii = facts.header.isascii() and facts.bodystructure.isascii() and bool(facts.header)
    return Charset.ASCII if is_ascii else Charset.UTF_8
