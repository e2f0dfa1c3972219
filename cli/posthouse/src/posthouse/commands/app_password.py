"""posthouse account app-password: create, list, delete."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import quote

import typer

from posthouse.api import Api, named
from posthouse.commands.options import asking
from posthouse.errors import Problem
from posthouse.output import as_json, console, table

app = typer.Typer(no_args_is_help=True, help="App passwords: one for each program of an account.")
COLUMNS = ("name", "scopes", "expires_at", "last_used_at", "last_used_service", "last_used_address")
Address = Annotated[str, typer.Argument(help="The account's address, e.g. carol@example.org.")]
Name = Annotated[str, typer.Argument(help="What the app password is called, e.g. phone.")]


@app.command()
@asking
def create(
    api: Api,
    json: bool,
    address: Address,
    name: Name,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="smtp, imap, pop3, sieve, jmap or admin; several times. Without it: all but admin."
        ),
    ] = None,
    days: Annotated[int, typer.Option(help="After so many days it expires; 0: never.", min=0, max=36500)] = 0,
) -> None:
    """Make an app password and print it; it is not shown again."""
    expires_at = (datetime.now(UTC) + timedelta(days=days)).isoformat() if days else None
    made = api.call("POST", _path(address), {"name": name, "scopes": scope or [], "expires_at": expires_at})
    as_json(made) if json else console.print(made["password"], markup=False)


@app.command("list")
@asking
def listing(api: Api, json: bool, address: Address) -> None:
    """List the app passwords of an account, and where each was used last."""
    found = api.every(_path(address))
    as_json(found) if json else table(found, COLUMNS, "The account has no app passwords.")


@app.command()
@asking
def delete(
    api: Api, json: bool, address: Address, name: Annotated[str, typer.Argument(help="Its name, or its id.")]
) -> None:
    """Revoke an app password: it opens nothing from now on."""
    app_password_id = _id_of(api, address, name)
    api.call("DELETE", f"{_path(address)}/{quote(app_password_id, safe='')}")
    as_json({"deleted": name}) if json else console.print(f"app password {name} deleted", markup=False)


def _path(address: str) -> str:
    return f"{named('accounts', address)}/app-passwords"


def _id_of(api: Api, address: str, name_or_id: str) -> str:
    for each in api.every(_path(address)):
        if name_or_id in (each["name"], each["app_password_id"]):
            return str(each["app_password_id"])
    raise Problem(f"{address} has no app password {name_or_id}.")
