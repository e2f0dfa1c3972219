"""posthouse webhook: list, add, remove, dead, again."""

import json
from typing import Annotated, Any

import typer

from posthouse.api import Api
from posthouse.commands.options import asking
from posthouse.output import as_json as print_json
from posthouse.output import console, table

app = typer.Typer(no_args_is_help=True, help="Who is told over HTTPS what happens to a tenant's mail.")
Webhook = Annotated[str, typer.Argument(help="Its id, as `posthouse webhook list` shows it.")]
COLUMNS = ("webhook_id", "tenant", "url", "events", "waiting", "dead", "failures", "last_error")


@app.command("list")
@asking
def listing(
    api: Api, as_json: bool, tenant: Annotated[str, typer.Option(help="Only this tenant's.")] = ""
) -> None:
    """List webhooks, with how many events wait for each and were given up."""
    found = api.call("GET", "/v1/webhooks", tenant=tenant)["items"]
    if as_json:
        print_json(found)
        return
    rows = [each | {"events": ", ".join(each["events"]) or "all"} for each in found]
    table(rows, COLUMNS, "There are no webhooks.")


@app.command()
@asking
def add(
    api: Api,
    as_json: bool,
    target: Annotated[str, typer.Argument(metavar="URL", help="https://NAME/...")],
    tenant: Annotated[str, typer.Option(help="Whose mail (name or id).")],
    event: Annotated[list[str] | None, typer.Option(help="Only these events; without: all.")] = None,
) -> None:
    """Tell a URL from now on. The secret that requests are signed with is shown this once."""
    made = api.call("POST", "/v1/webhooks", {"tenant": tenant, "url": target, "events": event or []})
    if as_json:
        print_json(made)
        return
    console.print(f"webhook {made['webhook_id']}", markup=False)
    console.print(f"secret  {made['secret']}", markup=False)


@app.command()
@asking
def remove(api: Api, as_json: bool, webhook: Webhook) -> None:
    """Tell it nothing more; what waits for it is dropped."""
    api.call("DELETE", f"/v1/webhooks/{webhook}")
    print_json({"webhook_id": webhook}) if as_json else console.print(f"{webhook} removed", markup=False)


@app.command()
@asking
def dead(
    api: Api,
    as_json: bool,
    webhook: Webhook,
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=1000)] = 100,
) -> None:
    """List events that could not be told for three days; they are kept for two weeks."""
    found: list[dict[str, Any]] = api.call("GET", f"/v1/webhooks/{webhook}/dead", size=str(limit))["items"]
    if as_json:
        print_json(found)
        return
    rows = [each | {"event": json.dumps(each["event"], ensure_ascii=False)} for each in found]
    table(rows, ("dead_at", "attempts", "last_error", "event"), "Everything was told.")


@app.command()
@asking
def again(api: Api, as_json: bool, webhook: Webhook) -> None:
    """Tell everything again that was given up."""
    done = api.call("POST", f"/v1/webhooks/{webhook}/dead/again")
    print_json(done) if as_json else console.print(f"{done['events']} events are told again", markup=False)
