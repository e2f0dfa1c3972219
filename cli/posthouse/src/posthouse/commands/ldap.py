"""posthouse tenant ldap: set, show, delete."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from posthouse.api import Api, named
from posthouse.commands.options import asking
from posthouse.errors import Problem
from posthouse.output import as_json, console, table

app = typer.Typer(no_args_is_help=True, help="An LDAP server that keeps the passwords of a tenant's people.")
COLUMNS = ("url", "base_dn", "filter", "bind_dn", "has_bind_password")
Tenant = Annotated[str, typer.Argument(help="The tenant's name.")]


@app.command("set")
@asking
def set_(
    api: Api,
    json: bool,
    tenant: Tenant,
    server: Annotated[str, typer.Argument(help="ldaps://host, or ldap://host with StartTLS.")],
    base_dn: Annotated[str, typer.Option(help="Where people are looked for.")],
    search: Annotated[
        str, typer.Option("--filter", help="With {address}, {local_part} or {domain} in it.")
    ] = "(mail={address})",
    bind_dn: Annotated[str, typer.Option(help="Who looks people up; without it nobody.")] = "",
    bind_password_stdin: Annotated[
        bool, typer.Option("--bind-password-stdin", help="Read its password from standard input.")
    ] = False,
    ca_file: Annotated[Path | None, typer.Option(help="Authorities to trust, in PEM.")] = None,
) -> None:
    """Ask this server whether passwords are right; a password that is not given stays, for the same server."""
    body = {"url": server, "base_dn": base_dn, "filter": search, "bind_dn": bind_dn}
    if bind_password_stdin:
        body["bind_password"] = sys.stdin.readline().rstrip("\r\n")
    if ca_file is not None:
        try:
            body["ca_certificates"] = ca_file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise Problem(f"{ca_file} cannot be read as PEM: {error}.") from error
    made = api.call("PUT", _path(tenant), body)
    as_json(made) if json else console.print(f"passwords of {tenant} are asked for at {made['url']}")


@app.command()
@asking
def show(api: Api, json: bool, tenant: Tenant) -> None:
    """Show where a tenant's passwords are kept."""
    found = api.call("GET", _path(tenant))
    as_json(found) if json else table([found], COLUMNS, "")


@app.command()
@asking
def delete(api: Api, json: bool, tenant: Tenant) -> None:
    """Let the passwords that were set here count again."""
    api.call("DELETE", _path(tenant))
    as_json({"deleted": tenant}) if json else console.print(f"passwords of {tenant} are ours again")


def _path(tenant: str) -> str:
    return f"{named('tenants', tenant)}/ldap-source"
