"""posthouse alias: create, list, delete."""

from typing import Annotated

import typer

from posthouse.api import Api, named
from posthouse.commands.addresses import Confusable
from posthouse.commands.options import asking
from posthouse.output import as_json, console, table

app = typer.Typer(no_args_is_help=True, help="Aliases: addresses whose mail goes to other addresses.")
COLUMNS = ("address", "targets", "tenant", "created_at")
Address = Annotated[str, typer.Argument(help="The alias, e.g. team@example.org.")]


@app.command()
@asking
def create(
    api: Api,
    json: bool,
    address: Address,
    to: Annotated[list[str], typer.Option("--to", help="Where its mail goes; may be given several times.")],
    even_if_confusable: Confusable = False,
) -> None:
    """Create an alias."""
    body = {"address": address, "targets": to, "even_if_confusable": even_if_confusable}
    made = api.call("POST", "/v1/aliases", body)
    as_json(made) if json else console.print(f"alias {made['address']} created")


@app.command("list")
@asking
def listing(
    api: Api,
    json: bool,
    tenant: Annotated[str, typer.Option(help="Only this tenant's.")] = "",
    domain: Annotated[str, typer.Option(help="Only this domain's.")] = "",
) -> None:
    """List aliases."""
    found = api.every("/v1/aliases", tenant=tenant, domain=domain)
    as_json(found) if json else table(found, COLUMNS, "There are no aliases.")


@app.command()
@asking
def delete(api: Api, json: bool, address: Address) -> None:
    """Delete an alias."""
    api.call("DELETE", named("aliases", address))
    as_json({"deleted": address}) if json else console.print(f"alias {address} deleted")
