"""posthouse route: list, set, delete."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from posthouse.api import Api
from posthouse.commands.options import asking
from posthouse.errors import Problem
from posthouse.output import as_json as print_json
from posthouse.output import console, table

app = typer.Typer(no_args_is_help=True, help="Where and how mail goes, where that is not the domain's MX.")
COLUMNS = ("tenant", "domain", "host", "protocol", "username", "minimum_tls", "egress")
Tenant = Annotated[str, typer.Option(help="This tenant's mail (name or id); without: everybody's.")]
Domain = Annotated[str, typer.Option(help="Mail to this domain; without: to all.")]


class Protocol(StrEnum):
    """What is spoken with the host."""

    SMTP = "smtp"
    LMTP = "lmtp"


class MinimumTls(StrEnum):
    """What a host must show at least."""

    OPPORTUNISTIC = "opportunistic"
    ENCRYPTED = "encrypted"
    VERIFIED = "verified"


@app.command("list")
@asking
def listing(api: Api, as_json: bool) -> None:
    """List the rules. The nearest to tenant and domain that says something of a subject counts for it."""
    found = api.call("GET", "/v1/routes")["items"]
    print_json(found) if as_json else table(found, COLUMNS, "All mail goes to its domain's MX.")


@app.command("set")
@asking
def set_route(
    api: Api,
    as_json: bool,
    tenant: Tenant = "",
    domain: Domain = "",
    host: Annotated[str, typer.Option(help="host, host:port, address:port or [v6]:port.")] = "",
    protocol: Annotated[Protocol, typer.Option(help="What is spoken with it.")] = Protocol.SMTP,
    username: Annotated[str, typer.Option(help="Who we are there.")] = "",
    password_file: Annotated[
        str,
        typer.Option(help="A file with the password, - for standard input; without: the one that is kept."),
    ] = "",
    tls: Annotated[
        MinimumTls | None, typer.Option(help="What the host must show at least.", show_default=False)
    ] = None,
    egress: Annotated[str, typer.Option(help="The pool of sources that the mail leaves from.")] = "",
) -> None:
    """Set the rule for a tenant, a domain, a tenant's mail to a domain, or with neither for all mail.

    It holds from the next attempt on; `posthouse queue retry` makes that now.
    """
    made = api.call(
        "PUT",
        "/v1/routes",
        {
            "tenant": tenant,
            "domain": domain,
            "host": host,
            "protocol": protocol.value,
            "username": username,
            "password": password_in(password_file),
            "minimum_tls": tls.value if tls is not None else "",
            "egress": egress,
        },
    )
    print_json(made) if as_json else table([made], COLUMNS, "")


@app.command()
@asking
def delete(api: Api, as_json: bool, tenant: Tenant = "", domain: Domain = "") -> None:
    """Delete the rule for just this tenant and domain; the next wider one holds then."""
    api.call("DELETE", "/v1/routes", tenant=tenant, domain=domain)
    print_json({"tenant": tenant, "domain": domain}) if as_json else console.print("route deleted")


def password_in(file: str) -> str:
    """ "" for no file. Raises Problem."""
    if not file:
        return ""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"The password cannot be read: {error}") from error
    return text.rstrip("\r\n")
