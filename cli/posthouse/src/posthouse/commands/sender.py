"""posthouse sender list, suspend, resume."""

from typing import Annotated

import typer

from posthouse.commands.options import Data, Json, Token, TokenFile, Url, client
from posthouse.output import as_json, console, guarded, table

app = typer.Typer(no_args_is_help=True, help="Senders: accounts that may not send.")
COLUMNS = ("address", "made_by", "reason", "since", "account_id")
Account = Annotated[str, typer.Argument(help="The account's address, e.g. carol@example.org.")]


@app.command("list")
@guarded
def list_senders(
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """List the accounts that may not send, the latest first."""
    found = client(data, url, token, token_file).every("/v1/suspended-senders")
    as_json(found) if json else table(found, COLUMNS, "Everybody may send.")


@app.command()
@guarded
def suspend(
    account: Account,
    reason: Annotated[str, typer.Option(help="Why; it is shown in the list.")],
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Let an account send no more; it is read and receives as ever."""
    body = {"account": account, "reason": reason}
    made = client(data, url, token, token_file).call("POST", "/v1/suspended-senders", body)
    as_json(made) if json else console.print(f"{made['address']} may not send", markup=False)


@app.command()
@guarded
def resume(
    account: Account,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
) -> None:
    """Let an account send again."""
    client(data, url, token, token_file).call("DELETE", "/v1/suspended-senders", account=account)
    console.print(f"{account} may send", markup=False)
