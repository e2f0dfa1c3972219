"""posthouse tenant script: list, show, put, activate, delete; account script: list, show, restore; posthouse script try."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from posthouse.api import Api
from posthouse.commands.options import asking
from posthouse.errors import Problem
from posthouse.output import as_json, console, table

app = typer.Typer(no_args_is_help=True, help="Sieve scripts that run for all users of a tenant.")
trial = typer.Typer(no_args_is_help=True, help="Sieve scripts: what they would do.")
own = typer.Typer(no_args_is_help=True, help="A user's own Sieve scripts, and what they were before.")
OWN_COLUMNS = ("name", "version", "active", "size_octets", "made_at", "replaced_at")
COLUMNS = ("name", "version", "active", "size_octets", "made_at", "made_by")
STEPS = ("line", "script", "kind", "detail")
Tenant = Annotated[str, typer.Argument(help="The tenant's name or id.")]
Address = Annotated[str, typer.Argument(help="The account's address or id.")]
OwnName = Annotated[str, typer.Argument(help="The script's name.")]
Name = Annotated[
    str, typer.Argument(help="before, after (around the users' own), or one to be included as :global.")
]


def _path(tenant: str, *rest: str) -> str:
    return "/v1/tenants/" + "/".join(quote(word, safe="") for word in (tenant, "scripts", *rest))


def _own_path(account: str, *rest: str) -> str:
    return "/v1/accounts/" + "/".join(quote(word, safe="") for word in (account, "scripts", *rest))


def _read(path: Path) -> str:
    # Line ends stay as they are: a message's matter.
    try:
        return path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{path}: {error}") from error


@app.command("list")
@asking
def listing(api: Api, json: bool, tenant: Tenant) -> None:
    """List all versions, the newest of each name first."""
    found = api.call("GET", _path(tenant))
    as_json(found) if json else table(found, COLUMNS, "There are no scripts.")


@app.command()
@asking
def show(
    api: Api,
    json: bool,
    tenant: Tenant,
    name: Name,
    version: Annotated[int, typer.Option(help="0: the active one.", min=0)] = 0,
) -> None:
    """Show the text of a version."""
    found = api.call("GET", _path(tenant, name), version=version)
    as_json(found) if json else console.print(
        found["script"].rstrip(), markup=False, highlight=False, soft_wrap=True
    )


@app.command()
@asking
def put(
    api: Api,
    json: bool,
    tenant: Tenant,
    name: Name,
    file: Annotated[Path, typer.Argument(help="The script.")],
) -> None:
    """Put a new version, which runs from now on."""
    made = api.call("PUT", _path(tenant, name), {"script": _read(file)})
    as_json(made) if json else console.print(f"{name}: version {made['version']} runs")


@app.command()
@asking
def activate(
    api: Api,
    json: bool,
    tenant: Tenant,
    name: Name,
    version: Annotated[int, typer.Argument(help="Which one; 0: none of this name runs.", min=0)],
) -> None:
    """Go back to a version, or let none run."""
    api.call("POST", _path(tenant, name, "activate"), {"version": version})
    said = f"{name}: version {version} runs" if version else f"{name}: none runs"
    as_json({"name": name, "version": version}) if json else console.print(said)


@app.command()
@asking
def delete(api: Api, json: bool, tenant: Tenant, name: Name) -> None:
    """Delete all versions of a name."""
    api.call("DELETE", _path(tenant, name))
    as_json({"deleted": name}) if json else console.print(f"{name} deleted")


@own.command("list")
@asking
def own_listing(api: Api, json: bool, account: Address) -> None:
    """List the scripts as they are now (version 0) and as they were before."""
    found = api.call("GET", _own_path(account))
    as_json(found) if json else table(found, OWN_COLUMNS, "There are no scripts.")


@own.command("show")
@asking
def own_show(
    api: Api,
    json: bool,
    account: Address,
    name: OwnName,
    version: Annotated[int, typer.Option(help="0: as it is now.", min=0)] = 0,
) -> None:
    """Show the text of a script, as it is or was."""
    found = api.call("GET", _own_path(account, name), version=version)
    as_json(found) if json else console.print(
        found["script"].rstrip(), markup=False, highlight=False, soft_wrap=True
    )


@own.command("restore")
@asking
def own_restore(
    api: Api,
    json: bool,
    account: Address,
    name: OwnName,
    version: Annotated[int, typer.Argument(help="Which one.", min=1)],
) -> None:
    """Put what a script was before in its place; what it is now stays as a version."""
    api.call("POST", _own_path(account, name, "restore"), {"version": version})
    said = {"name": name, "restored": version}
    as_json(said) if json else console.print(f"{name}: version {version} restored")


@trial.command("try")
@asking
def dry_run(
    api: Api,
    json: bool,
    message: Annotated[Path, typer.Argument(help="A message.")],
    script: Annotated[
        Path | None, typer.Option(help="A script; none: those that run for the account.")
    ] = None,
    account: Annotated[str, typer.Option(help="Whose mailboxes there are.")] = "",
    sender: Annotated[str, typer.Option(help="The reverse-path.")] = "",
    recipient: Annotated[str, typer.Option(help="The address it came to.")] = "",
) -> None:
    """Say what a script would do with a message, and which line causes it. Nothing is done."""
    asked = {
        "message": _read(message),
        "script": "" if script is None else _read(script),
        "account": account,
        "sender": sender,
        "recipient": recipient,
    }
    found = api.call("POST", "/v1/sieve/dry-run", asked)
    if json:
        as_json(found)
        return
    table(found["steps"], STEPS, "Nothing would be done.")
    if found["error"]:
        console.print(found["error"], markup=False)
