"""What the commands of `posthouse queue` share: which items are meant, and which installation."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any

import typer

from posthouse.api import Api
from posthouse.commands.options import asking, shaped
from posthouse.errors import Problem

DURATION = re.compile(r"(\d{1,9})([smhdw]?)")
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class Status(StrEnum):
    """What an item does now."""

    WAITING = "waiting"
    HELD = "held"
    SENDING = "sending"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The items that the options mean, as the admin API takes them; {} for no option at all."""

    filter: dict[str, Any]


def duration(text: str) -> timedelta:
    """90, 90s, 15m, 4h, 2d, 1w. Raises Problem."""
    match = DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise Problem(f"{text!r} is no duration: say 90s, 15m, 4h, 2d or 1w.")
    return timedelta(seconds=int(match[1]) * UNITS[match[2]])


def ago(text: str) -> str:
    """The moment that long ago, "" for "". Raises Problem."""
    try:
        return (datetime.now(UTC) - duration(text)).isoformat() if text else ""
    except OverflowError as error:
        raise Problem(f"{text!r} is too long ago.") from error


def ahead(text: str) -> str:
    """The moment in that long. Raises Problem."""
    try:
        return (datetime.now(UTC) + duration(text)).isoformat()
    except OverflowError as error:
        raise Problem(f"{text!r} is too long.") from error


def _options(
    tenant: Annotated[str, typer.Option(help="Only this tenant's (name or id).")] = "",
    sender: Annotated[str, typer.Option(help="Only from this address; @DOMAIN; <> for none.")] = "",
    recipient: Annotated[str, typer.Option(help="Only to this address.")] = "",
    domain: Annotated[str, typer.Option(help="Only to this domain.")] = "",
    status: Annotated[Status | None, typer.Option(help="Only what does this now.")] = None,
    reply: Annotated[str, typer.Option(help="Only where the last reply has this text in it.")] = "",
    older_than: Annotated[str, typer.Option(help="Only what waits for longer, e.g. 4h.")] = "",
    younger_than: Annotated[str, typer.Option(help="Only what waits for less long, e.g. 15m.")] = "",
) -> Wanted:
    """The options that say which items are meant, and what they come to."""
    values = {
        "tenant": tenant,
        "sender": sender,
        "recipient": recipient,
        "domain": domain,
        "status": status.value if status is not None else "",
        "reply": reply,
        "entered_before": ago(older_than),
        "entered_after": ago(younger_than),
    }
    return Wanted({name: value for name, value in values.items() if value})


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """A command (api, as_json, wanted, ...) gets the filter's options too."""
    names = tuple(inspect.signature(_options).parameters)

    @wraps(command)
    def call(api: Api, as_json: bool, **given: Any) -> None:
        command(api, as_json, _options(**{name: given.pop(name) for name in names}), **given)

    made = shaped(call, command, 3, _options)
    outer = inspect.signature(made)
    first = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("api", "as_json")]
    made.__signature__ = outer.replace(parameters=[*first, *outer.parameters.values()])  # type: ignore[attr-defined]
    return asking(made)
