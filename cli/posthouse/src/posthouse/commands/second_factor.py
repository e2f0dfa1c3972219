"""posthouse account second-factor: list, add-totp, confirm-totp, delete, recovery-codes.

A security key is enrolled where a browser is (POST .../second-factors/webauthn); a seed for a program that shows codes here.
"""

from typing import Annotated
from urllib.parse import quote

import typer

from posthouse.api import named
from posthouse.commands.options import Data, Json, Token, TokenFile, Url, client
from posthouse.output import as_json, console, guarded, table

app = typer.Typer(no_args_is_help=True, help="Second factors of an account's web logins.")
Account = Annotated[str, typer.Argument(help="The account's address, e.g. carol@example.org.")]


@app.command("list")
@guarded
def listing(
    account: Account,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """List second factors, and how many recovery codes are left."""
    found = client(data, url, token, token_file).call("GET", _path(account))
    if json:
        as_json(found)
        return
    columns = ("factor_id", "kind", "name", "created_at", "last_used_at")
    table(found["items"], columns, "The account has no second factor.")
    console.print(f"{found['recovery_codes_left']} recovery codes left")


@app.command("add-totp")
@guarded
def add_totp(
    account: Account,
    name: Annotated[str, typer.Argument(help="What its owner calls it, e.g. phone.")],
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Make a seed for a program that shows codes, and print it; it is not shown again.

    It counts from when `confirm-totp` was given a code of it.
    """
    made = client(data, url, token, token_file).call("POST", f"{_path(account)}/totp", {"name": name})
    if json:
        as_json(made)
        return
    console.print(f"secret {made['secret']}\n{made['uri']}", markup=False)
    words = f"posthouse account second-factor confirm-totp {account} {made['factor_id']} CODE"
    console.print(f"give a code of it to: {words}", markup=False)


@app.command("confirm-totp")
@guarded
def confirm_totp(
    account: Account,
    factor_id: Annotated[str, typer.Argument(help="Its id, as `add-totp` showed it.")],
    totp_code: Annotated[str, typer.Argument(metavar="CODE", help="What the program shows now.")],
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Show that the program has the seed: from now on it is a second factor."""
    path = f"{_path(account)}/totp/{quote(factor_id, safe='')}/confirm"
    made = client(data, url, token, token_file).call("POST", path, {"totp_code": totp_code})
    as_json(made) if json else console.print(
        f"{made['name']} is a second factor of {account} now", markup=False
    )


@app.command()
@guarded
def delete(
    account: Account,
    factor_id: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Take a second factor away, when it was lost, say."""
    client(data, url, token, token_file).call("DELETE", f"{_path(account)}/{quote(factor_id, safe='')}")
    as_json({"deleted": factor_id}) if json else console.print(f"second factor {factor_id} deleted")


@app.command("recovery-codes")
@guarded
def recovery_codes(
    account: Account,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Make recovery codes and print them; they are not shown again, and the old ones end."""
    made = client(data, url, token, token_file).call("POST", f"{_path(account)}/recovery-codes")
    as_json(made) if json else console.print("\n".join(made["codes"]), markup=False)


def _path(account: str) -> str:
    return f"{named('accounts', account)}/second-factors"
