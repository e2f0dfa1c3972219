"""Options that many commands share."""

import inspect
import typing
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from posthouse import api
from posthouse.output import guarded

Data = Annotated[
    Path | None,
    typer.Option("--data", help="Data folder of the installation that is meant.", show_default=".posthouse"),
]
Url = Annotated[
    str | None, typer.Option("--url", help="An admin API elsewhere, e.g. https://admin.example.org.")
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        help="Its operator token (better: --token-file); with the variable POSTHOUSE_LOGIN, an account's address: an "
        "app password of the account with the scope admin.",
    ),
]
TokenFile = Annotated[Path | None, typer.Option("--token-file", help="A file that holds the token.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def client(data: Path | None, url: str | None, token: str | None, token_file: Path | None) -> api.Api:
    """The admin API that these options mean."""
    return api.Api(api.find(data, url, token, token_file))


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

    return shaped(call, command, 2, _installation)


def shaped(
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
