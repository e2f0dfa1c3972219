"""posthouse tenant key: list, rotate, delete."""

from typing import Annotated

import typer

from posthouse.api import Api, named
from posthouse.commands.options import asking
from posthouse.output import as_json, console, table

app = typer.Typer(
    no_args_is_help=True,
    help="Keys that a tenant's bodies are encrypted with (posthouse tenant policy set NAME encrypt_bodies=true).",
)
COLUMNS = ("version", "encrypts", "wrapped_with", "created_at", "deleted_at")
Name = Annotated[str, typer.Argument(help="The tenant's name.")]


@app.command("list")
@asking
def listing(api: Api, json: bool, name: Name) -> None:
    """List a tenant's keys, the newest first."""
    found = api.every(f"{named('tenants', name)}/keys")
    as_json(found) if json else table(found, COLUMNS, "The tenant has no keys: nothing of it is encrypted.")


@app.command()
@asking
def rotate(api: Api, json: bool, name: Name) -> None:
    """Encrypt new bodies with a new key; the older keys still decrypt."""
    made = api.call("POST", f"{named('tenants', name)}/keys/rotate")
    as_json(made) if json else console.print(f"key {made['version']} of tenant {name} encrypts from now on")


@app.command()
@asking
def delete(
    api: Api,
    json: bool,
    name: Name,
    confirm: Annotated[
        str | None, typer.Option("--confirm", help="The tenant's name once more, in the place of a question.")
    ] = None,
) -> None:
    """Delete all keys of a tenant: what they encrypted is lost for ever, for everybody.

    Backups of the directory's database still hold the wrapped keys: `posthouse keys` says how those become worthless.
    """
    if confirm is None:
        confirm = typer.prompt(f"All encrypted mail of {name} will be lost. Type the tenant's name to go on")
    done = api.call("POST", f"{named('tenants', name)}/keys/delete", {"confirm_name": confirm})
    as_json(done) if json else console.print(f"{done['deleted']} keys of tenant {name} deleted")
