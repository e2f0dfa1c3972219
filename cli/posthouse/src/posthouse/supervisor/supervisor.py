"""Up and down: the order of things.

stores -> databases, bucket -> migrations -> services -> the first tenant.
Down goes the other way: the services drain first, the stores stop last.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from posthouse.errors import Problem
from posthouse.stack import certificate, programs
from posthouse.stack.layout import Layout
from posthouse.stack.nats import Nats
from posthouse.stack.part import Part
from posthouse.stack.ports import Ports
from posthouse.stack.postgres import Postgres
from posthouse.stack.scanners import Scanners
from posthouse.stack.seaweed import Seaweed
from posthouse.supervisor import state
from posthouse.supervisor.process import Child
from posthouse.supervisor.services import Services
from posthouse.supervisor.state import Lock, ProcessState, State, end_leftovers

MIGRATIONS = (
    ("directory", "DIRECTORY", "directory"),
    ("mailstore", "MAILSTORE", "store"),
    ("mta_queue", "MTA_QUEUE", "queue"),
)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wishes:
    """What `posthouse up` was asked for. `overrides` are settings of services by their full name.

    `scanners` are those to run beside the platform, by name.
    """

    layout: Layout
    ports: Ports
    workers: dict[str, int]
    overrides: dict[str, str] = field(default_factory=dict)
    scanners: frozenset[str] = frozenset()


class Supervisor:
    """One installation from its start to its end."""

    def __init__(self, wishes: Wishes, say: Say) -> None:
        self._wishes = wishes
        self._ports = wishes.ports
        self._say = say
        self._layout = wishes.layout
        self._children: list[Child] = []
        self._stop = asyncio.Event()
        self._phase = "starting"
        self._message = ""
        self._started_at = state.started_at(os.getpid())
        self._lock = Lock(self._layout)
        self._seaweed: Seaweed | None = None

    def _note(self) -> None:
        said = State(
            phase=self._phase,
            pid=os.getpid(),
            started_at=self._started_at,
            port_base=self._wishes.ports.base,
            message=self._message,
            processes=[
                ProcessState(
                    child.part.name,
                    child.pid or 0,
                    child.started_at,
                    child.part.port,
                    child.part.status_port,
                    child.restarts,
                    child.problem,
                )
                for child in self._children
            ],
        )
        # Where the disk is full others are told later; what has died is started again all the same, and ended in order.
        with contextlib.suppress(OSError):
            said.write(self._layout.state_file)

    async def run(self, after_start: Callable[[Ports], None]) -> None:
        """Start everything, call `after_start` with the ports that it has (0: off), keep it running until SIGTERM or SIGINT, end it. Raises Problem."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        self._layout.prepare()
        self._lock.take()
        try:
            starting = asyncio.ensure_future(self._start())
            told = asyncio.ensure_future(self._stop.wait())
            await asyncio.wait({starting, told}, return_when=asyncio.FIRST_COMPLETED)
            told.cancel()
            if starting.done():
                await starting
                await asyncio.to_thread(after_start, self._ports)
                self._phase = "running"
                self._note()
                await self._stop.wait()
            else:
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
            self._phase = "stopping"
        except Problem as error:
            self._phase, self._message = "failed", str(error)
            raise
        finally:
            await self._end()

    async def _start(self) -> None:
        ended = end_leftovers(self._layout)
        if ended:
            self._say(f"ended what an earlier run had left behind: {', '.join(ended)}")
        ports, off = self._wishes.ports.without_taken()
        self._ports = ports
        for sentence in off:
            self._say(sentence)
        wishes = replace(self._wishes, ports=ports)
        wishes.ports.check_free(sum(wishes.workers.values()))
        await asyncio.to_thread(programs.versions)
        postgres = Postgres(self._layout, wishes.ports)
        nats = Nats(self._layout, wishes.ports)
        seaweed = self._seaweed = Seaweed(self._layout, wishes.ports)
        scanners = Scanners(self._layout, wishes.ports, wishes.scanners, wishes.overrides)
        services = Services(
            self._layout, wishes.ports, nats, seaweed, {**scanners.settings, **wishes.overrides}
        )
        first = not (self._layout.root / "postgres" / "PG_VERSION").exists()
        self._say("setting up PostgreSQL" if first else "starting PostgreSQL")
        await asyncio.to_thread(postgres.prepare)
        nats.prepare()
        await self._begin([postgres.part()])
        await postgres.create_databases()
        postgres.write_dsn_files()
        services.write_secrets()
        seaweed.prepare()
        for sentence in scanners.prepare():
            self._say(sentence)
        self._say("starting NATS and the object storage" + scanners.shown)
        await self._begin([nats.part(), seaweed.part(), *scanners.parts()])
        self._say("bringing the databases to the newest step")
        await asyncio.gather(seaweed.make_durable(), *(self._migrate(*each) for each in MIGRATIONS))
        certificate.ensure(self._layout, "localhost")
        self._say("starting the services")
        parts = services.parts(wishes.workers)
        # The directory first: the others ask it whether it is there.
        await self._begin(parts[:1])
        await self._begin(parts[1:])

    async def _begin(self, parts: Sequence[Part]) -> None:
        children = [Child(part, self._layout.logs, self._note) for part in parts]
        self._children += children
        results = await asyncio.gather(
            *(self._begin_one(child) for child in children), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _begin_one(self, child: Child) -> None:
        started = time.perf_counter()
        await child.start()
        self._say(f"  {child.part.name} is ready after {time.perf_counter() - started:.1f} s")

    async def _migrate(self, module: str, prefix: str, database: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"{module}.migrate"),
            env={
                **Services.inherited(),
                f"{prefix}_MIGRATE_DSN_FILE": str(self._layout.secrets / f"dsn-{database}_owner"),
                f"{prefix}_APP_ROLE": f"{database}_app",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        if process.returncode:
            lines = output.decode(errors="replace").strip().splitlines()
            raise Problem(
                f"the database {database} could not be migrated: {lines[-1] if lines else 'no reason given'}"
            )

    async def _end(self) -> None:
        stores = ("rspamd", "clamav", "seaweedfs", "nats")
        services = [child for child in self._children if child.part.name not in (*stores, "postgres")]
        if self._children:
            self._say("draining the services")
        # Before the stores, which they still need to settle what they have begun.
        await asyncio.gather(*(child.stop() for child in services))
        # PostgreSQL last: the object storage keeps there what it knows.
        for names in (stores, ("postgres",)):
            ending = [child for child in self._children if child.part.name in names]
            if ending:
                self._say(f"stopping {', '.join(child.part.name for child in ending)}")
            await asyncio.gather(*(child.stop() for child in ending))
        if self._seaweed is not None:
            with contextlib.suppress(Problem):
                self._seaweed.drop_sockets()
        if self._phase != "failed":
            self._phase = "stopped"
        self._note()
        if self._children:
            self._say("stopped")
