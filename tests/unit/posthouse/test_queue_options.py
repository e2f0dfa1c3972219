"""Durations and filters of `posthouse queue` as a person writes them."""

from datetime import UTC, datetime, timedelta

import pytest
import typer
from posthouse.commands import queue, queue_options
from posthouse.errors import Problem
from typer.testing import CliRunner


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), (" 4H ", 14_400), ("2d", 172_800), ("1w", 604_800), ("0", 0)],
)
def test_durations(text: str, seconds: int) -> None:
    assert queue_options.duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "-1h", "1.5h", "1h30m", "h", "9999999999"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Problem):
        queue_options.duration(text)


@pytest.mark.parametrize("text", ["999999999w", "99999999d"])
def test_what_no_calendar_has(text: str) -> None:
    with pytest.raises(Problem):
        queue_options.ago(text)
    with pytest.raises(Problem):
        queue_options.ahead(text)


def test_ago_and_ahead() -> None:
    now = datetime.now(UTC)
    assert queue_options.ago("") == ""
    assert (
        datetime.fromisoformat(queue_options.ago("1h"))
        < now
        < datetime.fromisoformat(queue_options.ahead("1h"))
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["hold"], 1, "say which"),
        (["hold", "--all", "--domain", "y.test"], 1, "--all stands alone"),
        (["suspend", "--reason", "x"], 1, "say --tenant"),
        (["suspend", "--domain", "y.test"], 2, "--reason"),
        (["expire", "01Q"], 2, "--in"),
        (["expire", "01Q", "--in", "soon"], 1, "no duration"),
        (["list", "--status", "happy"], 2, "happy"),
        (["list", "--limit", "-1"], 2, "limit"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_used_wrongly_is_said_before_anybody_is_asked(words: list[str], code: int, said: str) -> None:
    nowhere = ["--url", "http://127.0.0.1:9", "--token", "x"]
    app = typer.Typer()
    app.add_typer(queue.app, name="queue")
    done = CliRunner().invoke(app, ["queue", *words, *nowhere])
    assert done.exit_code == code
    assert said in " ".join(done.output.split())


def test_an_admin_api_that_is_away_has_its_exit_code() -> None:
    app = typer.Typer()
    app.add_typer(queue.app, name="queue")
    done = CliRunner().invoke(app, ["queue", "list", "--url", "http://127.0.0.1:9", "--token", "x"])
    assert done.exit_code == 3
