"""posthouse tenant: create, list, show, suspend, restore, delete; policy, script, key."""

from typing import Annotated

import typer

from posthouse.api import named
from posthouse.commands import certificate, ldap, openid, policy, scim, script, tenant_key
from posthouse.commands.options import Data, Json, Token, TokenFile, Url, client
from posthouse.output import as_json, console, guarded, table

app = typer.Typer(
    no_args_is_help=True, help="Tenants: customers of the platform, walled off from each other."
)
app.add_typer(policy.app, name="policy")
app.add_typer(script.app, name="script")
app.add_typer(openid.app, name="openid")
app.add_typer(scim.app, name="scim-token")
app.add_typer(tenant_key.app, name="key")
app.add_typer(ldap.app, name="ldap")
app.add_typer(certificate.tenant_app, name="authority")
COLUMNS = ("name", "display_name", "suspended", "created_at", "tenant_id")
Name = Annotated[str, typer.Argument(help="The tenant's name.")]


@app.command()
@guarded
def create(
    name: Name,
    display_name: Annotated[str, typer.Option(help="A name for people.")] = "",
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Create a tenant."""
    made = client(data, url, token, token_file).call(
        "POST", "/v1/tenants", {"name": name, "display_name": display_name}
    )
    as_json(made) if json else console.print(f"tenant {made['name']} created")


@app.command("list")
@guarded
def listing(
    data: Data = None, url: Url = None, token: Token = None, token_file: TokenFile = None, json: Json = False
) -> None:
    """List all tenants."""
    found = client(data, url, token, token_file).every("/v1/tenants")
    as_json(found) if json else table(found, COLUMNS, "There are no tenants.")


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
    """Show one tenant."""
    found = client(data, url, token, token_file).call("GET", named("tenants", name))
    as_json(found) if json else table([found], COLUMNS, "")


@app.command()
@guarded
def suspend(
    name: Name,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Stop a tenant's mail and logins."""
    made = client(data, url, token, token_file).call("PATCH", named("tenants", name), {"suspended": True})
    as_json(made) if json else console.print(f"tenant {made['name']} suspended")


@app.command()
@guarded
def restore(
    name: Name,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Let a suspended tenant go on."""
    made = client(data, url, token, token_file).call("PATCH", named("tenants", name), {"suspended": False})
    as_json(made) if json else console.print(f"tenant {made['name']} restored")


@app.command()
@guarded
def delete(
    name: Name,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Delete a tenant that has no domains any more."""
    client(data, url, token, token_file).call("DELETE", named("tenants", name))
    as_json({"deleted": name}) if json else console.print(f"tenant {name} deleted")
