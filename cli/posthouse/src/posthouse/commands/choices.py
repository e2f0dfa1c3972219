"""What tenants and accounts choose: `show` and `set NAME FIELD=VALUE ...` for both.

The fields are the admin API's: a new one needs nothing here.
"""

import json as js
from typing import Annotated, Any

import typer

from posthouse.api import Api, named
from posthouse.commands.options import asking
from posthouse.errors import Problem
from posthouse.output import as_json, table

FIELDS = typer.Argument(
    metavar="FIELD=VALUE...",
    help="What to choose, such as dmarc=reject; `show` lists the fields. FIELD= takes a choice back, FIELD=@FILE "
    "reads the value from a file, and a list's values stand between commas.",
)


def commands(collection: str, leaf: str, whose: str, example: str) -> typer.Typer:
    """`show` and `set` for /v1/<collection>/<name>/<leaf>."""
    app = typer.Typer(no_args_is_help=True, help=f"What {whose} chooses where it may choose.")
    name_argument = typer.Argument(help=f"Which one, e.g. {example}.")

    @app.command()
    @asking
    def show(api: Api, json: bool, name: Annotated[str, name_argument]) -> None:
        """Show every field and what was chosen."""
        path = f"{named(collection, name)}/{leaf}"
        _tell(api.call("GET", path), json)

    @app.command("set")
    @asking
    def choose(
        api: Api, json: bool, name: Annotated[str, name_argument], fields: Annotated[list[str], FIELDS]
    ) -> None:
        """Choose; fields that are not named stay as they are."""
        path = f"{named(collection, name)}/{leaf}"
        known = api.call("GET", path)
        _tell(api.call("PATCH", path, dict(_choice(field, known) for field in fields)), json)

    return app


def _choice(text: str, known: dict[str, Any]) -> tuple[str, Any]:
    """Raises Problem."""
    name, sign, value = text.partition("=")
    if not sign:
        raise Problem(f"{text!r} is not FIELD=VALUE.")
    if name not in known:
        raise Problem(f"there is no field {name}; there are: {', '.join(known)}.")
    if value.startswith("@") and isinstance(known[name], str):
        try:
            with open(value[1:], encoding="utf-8") as file:
                return name, file.read(1_000_000)
        except (OSError, UnicodeDecodeError) as error:
            raise Problem(f"{value[1:]} cannot be read: {error}") from error
    if isinstance(known[name], list):
        return name, [word.strip() for word in value.split(",") if word.strip()]
    if isinstance(known[name], str):
        # Where a word means "nothing chosen", the API says which.
        return name, value if value or name != "dmarc" else "default"
    if not value:
        return name, {bool: False, int: 0}.get(type(known[name]))
    try:
        return name, js.loads(value)
    except ValueError:
        return name, {"yes": True, "on": True, "no": False, "off": False}.get(value, value)


def _tell(choices: dict[str, Any], json: bool) -> None:
    if json:
        as_json(choices)
        return
    rows = [{"field": name, "value": _shown(value)} for name, value in choices.items()]
    table(rows, ("field", "value"), "")


def _shown(value: Any) -> str:
    if value is None or value in ("", [], 0) or value is False:
        return "-"
    if isinstance(value, list):
        return ", ".join(value)
    return str(value)
