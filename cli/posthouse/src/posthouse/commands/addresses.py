"""posthouse account address, delegate and deleted: all addresses, who may send for them, what can be restored."""

from typing import Annotated
from urllib.parse import quote

import typer

from posthouse.api import Api, named
from posthouse.commands.options import asking
from posthouse.output import as_json, console, table

address_app = typer.Typer(no_args_is_help=True, help="All addresses of an account.")
delegate_app = typer.Typer(no_args_is_help=True, help="Who may send for an address.")
deleted_app = typer.Typer(no_args_is_help=True, help="Deleted accounts, which can be restored for some days.")
Account = Annotated[str, typer.Argument(help="The account's address, e.g. carol@example.org.")]
Address = Annotated[str, typer.Argument(help="An address, e.g. c.smith@example.org.")]
Delegate = Annotated[str, typer.Argument(help="The account that may send for it.")]
AccountId = Annotated[str, typer.Argument(help="The account's id, as `deleted list` shows it.")]
Confusable = Annotated[
    bool, typer.Option("--even-if-confusable", help="Also where it looks like another one of the domain.")
]


@address_app.command("list")
@asking
def list_addresses(api: Api, json: bool, account: Account) -> None:
    """List the addresses of an account."""
    found = api.every(_addresses(account))
    as_json(found) if json else table(found, ("address", "primary", "created_at"), "")


@address_app.command()
@asking
def add(
    api: Api, json: bool, account: Account, address: Address, even_if_confusable: Confusable = False
) -> None:
    """Give an account one more address."""
    body = {"address": address, "even_if_confusable": even_if_confusable}
    made = api.call("POST", _addresses(account), body)
    as_json(made) if json else console.print(f"{account} has the address {made['address']} too")


@address_app.command()
@asking
def primary(api: Api, json: bool, account: Account, address: Address) -> None:
    """Make one of its addresses the one that an account is known by."""
    path = f"{named('accounts', account)}/primary-address"
    made = api.call("PUT", path, {"address": address})
    as_json(made) if json else console.print(f"account {made['address']} is known by that address now")


@address_app.command()
@asking
def remove(api: Api, json: bool, account: Account, address: Address) -> None:
    """Take an address from an account; not its primary one."""
    api.call("DELETE", f"{_addresses(account)}/{quote(address, safe='@+')}")
    as_json({"removed": address}) if json else console.print(f"{account} has the address {address} no more")


@delegate_app.command("list")
@asking
def list_delegates(
    api: Api,
    json: bool,
    address: Annotated[str, typer.Option(help="Who may send for this address.")] = "",
    delegate: Annotated[str, typer.Option(help="What this account may send for.")] = "",
) -> None:
    """List who may send for an address, or what an account may send for."""
    found = api.every("/v1/delegations", address=address, delegate=delegate)
    columns = ("address", "delegate", "right", "created_at")
    as_json(found) if json else table(found, columns, "Nobody may.")


@delegate_app.command()
@asking
def allow(
    api: Api,
    json: bool,
    address: Address,
    delegate: Delegate,
    on_behalf: Annotated[
        bool, typer.Option("--on-behalf", help="Only with the delegate's own address in Sender.")
    ] = False,
) -> None:
    """Let an account send for an address, as if it were its own."""
    right = "send_on_behalf" if on_behalf else "send_as"
    body = {"address": address, "delegate": delegate, "right": right}
    made = api.call("POST", "/v1/delegations", body)
    as_json(made) if json else console.print(f"{made['delegate']} may send for {made['address']}")


@delegate_app.command()
@asking
def revoke(api: Api, json: bool, address: Address, delegate: Delegate) -> None:
    """Let an account send for an address no more."""
    api.call("DELETE", "/v1/delegations", address=address, delegate=delegate)
    as_json({"revoked": address}) if json else console.print(
        f"{delegate} may not send for {address} any more"
    )


@deleted_app.command("list")
@asking
def list_deleted(
    api: Api, json: bool, tenant: Annotated[str, typer.Option(help="Only this tenant's.")] = ""
) -> None:
    """List deleted accounts, and until when each can be restored."""
    found = api.every("/v1/deleted-accounts", tenant=tenant)
    columns = ("account_id", "addresses", "tenant", "deleted_at", "kept_until")
    as_json(found) if json else table(found, columns, "There are no deleted accounts.")


@deleted_app.command("restore")
@asking
def restore_deleted(api: Api, json: bool, account_id: AccountId) -> None:
    """Bring a deleted account back, with its addresses, passwords and mail."""
    path = f"{named('deleted-accounts', account_id)}/restore"
    made = api.call("POST", path)
    as_json(made) if json else console.print(f"account {made['address']} is back")


@deleted_app.command("remove")
@asking
def remove_deleted(api: Api, json: bool, account_id: AccountId) -> None:
    """Remove a deleted account now and for good, with its mail."""
    api.call("DELETE", named("deleted-accounts", account_id))
    as_json({"removed": account_id}) if json else console.print(f"account {account_id} removed for good")


def _addresses(account: str) -> str:
    return f"{named('accounts', account)}/addresses"
