"""Golden cases: a script and a message, and the actions that must come of them (`tests/support/sieve_cases.py`)."""

from pathlib import Path

import pytest

from tests.support.sieve_cases import Case, load, play, verdict

CASES = load(Path(__file__).parent / "golden")


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_golden(case: Case) -> None:
    assert not list(verdict(case.sections["expect"], play(case)))
