"""What a log line may hold."""

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest
import structlog
from servicekit import logs

PROGRAM = """
import logging
from servicekit import logs
logs.configure("test", "info")
def fail(password):
    raise ValueError("no good")
for log in (logs.logger("part"), logging.getLogger("library")):
    try:
        fail("se" + "cret")
    except ValueError:
        log.exception("it_failed")
"""


def test_a_stack_says_where_and_not_with_what() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=True
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["level"] for line in lines] == ["error", "error"]
    for line in lines:
        [problem] = line["exception"]
        assert (problem["exc_type"], problem["exc_value"]) == ("ValueError", "no good")
        assert problem["frames"][-1]["name"] == "fail"
    assert "secret" not in done.stdout


PLAIN = {
    "event": "x_happened",
    "text": 'a "quoted" \\ word\n\r\x00\x1b[31m',
    "number": 3,
    "flag": True,
    "none": None,
}
OTHER = [
    {"text": "ü \u2028 \x85 \U0001f600"},
    {"text": "half \ud800 of a pair"},
    {"share": 0.25, "endless": float("inf")},
    {"list": ["a", 1], "map": {"a": [None]}},
    {"octets": b"\xff\n", "set": frozenset({1}), "error": ValueError("no")},
    {"large": 1 << 200},
]


@pytest.mark.parametrize("fields", [PLAIN, *OTHER])
def test_a_line_is_one_line_of_ascii_and_says_what_json_would(fields: dict[str, object]) -> None:
    line = logs._render(None, "info", dict(fields))
    assert line.isascii()
    assert line.isprintable()
    slow = structlog.processors.JSONRenderer()(None, "info", dict(fields))
    assert json.loads(line) == json.loads(slow)


def test_the_instant_is_utc_to_the_microsecond() -> None:
    before = datetime.now(UTC)
    stamped = logs._stamp(None, "info", {"event": "x_happened"})["timestamp"]
    assert stamped.endswith("Z")
    assert before <= datetime.fromisoformat(stamped) <= datetime.now(UTC)
