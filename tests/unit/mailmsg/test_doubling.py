"""Twice the message takes about twice the steps (a slice of `python -m tests.fuzz.doubling`, which measures time up to 50 MB).

Steps are lines of Python, so that a busy machine changes nothing.
"""

import sys
from types import FrameType
from typing import Any

import pytest

from tests.fuzz.doubling import MOST, SHAPES

OCTETS = 8_000
# What is done once for each message.
FIXED_STEPS = 400


def steps(name: str, octets: int) -> int:
    work, make = SHAPES[name]
    message, count = make(octets), 0

    def traced(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return traced

    before = sys.gettrace()
    sys.settrace(traced)
    try:
        work(message)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("name", SHAPES)
def test_twice_the_message_takes_about_twice_the_steps(name: str) -> None:
    assert steps(name, 2 * OCTETS) <= MOST * steps(name, OCTETS) + FIXED_STEPS
