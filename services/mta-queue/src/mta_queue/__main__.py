"""`python -m mta_queue`: the wiring."""

from datetime import timedelta

import grpc
from blobstore import BlobStore
from directoryclient import DirectoryClient
from directoryclient.data_keys import sealed
from directoryclient.policies import TenantPolicies
from dnslookup import Resolver, parse_servers
from eventbus import EventBus, subjects
from mailwire.queue.v1.holding_pb2_grpc import add_HoldingServiceServicer_to_server
from mailwire.queue.v1.queue_pb2_grpc import add_QueueAdminServiceServicer_to_server
from mailwire.queue.v1.reach_pb2_grpc import add_ReachAdminServiceServicer_to_server
from mailwire.queue.v1.relay_pb2_grpc import add_RelayAdminServiceServicer_to_server
from mailwire.queue.v1.suppressed_pb2_grpc import add_SuppressedServiceServicer_to_server
from pgkit import check, check_durability, open_pool
from servicekit import rpc
from servicekit.run import Service, run
from servicekit.sealing import Sealer
from servicekit.settings import read_secret, read_secrets
from spool import Spool, Unpacking

from mta_queue.adapters.changes import Changes
from mta_queue.adapters.egress import Egress, EgressBook
from mta_queue.adapters.hooks import Hooks
from mta_queue.adapters.https import Https
from mta_queue.adapters.items import Items
from mta_queue.adapters.lanes import Lanes
from mta_queue.adapters.leaving import Leaving
from mta_queue.adapters.permits import Permits
from mta_queue.adapters.posting import HttpsPost
from mta_queue.adapters.quarantine import BlobQuarantine
from mta_queue.adapters.queue import SqlQueue
from mta_queue.adapters.relay import Relay
from mta_queue.adapters.report_reader import ReportReader
from mta_queue.adapters.report_store import ReportStore
from mta_queue.adapters.routes import RouteBook, login_of
from mta_queue.adapters.rules import RuleBook
from mta_queue.adapters.shapes import ShapeBook
from mta_queue.adapters.shaping import Shaping
from mta_queue.adapters.sts import StsPolicies
from mta_queue.adapters.suppressions import Suppressions
from mta_queue.adapters.tls import authorities_context
from mta_queue.adapters.tls_results import TlsResults
from mta_queue.core.schedule import Schedule
from mta_queue.core.turns import Caps
from mta_queue.edge.anteroom import Anteroom
from mta_queue.edge.attempts import Attempts
from mta_queue.edge.callers import ALLOWED
from mta_queue.edge.current import CurrentRules
from mta_queue.edge.firsts import Firsts
from mta_queue.edge.holdings import Holdings
from mta_queue.edge.jobs import Jobs
from mta_queue.edge.laters import Laters
from mta_queue.edge.logins import LoginNotices
from mta_queue.edge.notices import Notices
from mta_queue.edge.orders import Orders
from mta_queue.edge.reach_orders import ReachOrders
from mta_queue.edge.relay_orders import RelayOrders
from mta_queue.edge.releasing import Releasing
from mta_queue.edge.returns import Returns
from mta_queue.edge.slots import Slots
from mta_queue.edge.suppressed import Suppressed
from mta_queue.edge.suppressing import Suppressing
from mta_queue.edge.upkeep import Upkeep
from mta_queue.edge.webhooks import Webhooks
from mta_queue.reports import begin as begin_reports
from mta_queue.reports import reporting_of, signing_keys
from mta_queue.settings import Settings

# A connection that is not kept any more says goodbye first.
PERMIT_GRACE_SECONDS = 0.5
# Packs or letters of the bus on their way to us: what we do not come to, others might.
PREFETCH = 64
# Letters that wait for a place in this process, before they wait in the table; and how long.
ANTEROOM = 512
OF_A_LANE = 64
ANTEROOM_SECONDS = 3.0
# Of these so many are fetched before there is a place for them: bodies that lie together are read together.
AHEAD = 64
# A webhook that thinks for longer is not heard.
HOOK_SECONDS = 20.0


