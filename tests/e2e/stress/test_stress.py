"""The stress as a test: two minutes of it. Its seed is printed; `SEED=...` repeats what the clients do."""

import asyncio
import os

from tests.e2e.stress.run import Run, chosen_seed, run_for
from tests.support.platform import Platform

CLIENTS = 20
OPERATIONS = 25
SECONDS = float(os.environ.get("STRESS_SECONDS", "120"))


def test_many_clients_never_hear_a_contradiction(platform: Platform) -> None:
    seed = chosen_seed()
    print(f"SEED={seed}")
    run = Run(platform, platform.create_account("stress"), CLIENTS, seed)
    rounds = asyncio.run(run_for(run, SECONDS, OPERATIONS))
    print(f"{rounds} rounds, {run.truth.operations} operations, {run.truth.letters_made} letters")
    assert run.truth.operations == CLIENTS * rounds * OPERATIONS > 0
