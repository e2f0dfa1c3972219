"""posthouse suppression: list, add, remove, show."""

from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote

import typer

from posthouse.api import Api
from posthouse.commands.options import asking
from posthouse.commands.queue_options import ahead
from posthouse.output import as_json as print_json
from posthouse.output import console, table

app = typer.Typer(no_args_is_help=True, help="Addresses that a tenant's mail goes to no more.")
Tenant = Annotated[str, typer.Option(help="Whose list (name or id).")]
Address = Annotated[str, typer.Argument(help="The recipient's address.")]
COLUMNS = ("address", "cause", "created_at", "expires_at", "detail")
PAGE = 500


class Cause(StrEnum):
    """Why."""

    HARD_BOUNCE = "hard-bounce"
    COMPLAINT = "complaint"
    MANUAL = "manual"


@app.command("list")
@asking
def listing(
    api: Api,
    as_json: bool,
    tenant: Tenant,
    cause: Annotated[Cause | None, typer.Option(help="Only these.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(help="At most so many; 0 for all.", min=0)] = 100,
) -> None:
    """List a tenant's suppressed addresses."""
    found: list[dict[str, Any]] = []
    page = ""
    while True:
        size = min(PAGE, limit - len(found)) if limit else PAGE
        answer = api.call(
            "GET",
            "/v1/suppressions",
            tenant=tenant,
            cause=cause.value if cause else "",
            size=str(size),
            page=page,
        )
        found += answer["items"]
        page = answer["next_page"]
        if not page or (limit and len(found) >= limit):
            break
    print_json(found) if as_json else table(found, COLUMNS, "No address is suppressed.")


@app.command()
@asking
def add(
    api: Api,
    as_json: bool,
    address: Address,
    tenant: Tenant,
    reason: Annotated[str, typer.Option(help="Why; it is shown to senders.")] = "",
    lasting: Annotated[str, typer.Option("--for", help="It ends by itself after so long, e.g. 90d.")] = "",
) -> None:
    """No more mail of the tenant to this address: it fails at once."""
    made = api.call(
        "POST",
        "/v1/suppressions",
        {
            "tenant": tenant,
            "address": address,
            "detail": reason,
            "expires_at": ahead(lasting) if lasting else None,
        },
    )
    print_json(made) if as_json else console.print(f"{made['address']} suppressed", markup=False)


@app.command()
@asking
def remove(api: Api, as_json: bool, address: Address, tenant: Tenant) -> None:
    """Mail goes there again."""
    api.call("DELETE", f"/v1/suppressions/{quote(address, safe='@')}", tenant=tenant)
    print_json({"address": address}) if as_json else console.print(f"{address} removed", markup=False)


@app.command()
@asking
def show(api: Api, as_json: bool, address: Address, tenant: Tenant) -> None:
    """Show why an address is on the list."""
    found = api.call("GET", f"/v1/suppressions/{quote(address, safe='@')}", tenant=tenant)
    print_json(found) if as_json else table([found], (*COLUMNS, "queue_id"), "")
