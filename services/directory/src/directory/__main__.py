"""`python -m directory`: the wiring."""

import ssl
from datetime import timedelta
from pathlib import Path

from eventbus import EventBus
from pgkit import check, check_durability, open_pool
from servicekit.rpc import serve_grpc
from servicekit.run import Service, run
from servicekit.settings import read_secret

from directory.adapters.changes import BusChanges
from directory.adapters.issuers import Issuers
from directory.adapters.keyring import Keyring
from directory.adapters.ldap_binding import LdapServers
from directory.adapters.notices import BusNotices
from directory.adapters.shared_secret import shared_secret
from directory.adapters.transit import Transit
from directory.core.data_keys import KeyProvider
from directory.core.limits import Rules
from directory.core.passwords import Hasher, Verdicts
from directory.core.sealing import Sealer
from directory.edge.callers import ALLOWED
from directory.edge.hashing import STRANGERS, STRANGERS_BY_KEYS, Hashing
from directory.edge.second_factors import Site
from directory.settings import Settings
from directory.wiring import build


async def wire(service: Service[Settings]) -> None:
    """Connect, then answer."""
    settings = service.settings
    bus = await EventBus.connect(settings.nats_url, name=service.name)
    service.on_close(bus.close)
    pool = await open_pool(read_secret(settings.database_dsn_file), max_size=settings.database_pool_size)
    service.on_close(pool.close)
    await check_durability(pool)
    trusted = ssl.create_default_context()
    if settings.openid_ca_file is not None:
        trusted.load_verify_locations(settings.openid_ca_file)
    issuers = Issuers(trusted, settings.inside_networks)
    service.on_close(issuers.close)
    ldap_servers = LdapServers(settings.inside_networks)
    changes = BusChanges(bus)
    wiring = build(
        pool,
        changes.tell,
        Hasher(settings.argon2_memory_kib, settings.argon2_passes),
        Verdicts(settings.verdict_seconds),
        Hashing(settings.argon2_threads, STRANGERS_BY_KEYS if settings.scram_iterations else STRANGERS),
        Rules(everywhere_a_minute=settings.failures_a_minute),
        await shared_secret(pool, "logins"),
        settings.scram_iterations,
        sealer=_sealer(settings.dkim_secret_file),
        deleted_kept=timedelta(days=settings.deleted_account_days),
        issuers=issuers,
        ldap_servers=ldap_servers,
        notice=BusNotices(bus.tell).notice,
        ldap_seconds=settings.verdict_seconds,
        key_provider=_key_provider(service),
        site=Site(settings.web_domain, settings.web_origins) if settings.web_domain else None,
    )
    service.on_close(wiring.journal.close)
    service.spawn(wiring.journal.run(service.draining), name="journal")
    service.spawn(wiring.housekeeping.run(service.draining), name="housekeeping")
    await serve_grpc(service, settings.grpc_host, settings.grpc_port, wiring.register, ALLOWED)
    changes.tell_all()
    service.ready_when("database", lambda: check(pool))
    service.ready_when("bus", bus.check)


def _sealer(secrets: Path | None) -> Sealer | None:
    """Raises SecretWeak, OSError: better no directory than one whose keys could be lost."""
    return (
        None
        if secrets is None
        else Sealer([line.strip() for line in read_secret(secrets).splitlines() if line.strip()])
    )


def _key_provider(service: Service[Settings]) -> KeyProvider | None:
    """Raises SecretWeak, OSError."""
    settings = service.settings
    if settings.transit_url and settings.transit_token_file is not None:
        trusted = ssl.create_default_context()
        if settings.transit_ca_file is not None:
            trusted.load_verify_locations(settings.transit_ca_file)
        transit = Transit(settings.transit_url, settings.transit_key, settings.transit_token_file, trusted)
        service.on_close(transit.close)
        return transit
    return None if settings.key_encryption_file is None else Keyring(settings.key_encryption_file)


def main() -> None:
    """The console entry."""
    run("directory", Settings, wire)


if __name__ == "__main__":
    main()
