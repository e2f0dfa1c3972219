"""posthouse tenant openid: set, list, delete."""

import sys
from typing import Annotated

import typer

from posthouse.api import named
from posthouse.commands.options import Data, Json, Token, TokenFile, Url, client
from posthouse.output import as_json, console, guarded, table

app = typer.Typer(no_args_is_help=True, help="OpenID providers whose tokens let a tenant's people in.")
COLUMNS = ("issuer", "audiences", "address_claim", "required_scopes", "client_id", "has_client_secret")
Tenant = Annotated[str, typer.Argument(help="The tenant's name.")]
Issuer = Annotated[str, typer.Argument(help="The provider's https URL, exactly as its tokens have it.")]


@app.command("set")
@guarded
def set_(
    tenant: Tenant,
    issuer: Issuer,
    audience: Annotated[list[str], typer.Option(help="Whom tokens must be for; several times.")],
    claim: Annotated[str, typer.Option(help="The claim that is the account's address.")] = "email",
    scope: Annotated[list[str] | None, typer.Option(help="What tokens must have; several times.")] = None,
    client_id: Annotated[str, typer.Option(help="To ask about tokens that are no JWT.")] = "",
    client_secret_stdin: Annotated[
        bool, typer.Option("--client-secret-stdin", help="Read its secret from standard input.")
    ] = False,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
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
    made = client(data, url, token, token_file).call("PUT", _path(tenant), body)
    as_json(made) if json else console.print(f"tokens of {made['issuer']} let people of {tenant} in")


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
    """List a tenant's providers."""
    found = client(data, url, token, token_file).every(_path(tenant))
    as_json(found) if json else table(found, COLUMNS, "The tenant has no OpenID providers.")


@app.command()
@guarded
def delete(
    tenant: Tenant,
    issuer: Issuer,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Trust a provider no more."""
    client(data, url, token, token_file).call("DELETE", _path(tenant), issuer=issuer)
    as_json({"deleted": issuer}) if json else console.print(f"tokens of {issuer} let nobody in any more")


def _path(tenant: str) -> str:
    return f"{named('tenants', tenant)}/openid-providers"
