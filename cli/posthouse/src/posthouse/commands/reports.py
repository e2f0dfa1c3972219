"""posthouse reports: tls, dmarc, sent."""

from typing import Annotated, Any

import typer

from posthouse.api import Api
from posthouse.commands.options import asking
from posthouse.commands.queue_options import ago
from posthouse.output import as_json as print_json
from posthouse.output import table

app = typer.Typer(no_args_is_help=True, help="What other systems report of us, and we of them.")
COLUMNS = ("begin_at", "domain", "organization", "passed", "failed", "figures")
SENT_COLUMNS = ("day", "kind", "domain", "sent_to", "problem")
Tenant = Annotated[str, typer.Option(help="Only about this tenant's domains (name or id).")]
Domain = Annotated[str, typer.Option(help="Only about this domain.")]
Since = Annotated[str, typer.Option(help="Only about the time since so long ago, e.g. 7d.")]


@app.command()
@asking
def tls(api: Api, as_json: bool, tenant: Tenant = "", domain: Domain = "", since: Since = "30d") -> None:
    """Sessions with TLS that others had with our hosts (TLSRPT)."""
    _show(api, as_json, "/v1/reports/tls", ("result", "host", "sessions"), tenant, domain, since)


@app.command()
@asking
def dmarc(api: Api, as_json: bool, tenant: Tenant = "", domain: Domain = "", since: Since = "30d") -> None:
    """Messages in the name of our domains that others saw (DMARC aggregate reports)."""
    names = ("source_address", "disposition", "messages")
    _show(api, as_json, "/v1/reports/dmarc", names, tenant, domain, since)


@app.command()
@asking
def sent(api: Api, as_json: bool, since: Since = "30d") -> None:
    """Our own reports to other domains, and why some were not sent."""
    found = api.call("GET", "/v1/reports/sent", since=ago(since), size="1000")["items"]
    print_json(found) if as_json else table(found, SENT_COLUMNS, "No reports were made.")


def _show(
    api: Api, as_json: bool, path: str, names: tuple[str, ...], tenant: str, domain: str, since: str
) -> None:
    found: list[dict[str, Any]] = api.call(
        "GET", path, tenant=tenant, domain=domain, since=ago(since), size="1000"
    )["items"]
    if as_json:
        print_json(found)
        return
    rows = [
        each | {"figures": [" ".join(str(row[name]) for name in names) for row in each["figures"][:3]]}
        for each in found
    ]
    table(rows, COLUMNS, "No reports have come.")
