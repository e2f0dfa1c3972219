"""A run: clients in rounds; after each round everybody stops and everything must agree."""

import asyncio
import itertools
import os
import random
import time

import psutil

from tests.e2e.stress.client import BOXES, Client
from tests.e2e.stress.letter import number_of
from tests.e2e.stress.sight import Sight
from tests.e2e.stress.truth import Contradiction, Truth
from tests.support.imap_raw import RawImap
from tests.support.platform import Account, Platform


def chosen_seed() -> int:
    """SEED, or a new one."""
    return int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 30)))


class Run:
    """One account, its mailboxes, its clients."""

    def __init__(self, platform: Platform, account: Account, clients: int, seed: int) -> None:
        self._platform = platform
        self._account = account
        self.truth = Truth()
        self._clients = [
            Client(number, platform.ports.imap, account, self.truth, seed) for number in range(clients)
        ]
        self._witness: RawImap

    async def start(self) -> None:
        """Mailboxes made, everybody connected, every process of the service with some of them."""
        self._witness = await RawImap.connect(self._platform.ports.imap)
        await self._witness.login(self._account.address, self._account.password)
        for box in BOXES:
            await self._witness.command(f"CREATE {box}")
        for client in self._clients:
            await client.connect()
        # The kernel gives connections to processes by chance.
        for _ in range(50):
            if len(self._processes()) >= 2:
                return
            await self._clients[0].reconnect()
        raise AssertionError("one process has all connections")

    def _processes(self) -> set[int]:
        ports = {client.imap.local_port for client in self._clients}
        serving = set()
        for name in ("imap", "imap-2"):
            pid = self._platform.process(name).pid
            for connection in psutil.Process(pid).net_connections("tcp"):
                if connection.raddr and connection.raddr[1] in ports:
                    serving.add(pid)
        return serving

    async def round(self, operations: int) -> None:
        """Everybody does so many things, then all is compared."""
        async with asyncio.TaskGroup() as group:
            for client in self._clients:
                group.create_task(self._operate(client, operations))
        await self._compare()

    @staticmethod
    async def _operate(client: Client, operations: int) -> None:
        for _ in range(operations):
            try:
                await client.operate()
            except Contradiction as error:
                raise Contradiction(f"{client.name}, {client.last}: {error}") from None

    async def _compare(self) -> None:
        self.truth.settle()
        sights = [(client, await client.settle()) for client in self._clients]
        for box in BOXES:
            witness = await self._look(box)
            self.truth.check_end(box, {uid: number_of(body) for uid, body in witness.bodies.items()})
            for client, sight in sights:
                if sight.box == box:
                    _same(client.name, sight, witness)

    async def _look(self, box: str) -> Sight:
        """What one sees who comes now; the mailbox's counters must agree with what is in it."""
        sight = Sight(box, self.truth)
        status: list[bytes] = []
        self._witness.hear = lambda response, _command: status.append(response.raw)
        await self._witness.command(f"STATUS {box} (MESSAGES UNSEEN UIDNEXT SIZE DELETED)")
        self._witness.hear = sight.hear
        sight.select()
        await self._witness.command(f"EXAMINE {box}")
        sight.selected()
        if sight.numbers:
            await self._witness.command("FETCH 1:* (UID FLAGS BODY.PEEK[])")
        count = len(sight.numbers)
        unseen = sum("\\Seen" not in flags for flags in sight.flags.values())
        deleted = sum("\\Deleted" in flags for flags in sight.flags.values())
        size = sum(len(body) for body in sight.bodies.values())
        for name, value in (("MESSAGES", count), ("UNSEEN", unseen), ("SIZE", size), ("DELETED", deleted)):
            if f"{name} {value}".encode() not in status[0]:
                raise Contradiction(f"{box} has {name} {value}: {status[0]!r}")
        await self._witness.command("UNSELECT")
        return sight

    async def stop(self) -> None:
        """Everybody leaves."""
        for imap in itertools.chain([self._witness], (client.imap for client in self._clients)):
            imap.drop()


def _same(name: str, sight: Sight, witness: Sight) -> None:
    if sight.numbers != witness.numbers:
        raise Contradiction(f"{name} sees {sight.numbers} in {sight.box}; there are {witness.numbers}")
    for uid, flags in witness.flags.items():
        if sight.flags[uid] != flags:
            raise Contradiction(
                f"{name} was told {sorted(sight.flags[uid])} of UID {uid} of {sight.box}; it has {sorted(flags)}"
            )


async def run_for(run: Run, seconds: float, operations: int) -> int:
    """Rounds until the time is over, one at least; how many they were."""
    deadline = time.monotonic() + seconds
    rounds = 0
    await run.start()
    try:
        while not rounds or time.monotonic() < deadline:
            await run.round(operations)
            rounds += 1
    finally:
        await run.stop()
    return rounds
