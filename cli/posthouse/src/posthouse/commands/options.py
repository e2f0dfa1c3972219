"""Options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

from posthouse import api

Data = Annotated[
    Path | None,
    typer.Option("--data", help="Data folder of the installation that is meant.", show_default=".posthouse"),
]
Url = Annotated[
    str | None, typer.Option("--url", help="An admin API elsewhere, e.g. https://admin.example.org.")
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        help="Its operator token (better: --token-file); with the variable POSTHOUSE_LOGIN, an account's address: an "
        "app password of the account with the scope admin.",
    ),
]
TokenFile = Annotated[Path | None, typer.Option("--token-file", help="A file that holds the token.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def client(data: Path | None, url: str | None, token: str | None, token_file: Path | None) -> api.Api:
    """The admin API that these options mean."""
    return api.Api(api.find(data, url, token, token_file))
