"""Our own reports, once a day: what TLS with a domain came to (RFC 8460), what mail in its name came to (DMARC).

Any process makes one that is due, under a claim; its queue id is made of what it is about, so that one that was made twice
is delivered once. Who wants a report is asked of DNS when it is made. Domains' turns are spread over the first hours of
the day (RFC 8460 §4).
"""

import asyncio
import gzip
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from urllib.parse import SplitResult, urlsplit

from directoryclient import DirectoryClient, Unavailable
from directoryclient.signing import SigningKeys
from dnslookup import DnsUnavailable, NoSuchDomain, Resolver
from mailproto.smtp.address import AddressInvalid, parse_forward_path
from mailproto.smtp.wishes import NO_WISHES, TlsWish, Wishes
from pgkit import DatabaseUnavailable
from senderauth import dkim
from senderauth.dmarc.record import ReportUri, parse_record
from senderauth.names import is_at_or_below, normal_name
from senderauth.reports import dmarc, tls
from servicekit import logs
from spool import Letter, OutcomeUnknown, Recipient, Source, Spool, SpoolUnavailable

from mta_queue import metrics
from mta_queue.adapters.https import Https, HttpsFailed
from mta_queue.adapters.report_store import Due, ReportStore
from mta_queue.core.hooks import HookInvalid, check_url
from mta_queue.core.report_mail import Kind, Parcel, build
from mta_queue.edge.notices import notice_queue_id

