"""`python -m managesieve`: the wiring."""

from directoryclient import DirectoryClient
from directoryclient.barring import send_away_the_barred
from eventbus import EventBus, subjects
from mailstore import ScriptStore
from pgkit import check, check_durability, open_pool
from servicekit import rpc
from servicekit.run import Service, run
from servicekit.sessions import Sessions
from servicekit.settings import read_secret

from managesieve.edge.session import Needs, Session
from managesieve.settings import Settings


async def wire(service: Service[Settings]) -> None:
    """Connect, then listen."""
    settings = service.settings
    bus = await EventBus.connect(settings.nats_url, name=service.name)
    service.on_close(bus.close)
    pool = await open_pool(read_secret(settings.database_dsn_file), max_size=settings.database_pool_size)
    service.on_close(pool.close)
    await check_durability(pool)
    channel = rpc.channel(settings.directory_target, "directory", service.identity)
    service.on_close(lambda: channel.close(None))
    directory = DirectoryClient(
        channel,
        door="sieve",
        hears_changes=lambda: bus.connected,
        login_seconds=settings.login_cache_seconds,
    )
    await bus.listen(subjects.DIRECTORY_CHANGED, directory.changed)
    await send_away_the_barred(service, bus, channel)
    certificates = service.certificates(settings)
    tls = certificates.users_context(settings.tls_minimum) if certificates is not None else None
    needs = Needs(settings, directory, ScriptStore(pool), tls, service.log)
    sessions = Sessions(lambda connection: Session(connection, needs))
    service.spawn(sessions.end_at_drain(service.draining), name="end-sessions-at-drain")
    service.ready_when("scripts", lambda: check(pool))
    await service.listen(
        "managesieve",
        settings.host,
        settings.port,
        sessions.serve,
        max_connections=settings.max_connections,
        overflow=b'BYE (TRYLATER) "Too many connections"\r\n',
    )


def main() -> None:
    """The console entry."""
    run("managesieve", Settings, wire)


if __name__ == "__main__":
    main()
