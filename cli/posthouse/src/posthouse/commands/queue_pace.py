"""posthouse queue suspend, resume, suspensions, schedule, unschedule, schedules."""

from typing import Annotated, Any

import typer

from posthouse.api import Api
from posthouse.commands.options import asking
from posthouse.commands.queue_options import ahead, duration
from posthouse.errors import Problem
from posthouse.output import as_json as print_json
from posthouse.output import console, table

Tenant = Annotated[str, typer.Option(help="This tenant's mail (name or id).")]
Domain = Annotated[str, typer.Option(help="Mail to this domain.")]


@asking
def suspend(
    api: Api,
    as_json: bool,
    reason: Annotated[str, typer.Option(help="Why; it is shown and kept in the audit.")],
    tenant: Tenant = "",
    domain: Domain = "",
    lasting: Annotated[str, typer.Option("--for", help="It lifts itself after so long, e.g. 2h.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="All mail.")] = False,
) -> None:
    """Stop the mail of a tenant, to a domain, or of a tenant to a domain."""
    if everything == bool(tenant or domain):
        raise Problem("say --tenant, --domain, both, or --all.")
    made = api.call(
        "POST",
        "/v1/queue/suspensions",
        {
            "tenant": tenant,
            "domain": domain,
            "everything": everything,
            "reason": reason,
            "expires_at": ahead(lasting) if lasting else None,
        },
    )
    print_json(made) if as_json else console.print(f"{_what(made)} suspended", markup=False)


@asking
def resume(
    api: Api,
    as_json: bool,
    tenant: Tenant = "",
    domain: Domain = "",
    everything: Annotated[bool, typer.Option("--all", help="The suspension of all mail.")] = False,
) -> None:
    """Lift a suspension: the one of just this tenant and domain."""
    if everything == bool(tenant or domain):
        raise Problem("say --tenant, --domain, both, or --all.")
    api.call("DELETE", "/v1/queue/suspensions", tenant=tenant, domain=domain)
    what = {"tenant": tenant, "domain": domain}
    print_json(what) if as_json else console.print(f"{_what(what)} resumed", markup=False)


@asking
def suspensions(api: Api, as_json: bool) -> None:
    """List what is suspended now."""
    found = api.call("GET", "/v1/queue/suspensions")["items"]
    if as_json:
        print_json(found)
    else:
        rows = [each | {"what": _what(each)} for each in found]
        table(rows, ("what", "reason", "actor", "created_at", "expires_at"), "Nothing is suspended.")


@asking
def schedule(
    api: Api,
    as_json: bool,
    first: Annotated[str, typer.Option(help="The wait after the first attempt.")] = "5m",
    longest: Annotated[str, typer.Option(help="Waits double up to this.")] = "1h",
    expire: Annotated[str, typer.Option(help="Mail is given up after so long.")] = "5d",
    warn: Annotated[
        str, typer.Option(help="The sender is told of the delay after so long; 0: never.")
    ] = "4h",
    jitter: Annotated[float, typer.Option(help="A share of each wait, up and down.", min=0.0, max=0.5)] = 0.2,
    tenant: Tenant = "",
    domain: Domain = "",
) -> None:
    """Set how often a tenant's mail, or mail to a domain, is tried; without both, all mail."""
    made = api.call(
        "PUT",
        "/v1/queue/schedules",
        {
            "tenant": tenant,
            "domain": domain,
            "first_seconds": duration(first).total_seconds(),
            "longest_seconds": duration(longest).total_seconds(),
            "expire_seconds": duration(expire).total_seconds(),
            "warn_seconds": duration(warn).total_seconds(),
            "jitter": jitter,
        },
    )
    print_json(made) if as_json else console.print(f"{_what(made)}: schedule set", markup=False)


@asking
def unschedule(api: Api, as_json: bool, tenant: Tenant = "", domain: Domain = "") -> None:
    """Remove a schedule; the next wider one holds then."""
    api.call("DELETE", "/v1/queue/schedules", tenant=tenant, domain=domain)
    what = {"tenant": tenant, "domain": domain}
    print_json(what) if as_json else console.print(f"{_what(what)}: schedule removed", markup=False)


@asking
def schedules(api: Api, as_json: bool) -> None:
    """List how often mail is tried, in seconds; the nearest to tenant and domain counts."""
    found = api.call("GET", "/v1/queue/schedules")["items"]
    if as_json:
        print_json(found)
        return
    columns = ("what", "first_seconds", "longest_seconds", "expire_seconds", "jitter", "warn_seconds")
    table([each | {"what": _what(each)} for each in found], columns, "")


def _what(scope: dict[str, Any]) -> str:
    who = scope["tenant"] or scope.get("tenant_id", "")
    parts = [f"mail of {who}" if who else "mail", f"to {scope['domain']}" if scope["domain"] else ""]
    return " ".join(filter(None, parts)) if who or scope["domain"] else "all mail"


def add_to(app: typer.Typer) -> None:
    """Make them commands."""
    for command in (suspend, resume, suspensions, schedule, unschedule, schedules):
        app.command()(command)
