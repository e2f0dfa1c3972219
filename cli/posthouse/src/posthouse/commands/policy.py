"""posthouse tenant policy: show, set."""

from typing import Annotated, Any

import typer

from posthouse.api import named
from posthouse.commands.options import Data, Json, Token, TokenFile, Url, client
from posthouse.output import as_json, guarded, table

app = typer.Typer(no_args_is_help=True, help="What a tenant chooses where it may choose.")
COLUMNS = ("dmarc",)
Name = Annotated[str, typer.Argument(help="The tenant's name.")]


@app.command()
@guarded
def show(
    name: Name,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Show what a tenant chose."""
    _tell(client(data, url, token, token_file).call("GET", _path(name)), json)


@app.command("set")
@guarded
def choose(
    name: Name,
    dmarc: Annotated[
        str,
        typer.Option(
            help="Mail that fails DMARC: mark, quarantine, reject (as From's domain asks); default: as the installation has it."
        ),
    ],
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Choose for a tenant."""
    _tell(client(data, url, token, token_file).call("PUT", _path(name), {"dmarc": dmarc}), json)


def _path(name: str) -> str:
    return f"{named('tenants', name)}/policy"


def _tell(policy: dict[str, Any], json: bool) -> None:
    as_json(policy) if json else table([policy], COLUMNS, "")