LOG = logs.logger("mta_queue.reporting")
EVERY_SECONDS = 300.0
AT_ONCE = 16
SPREAD_SECONDS = 4 * 3600
SIGNED_SECONDS = 7 * 86_400
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Without a limit in the record; more than most systems take in one message.
PACKED_MOST = 10 * 1024 * 1024
AWAY = (Unavailable, SpoolUnavailable, OutcomeUnknown, DatabaseUnavailable, DnsUnavailable)
MEDIA_TYPES = {Kind.TLS: "application/tlsrpt+gzip", Kind.DMARC: "application/gzip"}


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who we are: our name, and an address of a domain of ours that reports come from."""

    hostname: str
    address: str


class Reporting:
    """Several processes may run it."""

    def __init__(
        self,
        who: Reporter,
        store: ReportStore,
        spool: Spool,
        directory: DirectoryClient,
        keys: SigningKeys,
        resolver: Resolver,
        https: Https,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._who = who
        self._store = store
        self._spool = spool
        self._directory = directory
        self._keys = keys
        self._resolver = resolver
        self._https = https
        self._clock = clock

    async def run(self, draining: asyncio.Event) -> None:
        """Until the drain."""
        while not draining.is_set():
            try:
                await self.once(draining)
            except DatabaseUnavailable as error:
                LOG.warning("reports_postponed", error=str(error))
            try:
                async with asyncio.timeout(EVERY_SECONDS):
                    await draining.wait()
            except TimeoutError:
                continue

    async def once(self, draining: asyncio.Event) -> None:
        """All that are due now, some side by side: who keeps us waiting keeps nobody else's report. Raises DatabaseUnavailable."""
        now = self._clock()
        await self._store.forget(now)
        room, under_way = asyncio.Semaphore(AT_ONCE), set[asyncio.Task[None]]()

        async def make(due: Due) -> None:
            async with room:
                await self._make(due, now)

        try:
            for kind in Kind:
                after: Due | None = None
                # Page by page: hundreds that cannot be made now must not hide those behind them.
                while dues := await self._store.due(kind, now.date(), after):
                    after = dues[-1]
                    for due in dues:
                        if draining.is_set():
                            return
                        if now < _turn_of(due):
                            continue
                        async with room:
                            if not await self._store.claim(due, self._clock()):
                                continue
                        task = asyncio.create_task(make(due))
                        under_way.add(task)
                        task.add_done_callback(under_way.discard)
        finally:
            await asyncio.gather(*under_way)

    async def _make(self, due: Due, now: datetime) -> None:
        try:
            uris = await self._wanted_by(due)
            sent_to, problems = [], []
            for parcel in await self._parcels(due) if uris else ():
                for uri in uris:
                    problem = await self._send(parcel, uri, now)
                    shown = "".join(each if each.isprintable() else "?" for each in uri.uri)
                    if problem:
                        problems.append(f"{shown}: {problem}")
                    else:
                        sent_to.append(shown)
            await self._store.done(due, sent_to, "; ".join(problems), now)
        except AWAY as error:
            # The claim runs out, and it is tried again.
            LOG.warning("report_postponed", kind=due.kind.value, domain=due.domain, error=str(error))
            return
        except Exception:
            LOG.exception("report_failed", kind=due.kind.value, domain=due.domain)
            return
        if uris:
            metrics.REPORTS.labels(due.kind.value, "sent" if sent_to else "failed").inc()
            LOG.info(
                "report_made", kind=due.kind.value, domain=due.domain, sent_to=sent_to, problems=problems
            )

    async def _wanted_by(self, due: Due) -> Sequence[ReportUri]:
        """Who wants it. Raises DnsUnavailable."""
        if due.kind is Kind.TLS:
            records = await self._txt(tls.record_name(due.domain))
            return [ReportUri(uri) for uri in tls.report_uris(records)]
        found = [
            record
            for text in await self._txt(f"_dmarc.{due.domain}")
            if (record := parse_record(text)) is not None
        ]
        if len(found) != 1:
            return []
        return [uri for uri in found[0].aggregate_reports if await self._may_have(due.domain, uri)]

    async def _may_have(self, domain: str, uri: ReportUri) -> bool:
        """RFC 7489 §7.1: who is asked to take reports about another's domain must have agreed. Raises DnsUnavailable."""
        receiver = _host_of(uri.uri)
        if not receiver:
            return False
        if is_at_or_below(receiver, domain) or is_at_or_below(domain, receiver):
            return True
        return dmarc.is_authorized(await self._txt(dmarc.authorization_name(domain, receiver)))

    async def _txt(self, name: str) -> list[str]:
        try:
            return await self._resolver.records(name, "TXT")
        except NoSuchDomain:
            return []

    async def _parcels(self, due: Due) -> list[Parcel]:
        begin_at = datetime.combine(due.day, time(), UTC)
        end_at = begin_at + timedelta(days=1) - timedelta(seconds=1)
        report_id = f"{due.day.isoformat()}.{due.domain}"
        contents: list[tuple[str, bytes]] = []
        if due.kind is Kind.TLS:
            policies = await self._store.tls_policies(due)
            report = tls.TlsReport(
                self._who.hostname, begin_at, end_at, f"mailto:{self._who.address}", report_id, policies
            )
            contents.append((report_id, tls.build(report)))
        else:
            found = await self._store.dmarc_rows(due)
            for number, (published, rows) in enumerate(found.items()):
                name = report_id if number == 0 else f"{report_id}.{number}"
                contents.append(
                    (
                        name,
                        dmarc.build(
                            dmarc.DmarcReport(
                                self._who.hostname, self._who.address, name, begin_at, end_at, published, rows
                            )
                        ),
                    )
                )
        return [
            Parcel(due.kind, due.domain, name, begin_at, end_at, gzip.compress(content, mtime=0))
            for name, content in contents
        ]

    async def _send(self, parcel: Parcel, uri: ReportUri, now: datetime) -> str:
        """What went wrong, for good; "" where nothing did."""
        if len(parcel.packed) > (uri.max_octets or PACKED_MOST):
            return f"the report has {len(parcel.packed)} octets"
        scheme = uri.uri.partition(":")[0].lower()
        if scheme == "mailto":
            parts = _parts(uri.uri)
            return "that is no address" if parts is None else await self._mail(parcel, parts.path, now)
        if scheme != "https" or parcel.kind is Kind.DMARC:
            return "reports are not sent there"
        try:
            host, target = check_url(uri.uri)
            answer = await self._https.post(
                host, target, parcel.packed, [("Content-Type", MEDIA_TYPES[parcel.kind])]
            )
        except (HookInvalid, HttpsFailed) as error:
            return str(error)
        return "" if 200 <= answer.status < 300 else f"the answer was {answer.status}"

    async def _mail(self, parcel: Parcel, recipient: str, now: datetime) -> str:
        sender = self._who.address
        if not _is_mailbox(recipient):
            return "that is no address"
        ours, theirs = await self._directory.resolve([sender, recipient])
        if not ours.tenant_id:
            return f"{sender} is not of a domain of ours"
        recipients = tuple(
            Recipient(target.address, recipient, target.tenant_id, target.account_id)
            for target in theirs.targets
        ) or (Recipient(recipient, recipient, ours.tenant_id, None),)
        if theirs.tenant_id and not theirs.targets:
            return f"{recipient} is nobody here"
        content = build(parcel, sender=sender, submitter=self._who.hostname, recipient=recipient, sent_at=now)
        keys = await self._keys.of(ours.tenant_id, normal_name(sender.rpartition("@")[2]))
        signatures = b""
        if keys:
            signatures = dkim.sign(content, keys, now=now, lifetime_seconds=SIGNED_SECONDS)
        elif parcel.kind is Kind.TLS:
            # RFC 8460 §3: only what is signed is believed.
            return f"there are no DKIM keys for the domain of {sender}"
        queue_id = notice_queue_id(
            _moment_letters(parcel.end_at), (parcel.kind.value, parcel.report_id, recipient)
        )
        await self._spool.accept(
            Letter(
                queue_id=queue_id,
                reverse_path=sender,
                recipients=recipients,
                content=content,
                trace_prefix=signatures,
                source=Source.DSN,
                arrived_at=now,
                wishes=Wishes(tls=TlsWish.OPTIONAL) if parcel.kind is Kind.TLS else NO_WISHES,
            )
        )
        return ""


def _turn_of(due: Due) -> datetime:
    """When on the day after."""
    lot = int.from_bytes(hashlib.sha256(due.domain.encode()).digest()[:4], "big") % SPREAD_SECONDS
    return datetime.combine(due.day + timedelta(days=1), time(), UTC) + timedelta(seconds=lot)


def _is_mailbox(text: str) -> bool:
    """A stranger's record says it, of any octets."""
    try:
        parsed = parse_forward_path(f"<{text}>".encode("utf-8", "replace"))
    except AddressInvalid:
        return False
    return parsed.address == text and not parsed.rest


def _host_of(uri: str) -> str:
    parts = _parts(uri)
    if parts is None:
        return ""
    if parts.scheme.lower() == "mailto":
        return normal_name(parts.path.rpartition("@")[2]) if "@" in parts.path else ""
    return normal_name(parts.hostname or "")


def _parts(uri: str) -> SplitResult | None:
    """None where it is none: a stranger's record may hold anything, and must not have the others told again and again."""
    try:
        return urlsplit(uri)
    except ValueError:
        return None


def _moment_letters(at: datetime) -> str:
    """The first ten letters of a queue id of that moment."""
    number = int(at.timestamp() * 1000)
    letters = ""
    for _ in range(10):
        letters = ALPHABET[number & 31] + letters
        number >>= 5
    return letters
