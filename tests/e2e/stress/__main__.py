"""`make soak`: the stress for a time, mail through the whole road beside it, and the memory of every process watched.

Fails on a contradiction, and where a process of ours grows steadily.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.e2e.stress.memory import Memory
from tests.e2e.stress.post import send_and_take
from tests.e2e.stress.run import Run, chosen_seed
from tests.support.platform import Account, Platform

# After so many rounds the clients go on with another account.
ROUNDS = 10
LETTERS = 40


async def soak(platform: Platform, options: argparse.Namespace, memory: Memory) -> None:
    """Until the time is over."""
    deadline = time.monotonic() + options.seconds
    reader = platform.account("bob")
    generation = operations = letters = 0
    while time.monotonic() < deadline:
        account = platform.create_account(f"soak{generation}")
        run = Run(platform, account, options.clients, options.seed + generation)
        await run.start()
        try:
            for _ in range(ROUNDS):
                await asyncio.gather(
                    run.round(options.operations), _post(platform, reader, 1_000_000 + letters)
                )
                letters += LETTERS
                memory.sample()
                if time.monotonic() >= deadline:
                    break
        finally:
            await run.stop()
        operations += run.truth.operations
        generation += 1
        left = max(0.0, deadline - time.monotonic())
        print(f"{operations} operations, {letters} letters by SMTP and POP3, {left:.0f} s left", flush=True)


async def _post(platform: Platform, reader: Account, first: int) -> None:
    await asyncio.to_thread(send_and_take, platform, reader, first, LETTERS)


def said(platform: Platform) -> str:
    """What the services complained of last."""
    complaints = []
    for path in sorted(platform.layout.logs.glob("*.log")):
        lines = path.read_text(errors="replace").splitlines()
        bad = [line for line in lines if '"warning"' in line or '"error"' in line or "ERROR" in line]
        complaints += [f"{path.name}: {line[:600]}" for line in bad[-15:]]
    return "\n".join(complaints)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("SECONDS", "3600")))
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--operations", type=int, default=20, help="of each client in a round")
    parser.add_argument("--seed", type=int, default=chosen_seed())
    options = parser.parse_args()
    print(f"SEED={options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="posthouse-soak-") as folder:
        with Platform.start(Path(folder), workers="imap=2") as platform:
            memory = Memory(platform)
            memory.sample()
            try:
                asyncio.run(soak(platform, options, memory))
            except BaseException:
                print(said(platform), flush=True)
                raise
            growing = memory.growing()
    for line in growing:
        print(f"grows: {line}")
    sys.exit(bool(growing))


if __name__ == "__main__":
    main()
