"""posthouse domain dkim: create, list, delete."""

from typing import Annotated
from urllib.parse import quote

import typer

from posthouse.api import Api, named
from posthouse.commands.options import asking
from posthouse.output import as_json, console, table

app = typer.Typer(no_args_is_help=True, help="Keys that sign the mail of a domain (DKIM).")
COLUMNS = ("selector", "algorithm", "record_name", "created_at")
Domain = Annotated[str, typer.Argument(help="The domain, e.g. example.org.")]


@app.command()
@asking
def create(
    api: Api,
    json: bool,
    domain: Domain,
    selector: Annotated[str, typer.Option(help="Without it: the year and the month.")] = "",
    algorithm: Annotated[
        list[str] | None,
        typer.Option(help="rsa-sha256 or ed25519-sha256; several times. Without it: one key of each."),
    ] = None,
) -> None:
    """Make keys and print the DNS records to publish, as lines of a zone file."""
    made = api.call("POST", _path(domain), {"selector": selector, "algorithms": algorithm or []})["items"]
    if json:
        as_json(made)
        return
    for each in made:
        console.print(each["zone_line"], markup=False)


@app.command("list")
@asking
def listing(api: Api, json: bool, domain: Domain) -> None:
    """List the keys that sign for a domain; --json shows their DNS records too."""
    found = api.every(_path(domain))
    as_json(found) if json else table(found, COLUMNS, "The domain has no keys: its mail goes unsigned.")


@app.command()
@asking
def delete(
    api: Api,
    json: bool,
    domain: Domain,
    selector: Annotated[str, typer.Argument(help="The key's selector, e.g. 202611-rsa.")],
) -> None:
    """Sign with a key no more. Leave its DNS record for a week: mail that it signed is still on its way."""
    api.call("DELETE", f"{_path(domain)}/{quote(selector, safe='')}")
    as_json({"deleted": selector}) if json else console.print(f"key {selector} deleted", markup=False)


def _path(domain: str) -> str:
    return f"{named('domains', domain)}/dkim"
