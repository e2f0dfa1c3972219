"""posthouse queue shape: list, set, delete."""

from typing import Annotated, Any

import typer

from posthouse.api import Api
from posthouse.commands.options import asking
from posthouse.commands.queue_options import duration
from posthouse.errors import Problem
from posthouse.output import as_json as print_json
from posthouse.output import console, table

app = typer.Typer(no_args_is_help=True, help="How much goes to a destination, and what its replies do.")
LIMITS = ("connections", "messages_a_connection", "messages_a_minute", "messages_an_hour")
Matches = Annotated[
    str, typer.Argument(help="domain:NAME, mx:NAME (all domains that these hosts serve), or '*'.")
]
Tenant = Annotated[str, typer.Option(help="This tenant's rule (name or id); without: the installation's.")]


@app.command("list")
@asking
def listing(api: Api, as_json: bool) -> None:
    """List the rules; the tenant's goes before the installation's, the narrower before the wider."""
    found = api.call("GET", "/v1/queue/shapes")["items"]
    if as_json:
        print_json(found)
        return
    rows = [
        each | {"reactions": "; ".join(_said(reaction) for reaction in each["reactions"])} for each in found
    ]
    table(rows, ("tenant", "matches", *LIMITS, "reactions"), "")


@app.command("set")
@asking
def set_shape(
    api: Api,
    as_json: bool,
    matches: Matches,
    tenant: Tenant = "",
    connections: Annotated[int, typer.Option(help="At once, over all processes; 0: any.", min=0)] = 0,
    messages_a_connection: Annotated[int, typer.Option(help="0: the setting's.", min=0)] = 0,
    messages_a_minute: Annotated[int, typer.Option(help="0: any.", min=0)] = 0,
    messages_an_hour: Annotated[int, typer.Option(help="0: any.", min=0)] = 0,
    back_off: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DURATION:PATTERN",
            help="A reply with this pattern makes a pause, twice as long each time: '5m:^421'.",
        ),
    ] = None,
    suspend: Annotated[
        list[str] | None,
        typer.Option(metavar="DURATION:PATTERN", help="A reply with this pattern stops mail for so long."),
    ] = None,
) -> None:
    """Set, or set anew, a rule. `posthouse queue suspensions` shows what replies have stopped; `resume` lifts it."""
    reactions = [
        *(_reaction("suspend", each) for each in suspend or ()),
        *(_reaction("back-off", each) for each in back_off or ()),
    ]
    limits = (connections, messages_a_connection, messages_a_minute, messages_an_hour)
    made = api.call(
        "PUT",
        "/v1/queue/shapes",
        {
            "tenant": tenant,
            "matches": matches,
            **dict(zip(LIMITS, limits, strict=True)),
            "reactions": reactions,
        },
    )
    print_json(made) if as_json else console.print(f"{made['matches']}: rule set", markup=False)


@app.command()
@asking
def delete(api: Api, as_json: bool, matches: Matches, tenant: Tenant = "") -> None:
    """Remove a rule; the next wider one holds then."""
    api.call("DELETE", "/v1/queue/shapes", matches=matches, tenant=tenant)
    print_json({"matches": matches}) if as_json else console.print(f"{matches}: rule removed", markup=False)


def _reaction(action: str, text: str) -> dict[str, Any]:
    """DURATION:PATTERN. Raises Problem."""
    lasting, colon, pattern = text.partition(":")
    if not (colon and pattern):
        raise Problem(f"{text!r} is not DURATION:PATTERN, such as '5m:^421'.")
    return {"pattern": pattern, "action": action, "seconds": duration(lasting).total_seconds()}


def _said(reaction: dict[str, Any]) -> str:
    return f"{reaction['action']} {reaction['seconds']:g} s: {reaction['pattern']}"
