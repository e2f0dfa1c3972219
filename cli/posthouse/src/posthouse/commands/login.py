"""posthouse login: log, limits, lift."""

from typing import Annotated

import typer

from posthouse.api import Api, named
from posthouse.commands.options import asking
from posthouse.output import as_json, console, table

app = typer.Typer(no_args_is_help=True, help="Logins: who came in, who failed, who must wait for it.")
SIGN_INS = ("last_at", "service", "address", "outcome", "times", "new_device", "suspicious")
COLUMNS = ("account", "prefix", "whole_prefix", "failures", "failed_at", "blocked_until")
Account = Annotated[str, typer.Option(help="Only this account's: its address or id.")]
ClientAddress = Annotated[str, typer.Option("--from", help="Only from this address of a client.")]


@app.command()
@asking
def log(
    api: Api,
    json: bool,
    address: Annotated[str, typer.Argument(help="The account's address, e.g. carol@example.org.")],
    most: Annotated[int, typer.Option(help="So many entries at most.", min=1, max=1000)] = 50,
) -> None:
    """Show who came into an account, or tried; the latest first."""
    path = f"{named('accounts', address)}/sign-ins"
    found = api.call("GET", path, size=str(most))["items"]
    as_json(found) if json else table(found, SIGN_INS, "Nobody came in or tried.")


@app.command()
@asking
def limits(api: Api, json: bool, account: Account = "", client_address: ClientAddress = "") -> None:
    """List failed logins that still count, and until when somebody must wait."""
    found = api.every("/v1/login-limits", account=account, client_address=client_address)
    as_json(found) if json else table(found, COLUMNS, "No failed login counts now.")


@app.command()
@asking
def lift(api: Api, json: bool, account: Account = "", client_address: ClientAddress = "") -> None:
    """Forget failed logins, of an account, of a client's address, or of one from the other: nobody waits any more."""
    done = api.call("DELETE", "/v1/login-limits", account=account, client_address=client_address)
    as_json(done) if json else console.print(f"{done['lifted']} lifted")
