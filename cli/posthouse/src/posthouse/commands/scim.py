"""posthouse tenant scim-token: create, list, delete."""

from typing import Annotated
from urllib.parse import quote

import typer

from posthouse.api import named
from posthouse.commands.options import Data, Json, Token, TokenFile, Url, client
from posthouse.output import as_json, console, guarded, table

app = typer.Typer(
    no_args_is_help=True, help="Tokens of a tenant's identity management, for /scim/v2 of the admin API."
)
Tenant = Annotated[str, typer.Argument(help="The tenant's name.")]


@app.command()
@guarded
def create(
    tenant: Tenant,
    name: Annotated[str, typer.Argument(help="What it is called, e.g. identity-provider.")],
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Make a token and print it; it is not shown again."""
    made = client(data, url, token, token_file).call("POST", _path(tenant), {"name": name})
    as_json(made) if json else console.print(made["token"], markup=False)


@app.command("list")
@guarded
def listing(
    tenant: Tenant,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """List a tenant's tokens."""
    found = client(data, url, token, token_file).every(_path(tenant))
    as_json(found) if json else table(found, ("token_id", "name", "created_at"), "The tenant has none.")


@app.command()
@guarded
def delete(
    tenant: Tenant,
    token_id: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Let a token open nothing any more."""
    client(data, url, token, token_file).call("DELETE", f"{_path(tenant)}/{quote(token_id, safe='')}")
    as_json({"deleted": token_id}) if json else console.print(f"token {token_id} deleted")


def _path(tenant: str) -> str:
    return f"{named('tenants', tenant)}/scim-tokens"
