"""`python -m imap`: the wiring."""

import asyncio

from blobstore import BlobStore, CachedBlobStore, RingCache
from directoryclient import DirectoryClient
from directoryclient.barring import send_away_the_barred
from directoryclient.data_keys import sealed, when_keys_change
from directoryclient.policies import TenantPolicies
from directoryclient.quotas import QuotaBook
from directoryclient.sharing import People
from eventbus import EventBus, subjects
from mailstore import MailboxChange, MailStore, bus_notifier, sorted_notifier
from servicekit import rpc
from servicekit.run import Service, run
from servicekit.settings import read_secret

from imap.adapters.changes import BusChanges
from imap.adapters.opened import acted_on, opened_on
from imap.adapters.packing import keep_packing
from imap.adapters.reading_documents import Documents
from imap.adapters.spooling import Spooling
from imap.core.acting import Scripted
from imap.core.filling import Filler
from imap.edge.connection import Connections, Needs
from imap.settings import Settings

OVERFLOW = b"* BYE Too many connections\r\n"


async def wire(service: Service[Settings]) -> None:
    """Connect, then listen."""
    settings = service.settings
    bus = await EventBus.connect(
        settings.nats_url,
        name=service.name,
        monitor_url=settings.nats_monitor_url or None,
        hears_itself=False,
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
    quotas = QuotaBook(channel, hears_changes=lambda: bus.connected)
    await bus.listen(subjects.DIRECTORY_CHANGED, quotas.changed)
    changes, publish = BusChanges(bus), bus_notifier(bus)

    def tell(change: MailboxChange) -> None:
        # In a moment: who has made the change must know of it first.
        asyncio.get_running_loop().call_soon(changes.told, change)
        publish(change)

    store = await MailStore.open(
        read_secret(settings.database_dsn_file),
        blobs,
        tell,
        pool_size=settings.database_pool_size,
        limits=quotas.limits,
        staged_octets=settings.staged_octets,
    )
    store.on_sorted = sorted_notifier(bus)
    service.on_close(store.close)
    await when_keys_change(bus, store.prepared.clear)
    service.spawn(
        keep_packing(store, service.draining, settings.pack_seconds, service.log), name="pack-bodies"
    )
    directory = DirectoryClient(channel, door="imap", hears_changes=lambda: bus.connected)
    await bus.listen(subjects.DIRECTORY_CHANGED, directory.changed)
    await send_away_the_barred(service, bus, channel)
    people = People(channel, hears_changes=lambda: bus.connected)
    await bus.listen(subjects.DIRECTORY_CHANGED, people.changed)
    certificates = service.certificates(settings)
    tls = certificates.users_context(settings.tls_minimum) if certificates is not None else None
    policies = TenantPolicies(channel, hears_changes=lambda: bus.connected)
    await bus.listen(subjects.DIRECTORY_CHANGED, policies.changed)
    filler: Filler | None = None
    if settings.keep_texts == "on":
        documents = Documents() if settings.read_documents == "on" else None
        filler = Filler(store, policies, service.log, documents)
        service.spawn(filler.run(service.draining), name="keep-texts")
    spooling = Spooling(settings.append_folder, settings.append_disk_octets)
    connections = Connections(
        Needs(
            settings,
            directory,
            store,
            changes,
            tls,
            service.log,
            people,
            policies,
            filler,
            spooling.take,
            opened_on(bus),
            Scripted(acted_on(bus)) if settings.sieve_url else None,
        )
    )
    service.spawn(connections.end_at_drain(service.draining), name="end-idle-at-drain")
    service.ready_when("mailboxes", store.check)
    for name, port, context in (("imap", settings.port, None), ("imaps", settings.tls_port, tls)):
        if port and (name == "imap" or tls is not None):
            await service.listen(
                name,
                settings.host,
                port,
                connections.serve,
                tls=context,
                max_connections=settings.max_connections,
                overflow=OVERFLOW,
            )


def main() -> None:
    """The console entry."""
    run("imap", Settings, wire)


if __name__ == "__main__":
    main()
