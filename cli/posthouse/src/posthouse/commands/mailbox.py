"""posthouse mailbox: create, list, rights, delete; shared accounts and who may do what with mailboxes."""

from typing import Annotated
from urllib.parse import quote

import typer

from posthouse.api import Api
from posthouse.commands.addresses import Confusable
from posthouse.commands.options import asking
from posthouse.output import as_json, console, table

app = typer.Typer(no_args_is_help=True, help="Mailboxes, shared ones too, and who may do what with them.")
COLUMNS = ("name", "messages", "unseen", "size_octets", "rights")
Address = Annotated[str, typer.Argument(help="The account's address.")]
Name = Annotated[str, typer.Argument(help="A mailbox in it, e.g. Archive/2026; none: the shared account.")]


@app.command()
@asking
def create(
    api: Api,
    json: bool,
    address: Address,
    name: Name = "",
    display_name: Annotated[str, typer.Option(help="Of a shared account: a name for people.")] = "",
    even_if_confusable: Confusable = False,
) -> None:
    """Create an account that several people share (it has no password), or a mailbox in an account."""
    if name:
        api.call("POST", "/v1/mailboxes", {"account": address, "name": name})
        made = {"account": address, "name": name}
    else:
        body = {"address": address, "display_name": display_name, "even_if_confusable": even_if_confusable}
        made = api.call("POST", "/v1/shared-mailboxes", body)
    as_json(made) if json else console.print(f"mailbox {address} {name}".rstrip() + " created")


@app.command("list")
@asking
def listing(api: Api, json: bool, address: Address) -> None:
    """List the mailboxes of an account with the rights of others."""
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
@asking
def rights(
    api: Api,
    json: bool,
    address: Address,
    identifier: Annotated[
        str,
        typer.Argument(help="Whose: an address, `anyone`, or `$` and an alias's address (all it leads to)."),
    ],
    letters: Annotated[
        str, typer.Argument(help="Letters of RFC 4314, e.g. lrswi; +te adds, ~te removes, `none` takes all.")
    ],
    name: Annotated[str, typer.Option("--mailbox", help="Only this one; else all of the account.")] = "",
) -> None:
    """Give somebody rights to the mailboxes of an account."""
    # A dash would be an option.
    wanted = "" if letters == "none" else "-" + letters[1:] if letters.startswith("~") else letters
    body = {"account": address, "name": name, "identifier": identifier, "rights": wanted}
    now = api.call("PUT", "/v1/mailboxes/rights", body)
    as_json(now) if json else console.print(f"{identifier} has: {now['rights'] or 'no rights'}", markup=False)


@app.command()
@asking
def delete(api: Api, json: bool, address: Address, name: Name = "") -> None:
    """Delete a shared account, or a mailbox in an account with its messages."""
    if name:
        api.call("DELETE", f"/v1/mailboxes?account={quote(address, safe='')}&name={quote(name, safe='')}")
    else:
        api.call("DELETE", f"/v1/shared-mailboxes?account={quote(address, safe='')}")
    what = f"{address} {name}".rstrip()
    as_json({"deleted": what}) if json else console.print(f"mailbox {what} deleted")
