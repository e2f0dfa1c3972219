"""posthouse tenant: create, list, show, suspend, restore, delete; policy, script, key."""

from typing import Annotated

import typer

from posthouse.api import Api, named
from posthouse.commands import certificate, ldap, openid, policy, scim, script, tenant_key
from posthouse.commands.options import asking
from posthouse.output import as_json, console, table

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
@asking
def create(
    api: Api,
    json: bool,
    name: Name,
    display_name: Annotated[str, typer.Option(help="A name for people.")] = "",
) -> None:
    """Create a tenant."""
    made = api.call("POST", "/v1/tenants", {"name": name, "display_name": display_name})
    as_json(made) if json else console.print(f"tenant {made['name']} created")


@app.command("list")
@asking
def listing(api: Api, json: bool) -> None:
    """List all tenants."""
    found = api.every("/v1/tenants")
    as_json(found) if json else table(found, COLUMNS, "There are no tenants.")


@app.command()
@asking
def show(api: Api, json: bool, name: Name) -> None:
    """Show one tenant."""
    found = api.call("GET", named("tenants", name))
    as_json(found) if json else table([found], COLUMNS, "")


@app.command()
@asking
def suspend(api: Api, json: bool, name: Name) -> None:
    """Stop a tenant's mail and logins."""
    made = api.call("PATCH", named("tenants", name), {"suspended": True})
    as_json(made) if json else console.print(f"tenant {made['name']} suspended")


@app.command()
@asking
def restore(api: Api, json: bool, name: Name) -> None:
    """Let a suspended tenant go on."""
    made = api.call("PATCH", named("tenants", name), {"suspended": False})
    as_json(made) if json else console.print(f"tenant {made['name']} restored")


@app.command()
@asking
def delete(api: Api, json: bool, name: Name) -> None:
    """Delete a tenant that has no domains any more."""
    api.call("DELETE", named("tenants", name))
    as_json({"deleted": name}) if json else console.print(f"tenant {name} deleted")
