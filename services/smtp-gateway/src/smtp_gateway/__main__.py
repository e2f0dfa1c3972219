"""`python -m smtp_gateway`: the wiring."""

import time

from blobstore import BlobStore
from directoryclient.barring import send_away_the_barred
from directoryclient.data_keys import sealed
from directoryclient.policies import TenantPolicies
from directoryclient.signing import SigningKeys
from dnslookup import Resolver, parse_servers
from eventbus import EventBus, subjects
from servicekit import rpc
from servicekit.run import Service, run
from servicekit.settings import read_secret, read_secrets
from spool import Spool

from smtp_gateway.adapters.configured import hooks_of
from smtp_gateway.adapters.expansions import DirectoryExpansions
from smtp_gateway.adapters.judge import MdaJudge
from smtp_gateway.adapters.ledgers import keep_reading
from smtp_gateway.adapters.questions import QUESTION_SECONDS, Questions
from smtp_gateway.adapters.returning import ReturningDirectory
from smtp_gateway.adapters.suppressed import QueueSuppressed
from smtp_gateway.core.budget import Budget
from smtp_gateway.core.networks import Networks
from smtp_gateway.core.roles import Role
from smtp_gateway.edge.allowance import Controls
from smtp_gateway.edge.checking import Checker
from smtp_gateway.edge.load import Load
from smtp_gateway.edge.needs import Needs
from smtp_gateway.edge.rooms import follow_rooms
from smtp_gateway.edge.session import handler
from smtp_gateway.edge.sharing import Sharing
from smtp_gateway.settings import Settings
from smtp_gateway.wiring import screens_of

OVERFLOW = b"421 4.3.2 Too many connections; try again later\r\n"


async def wire(service: Service[Settings]) -> None:
    """Connect, check that everything is as strong as promised, listen."""
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
    spool = Spool(await sealed(blobs, channel, bus), bus)
    returns = read_secrets(settings.srs_secret_file) if settings.srs_secret_file is not None else []
    directory = ReturningDirectory(
        channel, hears_changes=lambda: bus.connected, secrets=[each.encode() for each in returns]
    )
    await bus.listen(subjects.DIRECTORY_CHANGED, directory.changed)
    await send_away_the_barred(service, bus, channel)
    signing_keys = SigningKeys(channel, hears_changes=lambda: bus.connected)
    await bus.listen(subjects.DIRECTORY_CHANGED, signing_keys.changed)
    policies = TenantPolicies(channel, hears_changes=lambda: bus.connected)
    await bus.listen(subjects.DIRECTORY_CHANGED, policies.changed)
    certificates = service.certificates(settings)
    tls = certificates.context(settings.tls_minimum) if certificates is not None else None
    users_tls = certificates.users_context(settings.msa_tls_minimum) if certificates is not None else None
    controls = Controls.of(settings)
    sharing = Sharing(controls.limits, bus.tell, time.monotonic, controls.at_once)
    await sharing.listen(bus)
    service.spawn(sharing.run(service.draining), name="sharing")
    service.on_close(sharing.close)
    rooms, followed = await follow_rooms(bus, policies)
    service.spawn(keep_reading([followed], service.draining), name="rooms")
    load = Load(settings.messages_at_once, settings.lag_seconds)
    service.spawn(load.run(service.draining), name="load")
    needs = Needs(
        settings,
        directory,
        spool,
        bus,
        Budget(settings.inflight_octets),
        tls,
        Networks(map(str, settings.proxy_networks)),
        Networks(map(str, settings.xclient_networks)),
        controls,
        checker=_checker(settings),
        signing_keys=signing_keys,
        policies=policies,
        users_tls=users_tls,
        screens=await screens_of(service, bus, controls, directory),
        hooks=hooks_of(settings.hooks),
        rooms=rooms,
        judge=_judge(service),
        expansions=DirectoryExpansions(channel),
        suppressed=_suppressed(service),
        local_mtas=Networks(map(str, settings.lmtp_networks)),
        load=load,
        tell=bus.tell,
    )
    listeners = (
        ("mx", settings.mx_port, Role.MX, None),
        ("submission", settings.submission_port, Role.MSA, None),
        ("lmtp", settings.lmtp_port, Role.LMTP, None),
        ("submissions", settings.submissions_port if tls is not None else 0, Role.MSA, users_tls),
    )
    for name, port, role, implicit in listeners:
        if port:
            await service.listen(
                name,
                settings.host,
                port,
                handler(needs, role, implicit),
                # Behind a proxy TLS begins after the preface.
                tls=None if settings.proxy_networks else implicit,
                max_connections=settings.max_connections,
                overflow=OVERFLOW,
            )
    service.ready_when("spool", spool.check)
    service.ready_when("directory", directory.check)


def _checker(settings: Settings) -> Checker | None:
    if settings.sender_checks == "off":
        return None
    resolver = Resolver(parse_servers(settings.dns_servers), deadline_seconds=QUESTION_SECONDS)
    exempt = Networks(map(str, settings.sender_checks_exempt))
    return Checker(Questions(resolver), settings.hostname, exempt, settings.sender_check_seconds)


def _suppressed(service: Service[Settings]) -> QueueSuppressed | None:
    if not service.settings.queue_target:
        return None
    channel = rpc.channel(service.settings.queue_target, "mta-queue", service.identity)
    service.on_close(lambda: channel.close(None))
    return QueueSuppressed(channel)


def _judge(service: Service[Settings]) -> MdaJudge | None:
    settings = service.settings
    if not settings.mda_target:
        return None
    channel = rpc.channel(settings.mda_target, "mda", service.identity)
    service.on_close(lambda: channel.close(None))
    return MdaJudge(channel, settings.judge_seconds)


def main() -> None:
    """The console entry."""
    run("smtp-gateway", Settings, wire)


if __name__ == "__main__":
    main()
