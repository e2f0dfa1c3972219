"""posthouse mailbox: create, list, rights, delete; shared accounts and who may do what with mailboxes."""

from typing import Annotated
from urllib.parse import quote

import typer

from posthouse.commands.addresses import Confusable
from posthouse.commands.options import Data, Json, Token, TokenFile, Url, client
from posthouse.output import as_json, console, guarded, table

app = typer.Typer(no_args_is_help=True, help="Mailboxes, shared ones too, and who may do what with them.")
COLUMNS = ("name", "messages", "unseen", "size_octets", "rights")
Address = Annotated[str, typer.Argument(help="The account's address.")]
Name = Annotated[str, typer.Argument(help="A mailbox in it, e.g. Archive/2026; none: the shared account.")]


@app.command()
@guarded
def create(
    address: Address,
    name: Name = "",
    display_name: Annotated[str, typer.Option(help="Of a shared account: a name for people.")] = "",
    even_if_confusable: Confusable = False,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Create an account that several people share (it has no password), or a mailbox in an account."""
    api = client(data, url, token, token_file)
    if name:
        api.call("POST", "/v1/mailboxes", {"account": address, "name": name})
        made = {"account": address, "name": name}
    else:
        body = {"address": address, "display_name": display_name, "even_if_confusable": even_if_confusable}
        made = api.call("POST", "/v1/shared-mailboxes", body)
    as_json(made) if json else console.print(f"mailbox {address} {name}".rstrip() + " created")


@app.command("list")
@guarded
def listing(
    address: Address,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """List the mailboxes of an account with the rights of others."""
    api = client(data, url, token, token_file)
    found = api.call("GET", f"/v1/mailboxes?account={quote(address, safe='')}")
    if json:
        as_json(found)
        return
    rows = [
        each | {"rights": ", ".join(f"{who}: {letters}" for who, letters in each["rights"].items())}
        for each in found
    ]
    table(rows, COLUMNS, "There are no mailboxes.")


@app.command()
@guarded
def rights(
    address: Address,
    identifier: Annotated[
        str,
        typer.Argument(help="Whose: an address, `anyone`, or `$` and an alias's address (all it leads to)."),
    ],
    letters: Annotated[
        str, typer.Argument(help="Letters of RFC 4314, e.g. lrswi; +te adds, ~te removes, `none` takes all.")
    ],
    name: Annotated[str, typer.Option("--mailbox", help="Only this one; else all of the account.")] = "",
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Give somebody rights to the mailboxes of an account."""
    # A dash would be an option.
    wanted = "" if letters == "none" else "-" + letters[1:] if letters.startswith("~") else letters
    body = {"account": address, "name": name, "identifier": identifier, "rights": wanted}
    now = client(data, url, token, token_file).call("PUT", "/v1/mailboxes/rights", body)
    as_json(now) if json else console.print(f"{identifier} has: {now['rights'] or 'no rights'}", markup=False)


@app.command()
@guarded
def delete(
    address: Address,
    name: Name = "",
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Delete a shared account, or a mailbox in an account with its messages."""
    api = client(data, url, token, token_file)
    if name:
        api.call("DELETE", f"/v1/mailboxes?account={quote(address, safe='')}&name={quote(name, safe='')}")
    else:
        api.call("DELETE", f"/v1/shared-mailboxes?account={quote(address, safe='')}")
    what = f"{address} {name}".rstrip()
    as_json({"deleted": what}) if json else console.print(f"mailbox {what} deleted")
