"""A slice of the fuzz run (`python -m tests.fuzz.sieve_scripts` does a million)."""

from tests.fuzz.sieve_scripts import check, scripts


def test_scripts_that_were_altered() -> None:
    outcomes = [check(script, content) for script, content in scripts(600, seed=11)]
    ran = [each for each in outcomes if each is not None]
    # Both sides are tried: what is refused, and what is run, well or not.
    assert 100 < len(ran) < 500
    assert 20 < sum(each.error is not None for each in ran) < len(ran) - 20
