"""A slice of the fuzz run (`python -m tests.fuzz.imap_parser` does a million)."""

from tests.fuzz.imap_parser import run


def test_altered_commands_are_refused_and_nothing_breaks() -> None:
    run(5_000, seed=9051)
