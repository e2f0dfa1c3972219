"""`python -m mda`: the wiring."""

from datetime import timedelta

import grpc
from blobstore import BlobStore
from directoryclient import DirectoryClient
from directoryclient.data_keys import sealed
from directoryclient.policies import TenantPolicies
from directoryclient.quotas import QuotaBook
from eventbus import EventBus, Followed, subjects
from mailstore import MailStore, bus_notifier
from mailwire.judge.v1.judge_pb2_grpc import add_JudgeServiceServicer_to_server
from mailwire.mailbox.v1.admin_pb2_grpc import add_MailboxAdminServiceServicer_to_server
from mailwire.quarantine.v1.quarantine_pb2_grpc import add_QuarantineAdminServiceServicer_to_server
from mailwire.script.v1.script_pb2_grpc import add_ScriptAdminServiceServicer_to_server
from servicekit import rpc
from servicekit.run import Service, run
from servicekit.settings import read_secret
from spool import Spool, Unpacking

from mda.adapters.configured import learner_of, scanners_of
from mda.adapters.holdings import QueueHoldings
from mda.adapters.lists import DirectoryLists
from mda.adapters.quarantine import BlobQuarantine
from mda.adapters.removals import DirectoryRemovals
from mda.core.findings import WhenUnscanned
from mda.edge.acting import Acting
from mda.edge.callers import ALLOWED
from mda.edge.disclosing import Disclosing
from mda.edge.distributing import Distributing
from mda.edge.ext_lists import KnownLists
from mda.edge.filing import Filing
from mda.edge.fullness import Fullness
from mda.edge.housekeeping import Housekeeping
from mda.edge.judging import Judging
from mda.edge.learning import Learning
from mda.edge.mailboxes import Mailboxes
from mda.edge.outgoing import Outgoing
from mda.edge.placing import Placing
from mda.edge.receipts import Receipts
from mda.edge.reporting import Reporting
from mda.edge.running import Running
from mda.edge.screening import Screening
from mda.edge.scripting import Scripting
from mda.edge.sealing import Sealing
from mda.edge.settling import Settling
from mda.edge.sorting import Sorting
from mda.edge.wishing import Wishing
from mda.ports import Removals
from mda.settings import Settings


