"""What a log line may hold."""

import json
import subprocess
import sys

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
