"""posthouse quarantine: list, show, release, delete, learn."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from posthouse.api import Api
from posthouse.commands.options import asking
from posthouse.errors import Problem
from posthouse.output import as_json, console, table

app = typer.Typer(no_args_is_help=True, help="Messages that scanners keep from their recipients.")
COLUMNS = ("queue_id", "arrived_at", "sender", "recipients", "size_octets", "found")
Tenant = Annotated[str, typer.Argument(help="The tenant's name or id.")]
QueueId = Annotated[str, typer.Argument(help="The message's queue id.")]


def _path(tenant: str, *rest: str) -> str:
    return "/v1/quarantine/" + "/".join(quote(word, safe="") for word in (tenant, *rest))


@app.command("list")
@asking
def listing(api: Api, json: bool, tenant: Tenant) -> None:
    """List what is kept, newest first."""
    found = api.every(_path(tenant))
    if json:
        as_json(found)
        return
    rows = [
        each
        | {
            "sender": each["sender"] or "<>",
            "found": ", ".join(
                f"{finding['scanner']}: {finding['verdict']} {finding['detail']}".rstrip()
                for finding in each["findings"]
                if finding["verdict"] not in ("clean", "skipped")
            ),
        }
        for each in found
    ]
    table(rows, COLUMNS, "Nothing is kept.")


@app.command()
@asking
def show(api: Api, json: bool, tenant: Tenant, queue_id: QueueId) -> None:
    """Show what the scanners said of one message, and its header."""
    found = api.call("GET", _path(tenant, queue_id))
    if json:
        as_json(found)
        return
    for each in found["findings"]:
        console.print(f"{each['scanner']}: {each['verdict']} {each['detail']}".rstrip(), markup=False)
    # What a stranger wrote goes to a terminal: no control characters.
    text = "".join(sign for sign in found["header"] if sign.isprintable() or sign == "\n")
    console.print("\n" + text.strip(), markup=False, highlight=False, soft_wrap=True)


@app.command()
@asking
def release(api: Api, json: bool, tenant: Tenant, queue_id: QueueId) -> None:
    """Let a message reach its recipients after all."""
    api.call("POST", _path(tenant, queue_id, "release"))
    as_json({"released": queue_id}) if json else console.print(f"{queue_id} released")


@app.command()
@asking
def delete(api: Api, json: bool, tenant: Tenant, queue_id: QueueId) -> None:
    """Keep a message no longer; nobody gets it."""
    api.call("DELETE", _path(tenant, queue_id))
    as_json({"deleted": queue_id}) if json else console.print(f"{queue_id} deleted")


@app.command()
@asking
def learn(
    api: Api,
    json: bool,
    kind: Annotated[str, typer.Argument(help="spam or ham.")],
    file: Annotated[Path, typer.Argument(help="A message.")],
) -> None:
    """Let the spam scanner learn from a message."""
    if kind not in ("spam", "ham"):
        raise Problem("It is spam or ham.")
    try:
        message = file.read_bytes().decode("utf-8", "replace")
    except OSError as error:
        raise Problem(f"{file}: {error}") from error
    asked = {"message": message, "spam": kind == "spam"}
    found = api.call("POST", "/v1/quarantine/-/learn", asked)
    as_json(found) if json else console.print("learned" if found["learned"] else "nothing new to learn")
