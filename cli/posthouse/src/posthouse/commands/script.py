"""posthouse tenant script: list, show, put, activate, delete; account script: list, show, restore; posthouse script try."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from posthouse.commands.options import Data, Json, Token, TokenFile, Url, client
from posthouse.errors import Problem
from posthouse.output import as_json, console, guarded, table

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
@guarded
def listing(
    tenant: Tenant,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """List all versions, the newest of each name first."""
    found = client(data, url, token, token_file).call("GET", _path(tenant))
    as_json(found) if json else table(found, COLUMNS, "There are no scripts.")


@app.command()
@guarded
def show(
    tenant: Tenant,
    name: Name,
    version: Annotated[int, typer.Option(help="0: the active one.", min=0)] = 0,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Show the text of a version."""
    found = client(data, url, token, token_file).call("GET", _path(tenant, name), version=version)
    as_json(found) if json else console.print(
        found["script"].rstrip(), markup=False, highlight=False, soft_wrap=True
    )


@app.command()
@guarded
def put(
    tenant: Tenant,
    name: Name,
    file: Annotated[Path, typer.Argument(help="The script.")],
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Put a new version, which runs from now on."""
    api = client(data, url, token, token_file)
    made = api.call("PUT", _path(tenant, name), {"script": _read(file)})
    as_json(made) if json else console.print(f"{name}: version {made['version']} runs")


@app.command()
@guarded
def activate(
    tenant: Tenant,
    name: Name,
    version: Annotated[int, typer.Argument(help="Which one; 0: none of this name runs.", min=0)],
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Go back to a version, or let none run."""
    api = client(data, url, token, token_file)
    api.call("POST", _path(tenant, name, "activate"), {"version": version})
    said = f"{name}: version {version} runs" if version else f"{name}: none runs"
    as_json({"name": name, "version": version}) if json else console.print(said)


@app.command()
@guarded
def delete(
    tenant: Tenant,
    name: Name,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Delete all versions of a name."""
    client(data, url, token, token_file).call("DELETE", _path(tenant, name))
    as_json({"deleted": name}) if json else console.print(f"{name} deleted")


@own.command("list")
@guarded
def own_listing(
    account: Address,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """List the scripts as they are now (version 0) and as they were before."""
    found = client(data, url, token, token_file).call("GET", _own_path(account))
    as_json(found) if json else table(found, OWN_COLUMNS, "There are no scripts.")


@own.command("show")
@guarded
def own_show(
    account: Address,
    name: OwnName,
    version: Annotated[int, typer.Option(help="0: as it is now.", min=0)] = 0,
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Show the text of a script, as it is or was."""
    found = client(data, url, token, token_file).call("GET", _own_path(account, name), version=version)
    as_json(found) if json else console.print(
        found["script"].rstrip(), markup=False, highlight=False, soft_wrap=True
    )


@own.command("restore")
@guarded
def own_restore(
    account: Address,
    name: OwnName,
    version: Annotated[int, typer.Argument(help="Which one.", min=1)],
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Put what a script was before in its place; what it is now stays as a version."""
    api = client(data, url, token, token_file)
    api.call("POST", _own_path(account, name, "restore"), {"version": version})
    said = {"name": name, "restored": version}
    as_json(said) if json else console.print(f"{name}: version {version} restored")


@trial.command("try")
@guarded
def dry_run(
    message: Annotated[Path, typer.Argument(help="A message.")],
    script: Annotated[
        Path | None, typer.Option(help="A script; none: those that run for the account.")
    ] = None,
    account: Annotated[str, typer.Option(help="Whose mailboxes there are.")] = "",
    sender: Annotated[str, typer.Option(help="The reverse-path.")] = "",
    recipient: Annotated[str, typer.Option(help="The address it came to.")] = "",
    data: Data = None,
    url: Url = None,
    token: Token = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Say what a script would do with a message, and which line causes it. Nothing is done."""
    asked = {
        "message": _read(message),
        "script": "" if script is None else _read(script),
        "account": account,
        "sender": sender,
        "recipient": recipient,
    }
    found = client(data, url, token, token_file).call("POST", "/v1/sieve/dry-run", asked)
    if json:
        as_json(found)
        return
    table(found["steps"], STEPS, "Nothing would be done.")
    if found["error"]:
        console.print(found["error"], markup=False)
