"""A slice of the fuzz run (`python -m tests.fuzz.pop3_server` does a million)."""

from tests.fuzz.pop3_server import check, streams


def test_streams_of_commands_and_junk() -> None:
    for stream in streams(1000, seed=11):
        check(stream)
