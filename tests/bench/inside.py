"""`python -m tests.bench.inside`: what the front door's own code costs a message, without sockets, stores and neighbours.

Everything from `servicekit.tcp.Connection` to `spool.Spool` is the real thing: 20 sessions at the mx door, each answered
by a client in the same loop. CPU of the process for a message, the median of five runs; `--profile` shows where it goes.
It says which of two versions is the thriftier one even on a machine that is not quiet, where they are run in turns.
"""

import argparse
import asyncio
import cProfile
import pstats
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from datetime import datetime
from pathlib import Path
from unittest.mock import MagicMock

import uvloop
from directoryclient import Disposition, Resolution, Target
from directoryclient.client import DirectoryClient
from directoryclient.policies import TenantPolicy
from servicekit import logs
from servicekit.tcp import Connection
from smtp_gateway.core.budget import Budget
from smtp_gateway.core.networks import Networks
from smtp_gateway.core.roles import Role
from smtp_gateway.edge.allowance import Controls
from smtp_gateway.edge.banning import Banning
from smtp_gateway.edge.load import Load
from smtp_gateway.edge.needs import Needs
from smtp_gateway.edge.rooms import Rooms
from smtp_gateway.edge.screens import Screens
from smtp_gateway.edge.session import handler
from spool import Spool

from tests.bench.load import message
from tests.support.fake_gateway import FakeLedger, settings

USERS = 20
SESSIONS = 20
TENANT = "5b0a8f6e-0d5d-4c4f-9a53-6f2bb0a11111"
PUT_SECONDS = 0.003
PUBLISH_SECONDS = 0.0005
SEGMENT_OCTETS = 65_536


class Stores:
    """The object storage and the bus: they take their time and no CPU."""

    connected = True

    async def put_mail(self, tenant_id: str, name: str, at: datetime, pieces: Sequence[bytes]) -> str:
        await asyncio.sleep(PUT_SECONDS)
        return f"{tenant_id}/{name}"

    async def publish_mail(self, *_what: object) -> None:
        await asyncio.sleep(PUBLISH_SECONDS)


class Policies:
    async def of(self, tenant_id: str) -> TenantPolicy:
        return TenantPolicy()


class Client:
    """A transport whose other end sends `content` for each of `numbers`, `share` to a connection."""

    def __init__(self, content: bytes, numbers: Iterator[int], share: int) -> None:
        whole = content + b".\r\n"
        self._segments = [whole[at : at + SEGMENT_OCTETS] for at in range(0, len(whole), SEGMENT_OCTETS)]
        self._numbers = numbers
        self._left = share
        self._said: list[bytes] = []
        self.is_done = False
        self.connection: Connection

    def get_extra_info(self, name: str) -> object:
        return {"peername": ("127.0.0.1", 40_000), "sockname": ("127.0.0.1", 25)}.get(name)

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        asyncio.get_running_loop().call_soon(self._heard, data)

    def close(self) -> None:
        asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)

    def _heard(self, data: bytes) -> None:
        if data.startswith(b"220"):
            self.connection.data_received(b"EHLO bench.invalid\r\n")
        elif b"\r\n354 " in data:
            for segment in self._segments:
                self.connection.data_received(segment)
        elif data.startswith(b"250"):
            number = next(self._numbers, None) if self._left else None
            self.is_done = self._left > 0 and number is None
            self._left -= 1
            if number is None:
                self.connection.data_received(b"QUIT\r\n")
                return
            envelope = b"MAIL FROM:<bench@peer.invalid>\r\nRCPT TO:<u%03d@bench.test>\r\nDATA\r\n"
            self.connection.data_received(envelope % (number % USERS))
        elif not data.startswith(b"221"):
            raise RuntimeError(f"refused: {data!r}")


def needs() -> Needs:
    """Of an ordinary installation, as far as this machine's own mail meets it."""
    configured, stores, ledger = settings(), Stores(), FakeLedger()
    controls = Controls.of(configured)
    directory = DirectoryClient(MagicMock(), door="smtp", hears_changes=lambda: True)
    for number in range(USERS):
        target = Target(f"u{number:03d}@bench.test", f"{TENANT[:-3]}{number:03d}", TENANT)
        directory._resolutions.keep(
            target.address, Resolution(Disposition.DELIVER, (target,), TENANT), float("inf")
        )
    never = Networks(map(str, configured.never_banned_networks))
    return Needs(
        configured,
        directory,
        Spool(stores, stores),  # type: ignore[arg-type]
        stores,
        Budget(configured.inflight_octets),
        tls=None,
        proxies=Networks(()),
        introducers=Networks(()),
        controls=controls,
        policies=Policies(),
        screens=Screens(
            banning=Banning(controls.limits, configured.offence_rules(), never, ledger, ledger),
            exempt=Networks(map(str, configured.sender_checks_exempt)),
        ),
        rooms=Rooms(),
        judge=MagicMock(),
        load=Load(configured.messages_at_once, configured.lag_seconds),
    )


async def run(content: bytes, count: int, share: int) -> float:
    """Seconds of CPU for a message."""
    serve, numbers, draining = handler(needs(), Role.MX), iter(range(count)), asyncio.Event()

    async def work() -> None:
        client = None
        while client is None or not client.is_done:
            client = Client(content, numbers, share)
            client.connection = Connection(draining)
            client.connection.connection_made(client)  # type: ignore[arg-type]
            await serve(client.connection)
            await client.connection.close()

    started = time.process_time()
    await asyncio.gather(*(work() for _ in range(SESSIONS)))
    return (time.process_time() - started) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--per-connection", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    content = message("inside", "u000@bench.test", options.size)
    out = sys.stdout
    # Its log is written, as ever, and thrown away.
    with Path("/dev/null").open("w") as nowhere, redirect_stdout(nowhere):
        logs.configure("smtp-gateway", "info")
        uvloop.run(run(content, min(options.count, 500), options.per_connection))
        if options.profile:
            profile = cProfile.Profile()
            profile.runcall(uvloop.run, run(content, options.count, options.per_connection))
            pstats.Stats(profile, stream=out).sort_stats("tottime").print_stats(60)
            return
        costs = [uvloop.run(run(content, options.count, options.per_connection)) for _ in range(options.runs)]
    each = ", ".join(f"{cost * 1e6:.0f}" for cost in costs)
    print(f"{options.size} octets: {statistics.median(costs) * 1e6:.0f} µs of CPU a message ({each})")


if __name__ == "__main__":
    main()
