"""A login storm: `python -m tests.bench.logins [seconds]`.

A directory around real PostgreSQL with passwords kept as in production (argon2id of 64 MiB and 3 passes, SCRAM keys of 32,768 rounds). 200 wrong passwords a second come
from 1,000 addresses, at accounts that exist and at some that do not; meanwhile people log in: some who were here
before, from the address that they always have, and some from an address that is new. Nothing here is a test: it prints.
"""

import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import directory.migrate
from directory.adapters.shared_secret import shared_secret
from directory.core.limits import Rules
from directory.core.passwords import Hasher, Verdicts
from directory.edge.hashing import STRANGERS_BY_KEYS, Hashing
from directory.edge.signing_in import OUTCOMES, Attempt, SigningIn
from directory.wiring import build
from mailwire.directory.v1 import directory_pb2 as wire
from pgkit import open_pool

from tests.support.engines import Engines, running

WRONG_A_SECOND, ADDRESSES, ACCOUNTS, GOOD_A_SECOND = 200, 1000, 100, 4
PASSWORD = "the right password"


class Context:
    """As much of a gRPC context as an order needs when all goes well."""

    async def abort(self, code: object, details: str) -> None:
        raise RuntimeError(details)


class Log:
    """Outcomes and times of one kind of visitor."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.milliseconds: list[float] = []

    async def attempt(self, signing_in: SigningIn, attempt: Attempt) -> None:
        started = time.perf_counter()
        decision = await signing_in.decide(attempt)
        self.milliseconds.append((time.perf_counter() - started) * 1000)
        self.outcomes[OUTCOMES[type(decision)]] += 1

    def __str__(self) -> str:
        times = sorted(self.milliseconds) or [0.0]
        p99 = times[min(len(times) - 1, len(times) * 99 // 100)]
        return f"{dict(self.outcomes)}, median {statistics.median(times):.0f} ms, p99 {p99:.0f} ms"


async def at_rate(rate: float, seconds: float, visit: Callable[[int], Coroutine[None, None, None]]) -> None:
    """Visits at this rate, whether the ones before have ended or not."""
    async with asyncio.TaskGroup() as group:
        started = time.monotonic()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
            group.create_task(visit(number))


async def measure(engines: Engines, seconds: float) -> None:
    pool = await open_pool(engines.dsn("directory", "app"), max_size=8)
    hashing = Hashing(2, STRANGERS_BY_KEYS)
    wiring = build(
        pool,
        lambda change: None,
        Hasher(65_536, 3),
        Verdicts(60.0),
        hashing,
        Rules(),
        await shared_secret(pool, "logins"),
        32_768,
    )
    order: Any = wiring.orders
    await order.CreateTenant(wire.CreateTenantRequest(name="bench"), Context())
    await order.CreateDomain(wire.CreateDomainRequest(name="bench.test", tenant="bench"), Context())
    for number in range(ACCOUNTS):
        request = wire.CreateAccountRequest(address=f"user{number}@bench.test", password=PASSWORD)
        await order.CreateAccount(request, Context())
    signing_in = wiring.questions._signing_in

    def good(number: int, network: str) -> Attempt:
        return Attempt(f"user{number}@bench.test", PASSWORD, "imap", f"{network}.{number}")

    for number in range(ACCOUNTS // 2):
        await signing_in.decide(good(number, "198.51.100"))
    journal = asyncio.create_task(wiring.journal.run(asyncio.Event()))
    chance = random.Random(7)
    wrong, known, new = Log(), Log(), Log()

    def guess(number: int) -> Coroutine[None, None, None]:
        place = chance.randrange(ADDRESSES)
        login = f"user{chance.randrange(2 * ACCOUNTS)}@bench.test"
        client = f"10.{place // 250}.{place % 250}.1"
        return wrong.attempt(signing_in, Attempt(login, f"guess {number}", "imap", client))

    quiet = Log()
    await at_rate(GOOD_A_SECOND, 5, lambda n: quiet.attempt(signing_in, good(n % 50, "198.51.100")))
    print(f"before: {quiet}")
    await asyncio.gather(
        at_rate(WRONG_A_SECOND, seconds, guess),
        at_rate(GOOD_A_SECOND, seconds, lambda n: known.attempt(signing_in, good(n % 50, "198.51.100"))),
        at_rate(1, seconds, lambda n: new.attempt(signing_in, good(50 + n % 50, f"203.0.{n // 50}"))),
    )
    print(f"wrong, {WRONG_A_SECOND} a second from {ADDRESSES} addresses: {wrong}")
    print(f"good, from where they always come: {known}")
    print(f"good, from a new address: {new}")
    journal.cancel()
    await pool.close()
    hashing.close()


async def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="posthouse-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        async with running(folder / "stores") as engines:
            await asyncio.to_thread(
                directory.migrate.migrate, engines.dsn("directory", "owner"), "directory_app"
            )
            await measure(engines, seconds)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0))
