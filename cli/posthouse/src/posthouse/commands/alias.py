"""posthouse alias: create, list, delete."""

from typing import Annotated

import typer

from posthouse.api import named
from posthouse.commands.addresses import Confusable
from posthouse.commands.options import Data, Json, Token, TokenFile, Url, client
from posthouse.output import as_json, console, guarded, table

app = typer.Typer(no_args_is_help=True, help="Aliases: addresses whose mail goes to other addresses.")
COLUMNS = ("address", "targets", "tenant", "created_at")
Address = Annotated[str, typer.Argument(help="The alias, e.g. team@example.org.")]


@app.command()
@guarded
def create(
    address: Address,
    to: Annotated[list[str], typer.Option("--to", help="Where its mail goes; may be given several times.")],
    even_if_confusable: Confusable = False,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Create an alias."""
    body = {"address": address, "targets": to, "even_if_confusable": even_if_confusable}
    made = client(data, url, token, token_file).call("POST", "/v1/aliases", body)
    as_json(made) if json else console.print(f"alias {made['address']} created")


@app.command("list")
@guarded
def listing(
    tenant: Annotated[str, typer.Option(help="Only this tenant's.")] = "",
    domain: Annotated[str, typer.Option(help="Only this domain's.")] = "",
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """List aliases."""
    found = client(data, url, token, token_file).every("/v1/aliases", tenant=tenant, domain=domain)
    as_json(found) if json else table(found, COLUMNS, "There are no aliases.")


@app.command()
@guarded
def delete(
    address: Address,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Delete an alias."""
    client(data, url, token, token_file).call("DELETE", named("aliases", address))
    as_json({"deleted": address}) if json else console.print(f"alias {address} deleted")
