"""Wiring of the reports: who counts, who sends, where there is an address to send from."""

from collections.abc import Callable

import grpc
from directoryclient import DirectoryClient
from directoryclient.signing import SigningKeys
from dnslookup import Resolver
from eventbus import EventBus, subjects
from pgkit import Pool
from servicekit.run import Service
from spool import Spool

from mta_queue.adapters.dmarc_results import DmarcResults
from mta_queue.adapters.https import Https
from mta_queue.adapters.report_store import ReportStore
from mta_queue.adapters.tls_results import TlsResults
from mta_queue.edge.reporting import Reporter, Reporting
from mta_queue.settings import Settings

# Of the mta-queues, one counts each message.
GROUP = "mta-queue"


async def signing_keys(bus: EventBus, channel: grpc.aio.Channel) -> SigningKeys:
    """The keys of our domains, forgotten when they change."""
    keys = SigningKeys(channel, hears_changes=lambda: bus.connected)
    await bus.listen(subjects.DIRECTORY_CHANGED, keys.changed)
    return keys


async def begin(
    service: Service[Settings],
    bus: EventBus,
    pool: Pool,
    make: Callable[[Reporter], Reporting],
    results: TlsResults,
) -> None:
    """Count and report, until the drain."""
    settings = service.settings
    counted = DmarcResults(pool)
    await bus.listen(subjects.DMARC_RESULT, counted.told, group=GROUP)
    for each in (results, counted):
        service.on_close(each.flush)
    service.spawn(results.run(service.draining), name="tls-results")
    service.spawn(counted.run(service.draining), name="dmarc-results")
    reporting = make(Reporter(settings.hostname, settings.report_address))
    service.spawn(reporting.run(service.draining), name="reports")


def reporting_of(
    store: ReportStore,
    spool: Spool,
    directory: DirectoryClient,
    keys: SigningKeys,
    resolver: Resolver,
    https: Https,
) -> Callable[[Reporter], Reporting]:
    """What `begin` makes its reports with."""
    return lambda who: Reporting(who, store, spool, directory, keys, resolver, https)
