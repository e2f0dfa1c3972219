"""What the command prints: tables for people, JSON for scripts, one sentence for a problem."""

import json
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from posthouse.errors import Problem

P = ParamSpec("P")
R = TypeVar("R")

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)
# Of a table that no person reads on a screen: a row stays one line for grep and awk.
UNFOLDED_COLUMNS = 10_000


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """A command whose Problem becomes one sentence on standard error and its exit code."""

    @wraps(command)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except Problem as problem:
            errors.print(f"posthouse: {problem}", markup=False)
            raise typer.Exit(problem.exit_code) from problem

    return call


def as_json(value: Any) -> None:
    """For scripts."""
    json.dump(value, sys.stdout, indent=2, default=str)
    sys.stdout.write("\n")


def table(rows: Sequence[dict[str, Any]], columns: Sequence[str], nothing: str) -> None:
    """For people. `nothing` is said where there are no rows."""
    if not rows:
        console.print(nothing)
        return
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        # Text is shown as it is; a plain string would be read for markup like [bold].
        made.add_row(*(Text(_text(row.get(column))) for column in columns))
    if console.is_terminal:
        console.print(made)
    else:
        Console(highlight=False, soft_wrap=True, width=UNFOLDED_COLUMNS).print(made)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return "" if value is None else str(value)
