"""Reports that come: mail to an address at REPORTS_DOMAIN is read here and sent nowhere.

That domain exists in no DNS (RFC 6761 §6.4). Whoever wants figures makes an alias for the address in his rua, such as
tlsrpt@example.org, with the target `reports@reports.posthouse.invalid`: the directory resolves it like any alias, the
gate takes the message as one to relay, and the queue hands it to this reader in place of a host. So it is read once, and
waits and is tried again like all mail while the database is away.
"""

import asyncio
import json
from datetime import UTC, datetime
from itertools import islice

from blobstore import BlobStore
from mailproto.smtp.reply import Reply
from senderauth.reports import ReportFault, dmarc, tls, unpacked
from servicekit import logs
from spool import SpooledLetter

from mta_queue import metrics
from mta_queue.adapters.report_store import Figures, ReportStore
from mta_queue.core.attempt import Delivery, attempt_of
from mta_queue.core.outcome import all_alike
from mta_queue.core.report_mail import Kind, attachments
from mta_queue.core.shaping import OPEN, Passage
from mta_queue.ports import Outbound

LOG = logs.logger("mta_queue.reports")
REPORTS_DOMAIN = "reports.posthouse.invalid"
NAME_MOST = 255
# A mail brings one (RFC 7489 §7.2.1.1, RFC 8460 §5.3).
REPORTS_MOST = 3
# Kinds of failures, or rows, that are kept of one report: the most frequent ones.
FIGURES_MOST = 500


class ReportReader:
    """Satisfies ports.Outbound: what is not for us goes on."""

    def __init__(self, others: Outbound, store: ReportStore, blobs: BlobStore) -> None:
        self._others = others
        self._store = store
        self._blobs = blobs

    def forget(self) -> None:
        self._others.forget()

    async def deliver(
        self,
        letter: SpooledLetter,
        domain: str,
        recipients: tuple[str, ...],
        route: str = "",
        passage: Passage = OPEN,
    ) -> Delivery:
        if domain != REPORTS_DOMAIN:
            return await self._others.deliver(letter, domain, recipients, route, passage)
        started_at = datetime.now(UTC)
        found = await self._read(letter)
        kinds = ", ".join(f"{kind.value} of {figures.domain}" for kind, figures in found)
        text = f"read: {kinds}" if found else "there is no report in it that can be read"
        fate = all_alike(recipients, Reply.of(250, "2.0.0", text[:500]), "")
        seconds = (datetime.now(UTC) - started_at).total_seconds()
        return Delivery(fate, [attempt_of(domain, started_at, seconds, "", "", fate)])

    async def _read(self, letter: SpooledLetter) -> list[tuple[Kind, Figures]]:
        """What was kept. Raises BlobMissing, BlobUnavailable, DatabaseUnavailable."""
        body = letter.body
        content = await self._blobs.get_range(body.object_key, body.offset, body.length)
        found: list[tuple[Kind, Figures]] = []
        for packed in islice(attachments(content), REPORTS_MOST):
            # In a thread: thirty megabytes may come out of thirty kilobytes.
            read = await asyncio.to_thread(_parsed, packed, letter.envelope.tenant_id)
            if isinstance(read, ReportFault):
                metrics.REPORTS_RECEIVED.labels("unreadable").inc()
                LOG.info("report_unreadable", queue_id=letter.envelope.queue_id, reason=read.reason)
                continue
            await self._store.received(*read)
            metrics.REPORTS_RECEIVED.labels(read[0].value).inc()
            found.append(read)
        return found


def _parsed(packed: bytes, tenant_id: str) -> tuple[Kind, Figures] | ReportFault:
    data = unpacked(packed)
    if isinstance(data, ReportFault):
        return data
    if data.lstrip()[:1] == b"{":
        report = tls.parse(data)
        return report if isinstance(report, ReportFault) else (Kind.TLS, _of_tls(report, tenant_id))
    aggregate = dmarc.parse(data)
    return aggregate if isinstance(aggregate, ReportFault) else (Kind.DMARC, _of_dmarc(aggregate, tenant_id))


def _of_tls(report: tls.TlsReport, tenant_id: str) -> Figures:
    failures: dict[tuple[str, str], int] = {}
    for policy in report.policies:
        for detail in policy.details:
            key = detail.result_type, detail.receiving_mx_hostname
            failures[key] = failures.get(key, 0) + detail.sessions
    most = sorted(failures.items(), key=lambda item: -item[1])[:FIGURES_MOST]
    domains = [policy.domain for policy in report.policies if policy.domain]
    return Figures(
        tenant_id,
        domains[0][:NAME_MOST] if domains else "",
        report.organization[:NAME_MOST],
        report.report_id[:NAME_MOST],
        report.begin_at,
        report.end_at,
        _bounded(sum(policy.successes for policy in report.policies)),
        _bounded(sum(policy.failures for policy in report.policies)),
        json.dumps([{"result": result, "host": host, "sessions": n} for (result, host), n in most]),
    )


def _of_dmarc(report: dmarc.DmarcReport, tenant_id: str) -> Figures:
    rows = sorted(report.rows, key=lambda item: -item[1])
    passed = sum(count for row, count in rows if "pass" in (row.dkim, row.spf))
    return Figures(
        tenant_id,
        report.published.domain[:NAME_MOST],
        report.organization[:NAME_MOST],
        report.report_id[:NAME_MOST],
        report.begin_at,
        report.end_at,
        _bounded(passed),
        _bounded(sum(count for _, count in rows) - passed),
        json.dumps(
            [
                {
                    "source_address": row.source_address,
                    "header_from": row.header_from,
                    "disposition": row.disposition,
                    "dkim": row.dkim,
                    "spf": row.spf,
                    "messages": count,
                }
                for row, count in rows[:FIGURES_MOST]
            ]
        ),
    )


def _bounded(count: int) -> int:
    """What a bigint holds."""
    return min(count, 2**62)
