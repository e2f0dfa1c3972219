"""What the commands of `posthouse queue` share: which items are meant, and which installation."""

import inspect
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any

import typer

from posthouse.api import Api
from posthouse.commands.options import Data, Json, Token, TokenFile, Url, client
from posthouse.errors import Problem
from posthouse.output import guarded

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


def _installation(
    data: Data = None, url: Url = None, token: Token = None, token_file: TokenFile = None, json: Json = False
) -> None:
    """The options that every command ends with."""


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """A command (api, as_json, ...) gets the installation's options in place of its first two parameters."""

    @guarded
    @wraps(command)
    def call(**given: Any) -> None:
        as_json = given.pop("json")
        api = client(*(given.pop(name) for name in ("data", "url", "token", "token_file")))
        command(api, as_json, **given)

    return _shaped(call, command, 2, _installation)


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """A command (api, as_json, wanted, ...) gets the filter's options too."""
    names = tuple(inspect.signature(_options).parameters)

    @wraps(command)
    def call(api: Api, as_json: bool, **given: Any) -> None:
        command(api, as_json, _options(**{name: given.pop(name) for name in names}), **given)

    shaped = _shaped(call, command, 3, _options)
    outer = inspect.signature(shaped)
    first = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in ("api", "as_json")]
    shaped.__signature__ = outer.replace(parameters=[*first, *outer.parameters.values()])  # type: ignore[attr-defined]
    return asking(shaped)


def _shaped(
    call: Callable[..., None], command: Callable[..., None], dropped: int, added: Callable[..., object]
) -> Callable[..., None]:
    """Typer reads a command's options off its signature: this is the one it is to see."""
    own = list(inspect.signature(command).parameters.values())[dropped:]
    new = list(inspect.signature(added).parameters.values())
    call.__signature__ = inspect.Signature([*own, *new])  # type: ignore[attr-defined]
    hints = typing.get_type_hints(command, include_extras=True) | typing.get_type_hints(
        added, include_extras=True
    )
    call.__annotations__ = {name: hints[name] for name in (each.name for each in [*own, *new])}
    return call
