"""posthouse ban list, add, lift."""

from typing import Annotated

import typer

from posthouse.api import Api
from posthouse.commands.options import asking
from posthouse.commands.queue_options import ahead
from posthouse.output import as_json, console, table

app = typer.Typer(no_args_is_help=True, help="Bans: whose connections are refused.")
COLUMNS = ("network", "made_by", "reason", "times", "since", "until")
Network = Annotated[str, typer.Argument(help="An address or a network, e.g. 192.0.2.0/24.")]


@app.command("list")
@asking
def list_bans(
    api: Api,
    json: bool,
    client_address: Annotated[str, typer.Option("--from", help="Only bans that this address lies in.")] = "",
) -> None:
    """List who is banned now, the latest first."""
    found = api.every("/v1/bans", client_address=client_address)
    as_json(found) if json else table(found, COLUMNS, "Nobody is banned.")


@app.command()
@asking
def add(
    api: Api,
    json: bool,
    network: Network,
    reason: Annotated[str, typer.Option(help="Why; it is shown in the list.")],
    lasting: Annotated[str, typer.Option("--for", help="It ends after so long, e.g. 2h; else never.")] = "",
) -> None:
    """Ban an address or a network from all doors."""
    body = {"network": network, "reason": reason, "until": ahead(lasting) if lasting else None}
    made = api.call("POST", "/v1/bans", body)
    as_json(made) if json else console.print(f"{made['network']} banned", markup=False)


@app.command()
@asking
def lift(api: Api, json: bool, network: Network) -> None:
    """Lift the bans of just this network, and forget what was held against it."""
    done = api.call("DELETE", "/v1/bans", network=network)
    as_json(done) if json else console.print(f"{done['lifted']} lifted")
