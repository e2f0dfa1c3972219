"""posthouse tenant scim-token: create, list, delete."""

from typing import Annotated
from urllib.parse import quote

import typer

from posthouse.api import Api, named
from posthouse.commands.options import asking
from posthouse.output import as_json, console, table

app = typer.Typer(
    no_args_is_help=True, help="Tokens of a tenant's identity management, for /scim/v2 of the admin API."
)
Tenant = Annotated[str, typer.Argument(help="The tenant's name.")]


@app.command()
@asking
def create(
    api: Api,
    json: bool,
    tenant: Tenant,
    name: Annotated[str, typer.Argument(help="What it is called, e.g. identity-provider.")],
) -> None:
    """Make a token and print it; it is not shown again."""
    made = api.call("POST", _path(tenant), {"name": name})
    as_json(made) if json else console.print(made["token"], markup=False)


@app.command("list")
@asking
def listing(api: Api, json: bool, tenant: Tenant) -> None:
    """List a tenant's tokens."""
    found = api.every(_path(tenant))
    as_json(found) if json else table(found, ("token_id", "name", "created_at"), "The tenant has none.")


@app.command()
@asking
def delete(
    api: Api,
    json: bool,
    tenant: Tenant,
    token_id: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
) -> None:
    """Let a token open nothing any more."""
    api.call("DELETE", f"{_path(tenant)}/{quote(token_id, safe='')}")
    as_json({"deleted": token_id}) if json else console.print(f"token {token_id} deleted")


def _path(tenant: str) -> str:
    return f"{named('tenants', tenant)}/scim-tokens"