async def wire(service: Service[Settings]) -> None:
    """Connect, check that everything is as strong as promised, work."""
    settings = service.settings
    bus = await EventBus.connect(
        settings.nats_url, name=service.name, monitor_url=settings.nats_monitor_url or None
    )
    service.on_close(bus.close)
    await bus.ensure_stream()
    pool = await open_pool(read_secret(settings.database_dsn_file), max_size=settings.database_pool_size)
    service.on_close(pool.close)
    await check_durability(pool)
    blobs = BlobStore.open(
        settings.s3_url,
        settings.s3_bucket,
        read_secret(settings.s3_access_key_file),
        read_secret(settings.s3_secret_key_file),
    )
    channel = rpc.channel(settings.directory_target, "directory", service.identity)
    service.on_close(lambda: channel.close(None))
    blobs = await sealed(blobs, channel, bus)
    directory = DirectoryClient(channel, door="smtp", hears_changes=lambda: bus.connected)
    await bus.listen(subjects.DIRECTORY_CHANGED, directory.changed)
    await bus.ensure_events()
    queue = SqlQueue(
        pool,
        hooks=lambda: rules.now.hooks,
        tell=lambda tenant_id, payload: bus.tell(subjects.events(tenant_id), payload),
    )
    policies = TenantPolicies(channel, hears_changes=lambda: bus.connected)
    await bus.listen(subjects.DIRECTORY_CHANGED, policies.changed)

    async def suppresses(tenant_id: str) -> bool:
        return (await policies.of(tenant_id)).suppress_hard_bounces

    suppressions = Suppressions(pool)
    spool = Spool(blobs, bus)
    notices = Notices(settings.hostname, queue, spool, blobs, directory)
    source = await bus.consume(
        "mta-queue", subjects.MAIL_RELAY, ack_wait_seconds=settings.ack_wait_seconds, prefetch=PREFETCH
    )
    service.on_close(source.give_back)
    resolver = Resolver(parse_servers(settings.dns_servers), servers_validate=settings.dns_validates)
    https = Https(
        resolver,
        authorities_context(settings.tls_authorities_file),
        allow_private=settings.allow_private_destinations,
        port=settings.https_port,
    )
    hook_https = Https(
        resolver,
        authorities_context(settings.tls_authorities_file),
        allow_private=settings.allow_private_destinations,
        port=settings.https_port,
        seconds=HOOK_SECONDS,
    )
    sts = StsPolicies(pool, resolver, https)
    keys = await signing_keys(bus, channel)
    srs_file = settings.srs_secret_file
    srs_secrets = tuple(each.encode() for each in read_secrets(srs_file)) if srs_file is not None else ()
    store = ReportStore(pool)
    results = TlsResults(pool) if settings.report_address else None
    sealer = Sealer(read_secrets(settings.secret_file), "passwords at rest") if settings.secret_file else None
    source_permits = Permits(pool, "source")
    egress = Egress(pool, lambda: rules.now.sources, sealer, permits=source_permits)
    service.on_close(egress.close)
    relay = Relay(
        settings,
        resolver,
        blobs,
        sts=sts.policy_of,
        way_of=lambda tenant_id, domain: rules.now.way_of(tenant_id, domain),
        results=results,
        login_of=login_of(sealer),
        leaving=Leaving(directory, keys, srs_secrets),
        egress=egress,
    )
    service.on_close(relay.close)
    schedule = Schedule(
        settings.retry_first_seconds,
        max(settings.retry_first_seconds, settings.retry_longest_seconds),
        settings.expire_seconds,
        warn_seconds=settings.warn_seconds,
    )
    book = RuleBook(pool, schedule)
    rules = CurrentRules(book.load, await book.load(), book.stamp)
    lanes = Lanes(pool)
    shaping = Shaping(pool, resolver, keep_seconds=settings.connection_idle_seconds + PERMIT_GRACE_SECONDS)
    service.on_close(shaping.close)
    suppressing = Suppressing(suppressions, suppresses, settings.suppression_days)
    attempts = Attempts(
        ReportReader(relay, store, blobs), notices, lanes, shaping, rules, Releasing(spool), suppressing
    )
    slots = Slots(
        settings.attempts_at_once,
        Caps(settings.attempts_a_destination, settings.attempts_a_tenant, shaping.narrower),
    )
    firsts = Firsts(
        Unpacking(source),
        queue,
        attempts,
        BlobQuarantine(blobs),
        slots,
        rules,
        service.draining,
        keep_seconds=settings.ack_wait_seconds / 3,
        bodies=relay.bodies,
        anteroom=Anteroom(ANTEROOM, OF_A_LANE, min(ANTEROOM_SECONDS, settings.ack_wait_seconds / 3)),
        ahead=AHEAD,
    )
    laters = Laters(
        lanes,
        queue,
        attempts,
        slots,
        rules,
        service.draining,
        lease_seconds=settings.lease_seconds,
        poll_seconds=settings.poll_seconds,
    )
    upkeep = Upkeep(
        queue,
        timedelta(days=settings.history_days),
        service.draining,
        outcomes=timedelta(days=settings.outcome_days),
        forget_expired=suppressions.forget_expired,
    )
    changes = Changes(pool, queue.telling)
    jobs = Jobs(changes, notices, service.draining)
    orders = Orders(Items(pool), changes, jobs, book, rules)

    relay_orders = RelayOrders(RouteBook(pool, sealer), rules, store, EgressBook(pool, sealer))

    hooks = Hooks(pool, sealer)
    reach_orders = ReachOrders(ShapeBook(pool), suppressions, hooks, rules)

    def register(server: grpc.aio.Server) -> list[str]:
        add_QueueAdminServiceServicer_to_server(orders, server)
        add_RelayAdminServiceServicer_to_server(relay_orders, server)
        add_ReachAdminServiceServicer_to_server(reach_orders, server)
        add_HoldingServiceServicer_to_server(Holdings(pool), server)
        add_SuppressedServiceServicer_to_server(Suppressed(suppressions), server)
        return list(ALLOWED)

    if settings.grpc_port:
        await rpc.serve_grpc(service, settings.grpc_host, settings.grpc_port, register, ALLOWED)
    service.spawn(jobs.run(), name="jobs")
    service.spawn(shaping.keep_permits(service.draining), name="permits")
    service.spawn(source_permits.keep(service.draining), name="source-permits")
    returns = Returns(queue, suppressions, suppresses, blobs, settings.suppression_days, service.draining)
    await bus.listen(subjects.MAIL_RETURNED, returns.heard, group="mta-queue")
    service.spawn(returns.run(), name="returned-mail")
    logins = LoginNotices(queue, service.draining)
    await bus.listen(subjects.LOGIN_NOTICED, logins.heard, group="mta-queue")
    service.spawn(logins.run(), name="login-notices")
    service.spawn(Webhooks(hooks, HttpsPost(hook_https), service.draining).run(), name="webhooks")
    service.spawn(firsts.run(), name="first-attempts")
    service.spawn(laters.run(), name="due-items")
    service.spawn(upkeep.run(), name="upkeep")
    service.spawn(sts.run(service.draining), name="sts-policies")
    if results is not None:
        make = reporting_of(store, spool, directory, keys, resolver, https)
        await begin_reports(service, bus, pool, make, results)
    service.spawn(notices.sweep(service.draining), name="notice-sweep")
    service.ready_when("bus", bus.check)
    service.ready_when("queue", lambda: check(pool))


def main() -> None:
    """The console entry."""
    run("mta-queue", Settings, wire)


if __name__ == "__main__":
    main()