async def wire(service: Service[Settings]) -> None:
    """Connect, check that everything is as strong as promised, file."""
    settings = service.settings
    bus = await EventBus.connect(
        settings.nats_url, name=service.name, monitor_url=settings.nats_monitor_url or None
    )
    service.on_close(bus.close)
    await bus.ensure_stream()
    blobs = BlobStore.open(
        settings.s3_url,
        settings.s3_bucket,
        read_secret(settings.s3_access_key_file),
        read_secret(settings.s3_secret_key_file),
    )
    channel = rpc.channel(settings.directory_target, "directory", service.identity)
    service.on_close(lambda: channel.close(None))
    blobs = await sealed(blobs, channel, bus)
    quotas = QuotaBook(channel, hears_changes=lambda: bus.connected)
    await bus.listen(subjects.DIRECTORY_CHANGED, quotas.changed)
    mailboxes = await MailStore.open(
        read_secret(settings.database_dsn_file),
        blobs,
        bus_notifier(bus),
        pool_size=settings.database_pool_size,
        limits=quotas.limits,
    )
    service.on_close(mailboxes.close)
    # Filing again what was filed costs a look-up, so what a dead process had taken may come again soon.
    source = await bus.consume("mda", subjects.MAIL_LOCAL, ack_wait_seconds=settings.ack_wait_seconds)
    service.on_close(source.give_back)
    directory = DirectoryClient(channel, door="mda", hears_changes=lambda: bus.connected)
    await bus.listen(subjects.DIRECTORY_CHANGED, directory.changed)
    policies = TenantPolicies(channel, hears_changes=lambda: bus.connected)
    await bus.listen(subjects.DIRECTORY_CHANGED, policies.changed)
    scanners = scanners_of(settings)
    screening = None
    if scanners:
        screening = Screening(
            scanners,
            blobs,
            when_unscanned=WhenUnscanned(settings.when_unscanned),
            scans_at_once=settings.scans_at_once,
            tries=settings.poison_tries,
            pause_seconds=settings.retry_seconds,
            policies=policies,
            tell=bus.tell,
        )
    if (learner := learner_of(scanners, settings)) is not None:
        learning = Learning(learner, mailboxes, service.draining)
        await bus.listen(f"{subjects.MAILBOX_SORTED}.*", learning.heard)
        service.spawn(learning.run(), name="learning")
    spool = Spool(blobs, bus)
    disclosing = Disclosing(
        settings.hostname, mailboxes, spool, directory, service.draining, retry_seconds=settings.retry_seconds
    )
    await bus.listen(f"{subjects.MAILBOX_READ}.*", disclosing.heard)
    service.spawn(disclosing.run(), name="disclosing")
    quarantine = BlobQuarantine(blobs)
    fullness = await _fullness(service, bus, mailboxes, spool)
    receipts = Receipts(settings.hostname, spool, directory)
    sealing = Sealing(policies, blobs, mailboxes)
    lists = DirectoryLists(channel, hears_changes=lambda: bus.connected)
    await bus.listen(subjects.DIRECTORY_CHANGED, lists.changed)
    running = Running(mailboxes, blobs, KnownLists(mailboxes, directory, lists))
    outgoing, placing = Outgoing(settings.hostname, spool, directory), Placing(mailboxes, running)
    await bus.ensure_acted()
    acted = await bus.consume(
        "mda-scripts",
        subjects.ALL_ACTED,
        ack_wait_seconds=settings.ack_wait_seconds,
        stream=subjects.ACTED_STREAM,
    )
    service.on_close(acted.give_back)
    acting = Acting(
        acted, mailboxes, running, outgoing, placing, service.draining, retry_seconds=settings.retry_seconds
    )
    service.spawn(acting.run(), name="acting")
    distributing = Distributing(
        settings.hostname, lists, running, spool, directory, quarantine, settings.unsubscribe_url
    )
    reporting = Reporting(
        lambda tenant_id, payload: bus.tell(subjects.events(tenant_id), payload), service.draining
    )
    service.spawn(reporting.run(), name="reporting")
    filing = Filing(
        Unpacking(source),
        mailboxes,
        quarantine,
        receipts,
        service.draining,
        batch_messages=settings.batch_messages,
        retry_seconds=settings.retry_seconds,
        poison_tries=settings.poison_tries,
        screening=screening,
        sorting=Sorting(
            mailboxes, running, outgoing, placing, receipts, Wishing(policies, running, directory)
        ),
        sealing=sealing,
        hold_seconds=min(2.0, settings.ack_wait_seconds / 4),
        fullness=fullness,
        policies=policies,
        returned=lambda payload: bus.tell(subjects.MAIL_RETURNED, payload),
        distributing=distributing,
        choices=policies,
        reporting=reporting,
        tenants=blobs,
    )
    for number in range(settings.filing_tasks):
        service.spawn(filing.run(), name=f"filing-{number}")
    settling = Settling(
        quarantine,
        blobs,
        mailboxes,
        receipts,
        timedelta(days=settings.quarantine_days),
        service.draining,
        learner,
        distributing,
        sealing=sealing,
    )
    service.spawn(settling.sweep(), name="quarantine-sweep")

    service.spawn(
        _housekeeping(service, mailboxes, blobs, DirectoryRemovals(channel)).run(), name="housekeeping"
    )

    def register(server: grpc.aio.Server) -> list[str]:
        add_QuarantineAdminServiceServicer_to_server(settling, server)
        add_MailboxAdminServiceServicer_to_server(Mailboxes(mailboxes), server)
        add_JudgeServiceServicer_to_server(Judging(screening, settings.scan_octets), server)
        add_ScriptAdminServiceServicer_to_server(Scripting(settings.hostname, mailboxes, running), server)
        return list(ALLOWED)

    if settings.grpc_port:
        await rpc.serve_grpc(service, settings.grpc_host, settings.grpc_port, register, ALLOWED)
    service.ready_when("bus", bus.check)
    service.ready_when("mailboxes", mailboxes.check)
    if settings.when_unscanned == "wait":
        for scanner in scanners:
            service.ready_when(scanner.name, scanner.check)


def _housekeeping(
    service: Service[Settings], mailboxes: MailStore, blobs: BlobStore, removals: Removals
) -> Housekeeping:
    settings = service.settings
    holdings = None
    if settings.queue_target:
        channel = rpc.channel(settings.queue_target, "mta-queue", service.identity)
        service.on_close(lambda: channel.close(None))
        holdings = QueueHoldings(channel)
    return Housekeeping(
        mailboxes,
        blobs,
        holdings,
        removals,
        service.draining,
        every=timedelta(hours=settings.housekeeping_hours),
        kept=timedelta(days=settings.object_days),
    )


async def _fullness(
    service: Service[Settings], bus: EventBus, mailboxes: MailStore, spool: Spool
) -> Fullness:
    rooms = await bus.ledger(
        subjects.FULL, octets_most=subjects.FULL_OCTETS, keep_seconds=subjects.FULL_SECONDS
    )
    followed = Followed(
        rooms, lambda account_id, value: fullness.heard(account_id, value), lambda: bus.connections
    )
    fullness = Fullness(
        service.settings.hostname, mailboxes, spool, rooms, followed.refresh, service.draining
    )
    await followed.start()
    mailboxes.on_quota = fullness.seen
    service.spawn(fullness.run(), name="fullness")
    return fullness


def main() -> None:
    """The console entry."""
    run("mda", Settings, wire)


if __name__ == "__main__":
    main()
