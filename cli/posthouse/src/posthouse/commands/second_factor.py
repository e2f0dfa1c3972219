"""posthouse account second-factor: list, add-totp, confirm-totp, delete, recovery-codes.

A security key is enrolled where a browser is (POST .../second-factors/webauthn); a seed for a program that shows codes here.
"""

from typing import Annotated
from urllib.parse import quote

import typer

from posthouse.api import Api, named
from posthouse.commands.options import asking
from posthouse.output import as_json, console, table

app = typer.Typer(no_args_is_help=True, help="Second factors of an account's web logins.")
Account = Annotated[str, typer.Argument(help="The account's address, e.g. carol@example.org.")]


@app.command("list")
@asking
def listing(api: Api, json: bool, account: Account) -> None:
    """List second factors, and how many recovery codes are left."""
    found = api.call("GET", _path(account))
    if json:
        as_json(found)
        return
    columns = ("factor_id", "kind", "name", "created_at", "last_used_at")
    table(found["items"], columns, "The account has no second factor.")
    console.print(f"{found['recovery_codes_left']} recovery codes left")


@app.command("add-totp")
@asking
def add_totp(
    api: Api,
    json: bool,
    account: Account,
    name: Annotated[str, typer.Argument(help="What its owner calls it, e.g. phone.")],
) -> None:
    """Make a seed for a program that shows codes, and print it; it is not shown again.

    It counts from when `confirm-totp` was given a code of it.
    """
    made = api.call("POST", f"{_path(account)}/totp", {"name": name})
    if json:
        as_json(made)
        return
    console.print(f"secret {made['secret']}\n{made['uri']}", markup=False)
    words = f"posthouse account second-factor confirm-totp {account} {made['factor_id']} CODE"
    console.print(f"give a code of it to: {words}", markup=False)


@app.command("confirm-totp")
@asking
def confirm_totp(
    api: Api,
    json: bool,
    account: Account,
    factor_id: Annotated[str, typer.Argument(help="Its id, as `add-totp` showed it.")],
    totp_code: Annotated[str, typer.Argument(metavar="CODE", help="What the program shows now.")],
) -> None:
    """Show that the program has the seed: from now on it is a second factor."""
    path = f"{_path(account)}/totp/{quote(factor_id, safe='')}/confirm"
    made = api.call("POST", path, {"totp_code": totp_code})
    as_json(made) if json else console.print(
        f"{made['name']} is a second factor of {account} now", markup=False
    )


@app.command()
@asking
def delete(
    api: Api,
    json: bool,
    account: Account,
    factor_id: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
) -> None:
    """Take a second factor away, when it was lost, say."""
    api.call("DELETE", f"{_path(account)}/{quote(factor_id, safe='')}")
    as_json({"deleted": factor_id}) if json else console.print(f"second factor {factor_id} deleted")


@app.command("recovery-codes")
@asking
def recovery_codes(api: Api, json: bool, account: Account) -> None:
    """Make recovery codes and print them; they are not shown again, and the old ones end."""
    made = api.call("POST", f"{_path(account)}/recovery-codes")
    as_json(made) if json else console.print("\n".join(made["codes"]), markup=False)


def _path(account: str) -> str:
    return f"{named('accounts', account)}/second-factors"
