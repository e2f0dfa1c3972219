"""posthouse account certificate and posthouse tenant authority: add, list, delete."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from posthouse.api import Api, named
from posthouse.commands.options import asking
from posthouse.errors import Problem
from posthouse.output import as_json, console, table

COLUMNS = ("name", "subject", "expires_at", "fingerprint")


def commands(help_text: str, path: Callable[[str], str]) -> typer.Typer:
    """The same three, for what an account has and for what a tenant has."""
    app = typer.Typer(no_args_is_help=True, help=help_text)

    @app.command()
    @asking
    def add(
        api: Api,
        json: bool,
        owner: Annotated[str, typer.Argument(help="Whose: the account's address, or the tenant's name.")],
        name: Annotated[str, typer.Argument(help="What it is called, e.g. laptop.")],
        file: Annotated[Path, typer.Argument(help="The certificate in PEM.")],
    ) -> None:
        """Add a certificate."""
        try:
            pem = file.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise Problem(f"{file} cannot be read as PEM: {error}.") from error
        made = api.call("POST", path(owner), {"name": name, "certificate": pem})
        as_json(made) if json else console.print(f"certificate {made['fingerprint']} added")

    @app.command("list")
    @asking
    def listing(
        api: Api,
        json: bool,
        owner: Annotated[str, typer.Argument(help="Whose: the account's address, or the tenant's name.")],
    ) -> None:
        """List certificates."""
        found = api.every(path(owner))
        as_json(found) if json else table(found, COLUMNS, "There are none.")

    @app.command()
    @asking
    def delete(
        api: Api,
        json: bool,
        owner: Annotated[str, typer.Argument(help="Whose: the account's address, or the tenant's name.")],
        fingerprint: Annotated[str, typer.Argument(help="As `list` shows it.")],
    ) -> None:
        """Let it open nothing any more."""
        api.call("DELETE", f"{path(owner)}/{quote(fingerprint, safe='')}")
        as_json({"deleted": fingerprint}) if json else console.print(f"certificate {fingerprint} deleted")

    return app


account_app = commands(
    "Certificates that let somebody into an account.",
    lambda account: f"{named('accounts', account)}/certificates",
)
tenant_app = commands(
    "Authorities whose certificates say who a tenant's people are.",
    lambda tenant: f"{named('tenants', tenant)}/client-authorities",
)
