"""posthouse domain: create, list, show, delete; dkim."""

from typing import Annotated

import typer

from posthouse.api import Api, named
from posthouse.commands import dkim
from posthouse.commands.options import asking
from posthouse.output import as_json, console, table

app = typer.Typer(no_args_is_help=True, help="Domains: whose mail comes here, and to which tenant.")
app.add_typer(dkim.app, name="dkim")
COLUMNS = ("name", "tenant", "suspended", "created_at")
Name = Annotated[str, typer.Argument(help="The domain, e.g. example.org.")]


@app.command()
@asking
def create(
    api: Api,
    json: bool,
    name: Name,
    tenant: Annotated[str, typer.Option(help="The tenant that it belongs to.")],
    even_if_confusable: Annotated[
        bool, typer.Option("--even-if-confusable", help="Also where it looks like another one that is here.")
    ] = False,
) -> None:
    """Give a domain to a tenant."""
    body = {"name": name, "tenant": tenant, "even_if_confusable": even_if_confusable}
    made = api.call("POST", "/v1/domains", body)
    as_json(made) if json else console.print(f"domain {made['name']} created for tenant {made['tenant']}")


@app.command("list")
@asking
def listing(
    api: Api, json: bool, tenant: Annotated[str, typer.Option(help="Only this tenant's.")] = ""
) -> None:
    """List domains."""
    found = api.every("/v1/domains", tenant=tenant)
    as_json(found) if json else table(found, COLUMNS, "There are no domains.")


@app.command()
@asking
def show(api: Api, json: bool, name: Name) -> None:
    """Show one domain."""
    found = api.call("GET", named("domains", name))
    as_json(found) if json else table([found], COLUMNS, "")


@app.command()
@asking
def routing(
    api: Api,
    json: bool,
    name: Name,
    alias_of: Annotated[
        str | None, typer.Option(help="Addresses of this domain are good here too; empty: of none.")
    ] = None,
    catch_all: Annotated[
        list[str] | None,
        typer.Option(help="Where mail goes that is for nobody; several times; empty: nowhere."),
    ] = None,
) -> None:
    """Show, or say, where mail of a domain goes that no address of its own is for."""
    api, path = api, f"{named('domains', name)}/routing"
    found = api.call("GET", path)
    if alias_of is not None:
        found["alias_of"] = alias_of
    if catch_all is not None:
        found["catch_all"] = [each for each in catch_all if each]
    if alias_of is not None or catch_all is not None:
        found = api.call("PUT", path, found)
    as_json(found) if json else table([found], ("alias_of", "catch_all"), "")


@app.command()
@asking
def delete(api: Api, json: bool, name: Name) -> None:
    """Delete a domain that has no accounts and aliases any more."""
    api.call("DELETE", named("domains", name))
    as_json({"deleted": name}) if json else console.print(f"domain {name} deleted")
