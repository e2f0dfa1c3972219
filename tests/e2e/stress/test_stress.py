"""The stress as a test: its end is a number of operations, not a time."""

import asyncio

from tests.e2e.stress.run import Run, chosen_seed, run_rounds
from tests.support.platform import Platform

CLIENTS = 20
ROUNDS = 8
OPERATIONS = 25


def test_many_clients_never_hear_a_contradiction(platform: Platform) -> None:
    seed = chosen_seed()
    print(f"SEED={seed}")
    run = Run(platform, platform.create_account("stress"), CLIENTS, seed)
    seconds = asyncio.run(run_rounds(run, ROUNDS, OPERATIONS))
    print(f"{run.truth.operations} operations, {run.truth.letters_made} letters, {seconds:.1f} s")
    assert run.truth.operations == CLIENTS * ROUNDS * OPERATIONS
