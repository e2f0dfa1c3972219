"""posthouse sender list, suspend, resume."""

from typing import Annotated

import typer

from posthouse.api import Api
from posthouse.commands.options import asking
from posthouse.output import as_json, console, table

app = typer.Typer(no_args_is_help=True, help="Senders: accounts that may not send.")
COLUMNS = ("address", "made_by", "reason", "since", "account_id")
Account = Annotated[str, typer.Argument(help="The account's address, e.g. carol@example.org.")]


@app.command("list")
@asking
def list_senders(api: Api, json: bool) -> None:
    """List the accounts that may not send, the latest first."""
    found = api.every("/v1/suspended-senders")
    as_json(found) if json else table(found, COLUMNS, "Everybody may send.")


@app.command()
@asking
def suspend(
    api: Api,
    json: bool,
    account: Account,
    reason: Annotated[str, typer.Option(help="Why; it is shown in the list.")],
) -> None:
    """Let an account send no more; it is read and receives as ever."""
    body = {"account": account, "reason": reason}
    made = api.call("POST", "/v1/suspended-senders", body)
    as_json(made) if json else console.print(f"{made['address']} may not send", markup=False)


@app.command()
@asking
def resume(api: Api, json: bool, account: Account) -> None:
    """Let an account send again."""
    api.call("DELETE", "/v1/suspended-senders", account=account)
    as_json({"resumed": account}) if json else console.print(f"{account} may send", markup=False)
