"""`python -m directory`: the wiring."""

from concurrent.futures import ThreadPoolExecutor

import grpc
from eventbus import EventBus
from mailwire.directory.v1.directory_pb2_grpc import (
    add_DirectoryAdminServiceServicer_to_server,
    add_DirectoryServiceServicer_to_server,
)
from pgkit import check, check_durability, open_pool
from servicekit.rpc import serve_grpc
from servicekit.run import Service, run
from servicekit.settings import read_secret

from directory.adapters.accounts import Accounts, Aliases
from directory.adapters.changes import BusChanges
from directory.adapters.lookups import SqlLookUps
from directory.adapters.tenants import Domains, Tenants
from directory.core.passwords import Hasher, Verdicts
from directory.edge.orders import Orders
from directory.edge.questions import Questions
from directory.settings import Settings


async def wire(service: Service[Settings]) -> None:
    """Connect, then answer."""
    settings = service.settings
    bus = await EventBus.connect(settings.nats_url, name=service.name)
    service.on_close(bus.close)
    pool = await open_pool(read_secret(settings.database_dsn_file), max_size=settings.database_pool_size)
    service.on_close(pool.close)
    await check_durability(pool)
    hasher = Hasher(settings.argon2_memory_kib, settings.argon2_passes)
    threads = ThreadPoolExecutor(settings.argon2_threads, thread_name_prefix="argon2")
    questions = Questions(SqlLookUps(pool), hasher, Verdicts(settings.verdict_seconds), threads)
    orders = Orders(
        Tenants(pool), Domains(pool), Accounts(pool), Aliases(pool), hasher, threads, BusChanges(bus).tell
    )

    def register(server: grpc.aio.Server) -> list[str]:
        add_DirectoryServiceServicer_to_server(questions, server)
        add_DirectoryAdminServiceServicer_to_server(orders, server)
        return ["mailwire.directory.v1.DirectoryService", "mailwire.directory.v1.DirectoryAdminService"]

    await serve_grpc(service, settings.grpc_host, settings.grpc_port, register)
    service.ready_when("database", lambda: check(pool))
    service.ready_when("bus", bus.check)


def main() -> None:
    """The console entry."""
    run("directory", Settings, wire)


if __name__ == "__main__":
    main()
