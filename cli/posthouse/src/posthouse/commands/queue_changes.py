"""posthouse queue hold, release, retry, bounce, delete, reroute, expire: by queue id or by filter, as jobs."""

import time
from typing import Annotated, Any

import typer

from posthouse.api import Api
from posthouse.commands.queue_options import Wanted, ahead, filtered
from posthouse.errors import Problem, Refused
from posthouse.output import as_json as print_json
from posthouse.output import console

POLL_SECONDS = 0.5
Ids = Annotated[
    list[str] | None, typer.Argument(help="Queue ids; or say which by options.", show_default=False)
]
Everything = Annotated[bool, typer.Option("--all", help="Everything that waits: no ids and no other filter.")]
Wait = Annotated[bool, typer.Option(help="Wait until all of it is done.")]
Reason = Annotated[str, typer.Option(help="Why; it is shown and kept in the audit.")]
DONE = {
    "hold": "held",
    "release": "released",
    "retry": "due now",
    "bounce": "bounced",
    "delete": "deleted",
    "reroute": "rerouted",
    "expire": "changed",
}


def change(
    api: Api,
    as_json: bool,
    wanted: Wanted,
    ids: list[str] | None,
    everything: bool,
    wait: bool,
    action: str,
    **values: Any,
) -> None:
    """Ask for it and tell what came of it. Raises Problem, Refused."""
    chosen = wanted.filter | ({"queue_ids": ids} if ids else {})
    if everything and chosen:
        raise Problem("--all stands alone: leave out the ids and filters, or --all.")
    if not (everything or chosen):
        raise Problem("say which: queue ids, a filter such as --domain, or --all.")
    order = {"action": action, "filter": chosen, "everything": everything, **values}
    job = api.call("POST", "/v1/queue/changes", order)
    while wait and job["status"] == "running":
        time.sleep(POLL_SECONDS)
        job = api.call("GET", f"/v1/queue/jobs/{job['job_id']}")
    if as_json:
        print_json(job)
    elif job["status"] == "running":
        console.print(f"{job['changed']} {DONE[action]} so far; job {job['job_id']} goes on")
    elif not ids or job["changed"] or job["skipped"]:
        rest = f", {job['skipped']} left as they are" if job["skipped"] else ""
        console.print(f"{job['changed']} {DONE[action]}{rest}")
    if job["status"] in ("failed", "cancelled"):
        raise Refused(f"the job was {job['status']}: {job['error'] or 'by somebody else'}.")
    if ids and job["status"] == "done" and not (job["changed"] or job["skipped"]):
        raise Refused(f"nothing waits of {', '.join(ids)}.")


@filtered
def hold(
    api: Api,
    as_json: bool,
    wanted: Wanted,
    ids: Ids = None,
    reason: Reason = "",
    lasting: Annotated[str, typer.Option("--for", help="It goes on by itself after so long, e.g. 2h.")] = "",
    everything: Everything = False,
    wait: Wait = True,
) -> None:
    """No attempts until it is released; what is held does not expire."""
    end = {"expires_at": ahead(lasting)} if lasting else {}
    change(api, as_json, wanted, ids, everything, wait, "hold", reason=reason, **end)


@filtered
def release(
    api: Api,
    as_json: bool,
    wanted: Wanted,
    ids: Ids = None,
    everything: Everything = False,
    wait: Wait = True,
) -> None:
    """Let what is held go on; send what waits for the moment that its sender set, and is not held."""
    change(api, as_json, wanted, ids, everything, wait, "release")


@filtered
def retry(
    api: Api,
    as_json: bool,
    wanted: Wanted,
    ids: Ids = None,
    everything: Everything = False,
    wait: Wait = True,
) -> None:
    """Make the next attempt now; what is held stays held."""
    change(api, as_json, wanted, ids, everything, wait, "retry")


@filtered
def bounce(
    api: Api,
    as_json: bool,
    wanted: Wanted,
    ids: Ids = None,
    reason: Reason = "",
    silent: Annotated[bool, typer.Option("--silent", help="The sender is not told.")] = False,
    everything: Everything = False,
    wait: Wait = True,
) -> None:
    """Give up, and tell the sender."""
    change(api, as_json, wanted, ids, everything, wait, "bounce", reason=reason, silent=silent)


@filtered
def delete(
    api: Api,
    as_json: bool,
    wanted: Wanted,
    ids: Ids = None,
    reason: Reason = "",
    everything: Everything = False,
    wait: Wait = True,
) -> None:
    """Forget it; nobody is told."""
    change(api, as_json, wanted, ids, everything, wait, "delete", reason=reason)


@filtered
def reroute(
    api: Api,
    as_json: bool,
    wanted: Wanted,
    ids: Ids = None,
    to: Annotated[
        str, typer.Option(help="host, host:port, address:port, [v6]:port; empty: the domain's MX again.")
    ] = "",
    everything: Everything = False,
    wait: Wait = True,
) -> None:
    """Send it to another host than the domain's MX."""
    change(api, as_json, wanted, ids, everything, wait, "reroute", route=to)


@filtered
def expire(
    api: Api,
    as_json: bool,
    wanted: Wanted,
    after: Annotated[str, typer.Option("--in", help="Give it up after so long from now, e.g. 2d.")],
    ids: Ids = None,
    everything: Everything = False,
    wait: Wait = True,
) -> None:
    """Change when it is given up."""
    change(api, as_json, wanted, ids, everything, wait, "expire", expires_at=ahead(after))


def add_to(app: typer.Typer) -> None:
    """Make them commands."""
    for command in (hold, release, retry, bounce, delete, reroute, expire):
        app.command()(command)
