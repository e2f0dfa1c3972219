"""`python -m pop3`: the wiring."""

from blobstore import BlobStore, CachedBlobStore, RingCache
from directoryclient import DirectoryClient
from directoryclient.barring import send_away_the_barred
from directoryclient.data_keys import sealed, when_keys_change
from directoryclient.policies import TenantPolicies
from eventbus import EventBus, subjects
from mailstore import MailStore, bus_notifier
from servicekit import rpc
from servicekit.run import Service, run
from servicekit.sessions import Sessions
from servicekit.settings import read_secret

from pop3.adapters.maildrop import StoreMaildrops
from pop3.adapters.maildrop_lock import MaildropLocks
from pop3.edge.session import Needs, Session
from pop3.settings import Settings


async def wire(service: Service[Settings]) -> None:
    """Connect, then listen."""
    settings = service.settings
    bus = await EventBus.connect(
        settings.nats_url, name=service.name, monitor_url=settings.nats_monitor_url or None
    )
    service.on_close(bus.close)
    blobs = BlobStore.open(
        settings.s3_url,
        settings.s3_bucket,
        read_secret(settings.s3_access_key_file),
        read_secret(settings.s3_secret_key_file),
    )
    if settings.body_cache_octets:
        blobs = CachedBlobStore(blobs, RingCache(settings.body_cache_folder, settings.body_cache_octets))
    channel = rpc.channel(settings.directory_target, "directory", service.identity)
    service.on_close(lambda: channel.close(None))
    # Above the cache: what lies on a disk is sealed.
    blobs = await sealed(blobs, channel, bus)
    dsn = read_secret(settings.database_dsn_file)
    store = await MailStore.open(dsn, blobs, bus_notifier(bus), pool_size=settings.database_pool_size)
    service.on_close(store.close)
    await when_keys_change(bus, store.prepared.clear)
    locks = MaildropLocks(dsn)
    service.on_close(locks.close)
    directory = DirectoryClient(
        channel,
        door="pop3",
        hears_changes=lambda: bus.connected,
        login_seconds=settings.login_cache_seconds,
    )
    await bus.listen(subjects.DIRECTORY_CHANGED, directory.changed)
    await send_away_the_barred(service, bus, channel)
    certificates = service.certificates(settings)
    tls = certificates.users_context(settings.tls_minimum) if certificates is not None else None
    policies = TenantPolicies(channel, hears_changes=lambda: bus.connected)
    await bus.listen(subjects.DIRECTORY_CHANGED, policies.changed)
    needs = Needs(settings, directory, StoreMaildrops(store, locks, policies.of_account), tls, service.log)
    sessions = Sessions(lambda connection: Session(connection, needs))
    service.spawn(sessions.end_at_drain(service.draining), name="end-sessions-at-drain")
    service.ready_when("mailboxes", store.check)
    overflow = b"-ERR [SYS/TEMP] Too many connections\r\n"
    if settings.port:
        await service.listen(
            "pop3",
            settings.host,
            settings.port,
            sessions.serve,
            max_connections=settings.max_connections,
            overflow=overflow,
            keepalive_seconds=settings.keepalive_seconds,
        )
    if settings.tls_port and tls is not None:
        await service.listen(
            "pop3s",
            settings.host,
            settings.tls_port,
            sessions.serve,
            tls=tls,
            max_connections=settings.max_connections,
            overflow=overflow,
            keepalive_seconds=settings.keepalive_seconds,
        )


def main() -> None:
    """The console entry."""
    run("pop3", Settings, wire)


if __name__ == "__main__":
    main()
