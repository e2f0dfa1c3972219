"""A slice of the fuzz run (`python -m tests.fuzz.pop3_server` does a million)."""

from tests.fuzz.pop3_server import ENTER, check, streams


def test_streams_of_commands_and_junk() -> None:
    tried = list(streams(1000, seed=11))
    # As many sessions get beyond the login as do not: both sides of the machine are tried.
    assert 300 < sum(stream.startswith(ENTER) for stream in tried) < 700
    for stream in tried:
        # Asserts that no line is broken, nothing is removed without QUIT, and octet by octet comes to the same.
        check(stream)
