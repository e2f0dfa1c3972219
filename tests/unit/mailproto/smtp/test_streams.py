"""A slice of the fuzz run (`python -m tests.fuzz.smtp_server` does a million)."""

import random

import pytest

from tests.fuzz.smtp_server import check, play, streams


@pytest.mark.parametrize("seed", range(4))
def test_streams_of_commands_and_junk(seed: int) -> None:
    for number, stream in enumerate(streams(500, seed)):
        check(stream, number)


def test_the_slice_says_something() -> None:
    """Streams of which some are messages, and some are errors."""
    accepted, refused = 0, 0
    for stream in streams(500, 1):
        said, _ = play([stream], random.Random(1))
        accepted += b"250 2.0.0" in said
        refused += b"\r\n5" in said
    assert accepted > 25
    assert refused > 100
