"""posthouse domain dkim: create, list, delete."""

from typing import Annotated
from urllib.parse import quote

import typer

from posthouse.api import named
from posthouse.commands.options import Data, Json, Token, TokenFile, Url, client
from posthouse.output import as_json, console, guarded, table

app = typer.Typer(no_args_is_help=True, help="Keys that sign the mail of a domain (DKIM).")
COLUMNS = ("selector", "algorithm", "record_name", "created_at")
Domain = Annotated[str, typer.Argument(help="The domain, e.g. example.org.")]


@app.command()
@guarded
def create(
    domain: Domain,
    selector: Annotated[str, typer.Option(help="Without it: the year and the month.")] = "",
    algorithm: Annotated[
        list[str] | None,
        typer.Option(help="rsa-sha256 or ed25519-sha256; several times. Without it: one key of each."),
    ] = None,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Make keys and print the DNS records to publish, as lines of a zone file."""
    made = client(data, url, token, token_file).call(
        "POST", _path(domain), {"selector": selector, "algorithms": algorithm or []}
    )["items"]
    if json:
        as_json(made)
        return
    for each in made:
        console.print(each["zone_line"], markup=False)


@app.command("list")
@guarded
def listing(
    domain: Domain,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """List the keys that sign for a domain; --json shows their DNS records too."""
    found = client(data, url, token, token_file).every(_path(domain))
    as_json(found) if json else table(found, COLUMNS, "The domain has no keys: its mail goes unsigned.")


@app.command()
@guarded
def delete(
    domain: Domain,
    selector: Annotated[str, typer.Argument(help="The key's selector, e.g. 202611-rsa.")],
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Sign with a key no more. Leave its DNS record for a week: mail that it signed is still on its way."""
    client(data, url, token, token_file).call("DELETE", f"{_path(domain)}/{quote(selector, safe='')}")
    as_json({"deleted": selector}) if json else console.print(f"key {selector} deleted", markup=False)


def _path(domain: str) -> str:
    return f"{named('domains', domain)}/dkim"
