"""posthouse queue: list, summary, show, audit, and what queue_changes.py and queue_pace.py add."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from posthouse.api import Api, named
from posthouse.commands import queue_changes, queue_pace, queue_shape
from posthouse.commands.options import asking
from posthouse.commands.queue_options import Wanted, filtered
from posthouse.output import as_json as print_json
from posthouse.output import console, table

app = typer.Typer(no_args_is_help=True, help="The queue of outgoing mail: see it and steer it.")
COLUMNS = (
    "queue_id",
    "tenant",
    "status",
    "attempts",
    "entered",
    "next attempt",
    "sender",
    "recipients",
    "last reply",
)
PAGE = 500


class Key(StrEnum):
    """What items may have in common."""

    DOMAIN = "domain"
    TENANT = "tenant"
    STATUS = "status"
    SENDER = "sender"
    REPLY = "reply"


@app.command("list")
@filtered
def listing(
    api: Api,
    as_json: bool,
    wanted: Wanted,
    limit: Annotated[int, typer.Option(help="At most so many; 0 for all.", min=0)] = 100,
) -> None:
    """List what waits, oldest first."""
    found: list[dict[str, Any]] = []
    page = ""
    while True:
        size = min(PAGE, limit - len(found)) if limit else PAGE
        answer = api.call("GET", "/v1/queue/items", page=page, size=str(size), **wanted.filter)
        found += answer["items"]
        page = answer["next_page"]
        if not page or (limit and len(found) >= limit):
            break
    if as_json:
        print_json(found)
        return
    table([_row(item) for item in found], COLUMNS, "Nothing waits.")
    if page:
        console.print(f"There are more; these are the oldest {len(found)} (--limit).")


@app.command()
@filtered
def summary(
    api: Api,
    as_json: bool,
    wanted: Wanted,
    by: Annotated[Key, typer.Option(help="What the items of a group have in common.")] = Key.DOMAIN,
    limit: Annotated[int, typer.Option(help="At most so many groups.", min=1, max=1000)] = 20,
) -> None:
    """Count what waits, by domain, tenant, status, sender or last reply; the largest groups first."""
    found = api.call("GET", "/v1/queue/summary", by=by.value, size=str(limit), **wanted.filter)
    if as_json:
        print_json(found)
        return
    rows = [
        each
        | {
            by.value: each["key"] or "<>",
            "oldest": _when(each["oldest_at"]),
            "next attempt": _when(each["next_attempt_at"] or ""),
        }
        for each in found
    ]
    table(rows, (by.value, "items", "held", "oldest", "next attempt"), "Nothing waits.")


@app.command()
@asking
def show(
    api: Api, as_json: bool, queue_id: Annotated[str, typer.Argument(help="The message's queue id.")]
) -> None:
    """Show one message: what waits of it, what is settled, every attempt."""
    found = api.call("GET", named("queue/messages", queue_id))
    if as_json:
        print_json(found)
        return
    for item in found["items"]:
        console.print(f"to {item['domain']}: {item['status']}", markup=False, style="bold")
        for name in (
            "tenant",
            "sender",
            "entered_at",
            "next_attempt_at",
            "expires_at",
            "hold_reason",
            "held_until",
            "release_at",
            "priority",
            "route",
        ):
            if item[name]:
                console.print(f"  {name.replace('_', ' ')}: {_when(str(item[name]))}", markup=False)
        for recipient in item["recipients"]:
            console.print(f"  {recipient['address']}: {recipient['last_reply']}", markup=False)
    if found["settled"]:
        table(
            [each | {"at": _when(each["settled_at"])} for each in found["settled"]],
            ("address", "outcome", "kind", "at", "host", "reply"),
            "",
        )
    table(
        [
            each
            | {
                "at": _when(each["started_at"]),
                "took": f"{each['duration_ms']} ms",
                "tls": each["tls"] or "no",
                "d/w/f": f"{each['delivered']}/{each['deferred']}/{each['failed']}",
            }
            for each in found["attempts"]
        ],
        ("at", "took", "domain", "host", "address", "tls", "d/w/f", "reply"),
        "It has not been tried yet.",
    )


@app.command()
@asking
def audit(
    api: Api,
    as_json: bool,
    tenant: Annotated[str, typer.Option(help="Only about this tenant (name or id).")] = "",
    limit: Annotated[int, typer.Option(help="At most so many.", min=1, max=1000)] = 100,
) -> None:
    """List who asked for what, newest first."""
    found = api.call("GET", "/v1/queue/audit", tenant=tenant, size=str(limit))["items"]
    if as_json:
        print_json(found)
        return
    rows = [
        each
        | {
            "when": _when(each["at"]),
            "who": f"{each['actor']} ({each['client_address']})",
            "which": ", ".join(f"{name}={value}" for name, value in each["filter"].items()) or "everything",
        }
        for each in found
    ]
    table(
        rows, ("when", "who", "action", "which", "reason", "changed", "skipped"), "Nothing was asked for yet."
    )


queue_changes.add_to(app)
queue_pace.add_to(app)
app.add_typer(queue_shape.app, name="shape")


def _row(item: dict[str, Any]) -> dict[str, Any]:
    return item | {
        "tenant": item["tenant"] or item["tenant_id"],
        "entered": _when(item["entered_at"]),
        "next attempt": _when(item["next_attempt_at"]) if item["status"] == "waiting" else "",
        "sender": item["sender"] or "<>",
        "recipients": [each["address"] for each in item["recipients"]],
        "last reply": item["hold_reason"] or _release(item) or item["last_reply"],
    }


def _release(item: dict[str, Any]) -> str:
    """Why it waits without having been tried, where its sender wants that."""
    return (
        f"to be released {_when(item['release_at'])}" if item["release_at"] and not item["attempts"] else ""
    )


def _when(text: str) -> str:
    """To the second: 2026-11-21 07:16:42."""
    return f"{text[:10]} {text[11:19]}" if text[10:11] == "T" else text
