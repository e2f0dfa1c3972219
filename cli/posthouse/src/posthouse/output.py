"""What the command prints: tables for people, JSON for scripts, one sentence for a problem.

Much of it was written by strangers (a header, a script, the reply of another host): nothing in it commands the terminal,
or turns the reading order of what stands beside it, and nothing in brackets or colons is read for markup.
"""

import json
import sys
import unicodedata
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

# UAX 9 §2.
TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def harmless(text: str) -> str:
    """With U+FFFD in the place of control characters; lines and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if _commands(each) else each for each in text)


def _commands(sign: str) -> bool:
    return sign in TURNS or (unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\n\t")


class _Plain(Console):
    """Shows strings as they are, and harmless."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(harmless(text), **options)


def _console(*, to_errors: bool = False, width: int | None = None) -> Console:
    return _Plain(stderr=to_errors, width=width, highlight=False, soft_wrap=True, markup=False, emoji=False)


console = _console()
errors = _console(to_errors=True)
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
        made.add_row(*(Text(harmless(_text(row.get(column)))) for column in columns))
    if console.is_terminal:
        console.print(made)
    else:
        _console(width=UNFOLDED_COLUMNS).print(made)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    return "" if value is None else str(value)
