"""The embedded stores without our services: real PostgreSQL, NATS and S3 for integration tests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from posthouse.stack.layout import Layout
from posthouse.stack.nats import Nats
from posthouse.stack.ports import Ports
from posthouse.stack.postgres import Postgres
from posthouse.stack.seaweed import Seaweed
from posthouse.supervisor.process import Child

from tests.support.platform import free_base, open_to_others


class Engines:
    """Running stores: where they are, and the processes."""

    def __init__(self, layout: Layout, ports: Ports) -> None:
        self.layout = layout
        self.ports = ports
        self.postgres = Postgres(layout, ports)
        self.nats = Nats(layout, ports)
        self.seaweed = Seaweed(layout, ports)
        self.children: dict[str, Child] = {}

    def dsn(self, database: str, role: str) -> str:
        """DSN of `<database>_<role>`; role is owner or app."""
        name = f"{database}_{role}"
        return self.postgres.dsn(database, name, f"postgres-{name}")

    async def begin(self, name: str) -> None:
        """Start one of postgres, nats, seaweedfs."""
        part = {"postgres": self.postgres.part, "nats": self.nats.part, "seaweedfs": self.seaweed.part}[
            name
        ]()
        child = self.children[name] = Child(part, self.layout.logs, lambda: None)
        await child.start()


@contextlib.asynccontextmanager
async def running(folder: Path, *names: str) -> AsyncIterator[Engines]:
    """The named stores (PostgreSQL always), from set-up to end."""
    open_to_others(folder)
    layout = Layout(folder)
    layout.prepare()
    engines = Engines(layout, Ports.at(free_base()))
    await asyncio.to_thread(engines.postgres.prepare)
    engines.nats.prepare()
    try:
        await engines.begin("postgres")
        await engines.postgres.create_databases()
        engines.seaweed.prepare()
        for name in names:
            await engines.begin(name)
        yield engines
    finally:
        for child in reversed(engines.children.values()):
            await child.stop()
