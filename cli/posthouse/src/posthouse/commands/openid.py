"""posthouse tenant openid: set, list, delete."""

import sys
from typing import Annotated

import typer

from posthouse.api import Api, named
from posthouse.commands.options import asking
from posthouse.output import as_json, console, table

app = typer.Typer(no_args_is_help=True, help="OpenID providers whose tokens let a tenant's people in.")
COLUMNS = ("issuer", "audiences", "address_claim", "required_scopes", "client_id", "has_client_secret")
Tenant = Annotated[str, typer.Argument(help="The tenant's name.")]
Issuer = Annotated[str, typer.Argument(help="The provider's https URL, exactly as its tokens have it.")]


@app.command("set")
@asking
def set_(
    api: Api,
    json: bool,
    tenant: Tenant,
    issuer: Issuer,
    audience: Annotated[list[str], typer.Option(help="Whom tokens must be for; several times.")],
    claim: Annotated[str, typer.Option(help="The claim that is the account's address.")] = "email",
    scope: Annotated[list[str] | None, typer.Option(help="What tokens must have; several times.")] = None,
    client_id: Annotated[str, typer.Option(help="To ask about tokens that are no JWT.")] = "",
    client_secret_stdin: Annotated[
        bool, typer.Option("--client-secret-stdin", help="Read its secret from standard input.")
    ] = False,
) -> None:
    """Trust a provider, or change all of one; a secret that is not given stays."""
    body = {
        "issuer": issuer,
        "audiences": audience,
        "address_claim": claim,
        "required_scopes": scope or [],
        "client_id": client_id,
    }
    if client_secret_stdin:
        body["client_secret"] = sys.stdin.readline().rstrip("\r\n")
    made = api.call("PUT", _path(tenant), body)
    as_json(made) if json else console.print(f"tokens of {made['issuer']} let people of {tenant} in")


@app.command("list")
@asking
def listing(api: Api, json: bool, tenant: Tenant) -> None:
    """List a tenant's providers."""
    found = api.every(_path(tenant))
    as_json(found) if json else table(found, COLUMNS, "The tenant has no OpenID providers.")


@app.command()
@asking
def delete(api: Api, json: bool, tenant: Tenant, issuer: Issuer) -> None:
    """Trust a provider no more."""
    api.call("DELETE", _path(tenant), issuer=issuer)
    as_json({"deleted": issuer}) if json else console.print(f"tokens of {issuer} let nobody in any more")


def _path(tenant: str) -> str:
    return f"{named('tenants', tenant)}/openid-providers"
