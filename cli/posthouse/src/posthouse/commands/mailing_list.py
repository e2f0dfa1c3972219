"""posthouse list: mailing lists and their members."""

from pathlib import Path
from typing import Annotated, Any

import typer

from posthouse.api import Api, named
from posthouse.commands.addresses import Confusable
from posthouse.commands.options import asking
from posthouse.errors import Problem
from posthouse.output import as_json, console, table

app = typer.Typer(no_args_is_help=True, help="Mailing lists: addresses whose mail goes to members.")
SUSPENDED = ("address", "bounce_days", "last_bounce")
COLUMNS = ("address", "name", "posting", "reply_to", "members", "owners")
AT_ONCE = 1000
Address = Annotated[str, typer.Argument(help="The list, e.g. news@example.org.")]
Members = Annotated[list[str], typer.Argument(help="Addresses, ours or of others.")]
Name = Annotated[str | None, typer.Option(help="As members see it.")]
Description = Annotated[str | None, typer.Option(help="What it is for.")]
Posting = Annotated[
    str | None, typer.Option(help="Whose mail goes out without being held: anyone, members, moderators.")
]
ReplyTo = Annotated[
    str | None, typer.Option(help="Where answers go: author, or list (breaks DKIM signatures of Reply-To).")
]
Owners = Annotated[list[str] | None, typer.Option("--owner", help="Gets what comes back; several times.")]
Subscribing = Annotated[
    str | None, typer.Option(help="open: whoever confirms it by mail becomes a member; closed.")
]
VisibleTo = Annotated[str | None, typer.Option(help="Whose EXPN is answered: owners, members, tenant.")]
BounceLimit = Annotated[
    int | None, typer.Option(help="Days on which mail to a member comes back before it gets none; 0: never.")
]
BounceAction = Annotated[str | None, typer.Option(help="What happens then: suspend, remove.")]
Moderators = Annotated[list[str] | None, typer.Option("--moderator", help="May post always; several times.")]


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None and value != []}


@app.command()
@asking
def create(
    api: Api,
    json: bool,
    address: Address,
    owner: Owners = None,
    moderator: Moderators = None,
    name: Name = None,
    description: Description = None,
    posting: Posting = None,
    reply_to: ReplyTo = None,
    subscribing: Subscribing = None,
    visible_to: VisibleTo = None,
    bounce_limit: BounceLimit = None,
    bounce_action: BounceAction = None,
    even_if_confusable: Confusable = False,
) -> None:
    """Create a list without members. Members alone may post, where nothing else is said."""
    body = _given(
        name=name,
        description=description,
        posting=posting,
        reply_to=reply_to,
        moderators=moderator,
        subscribing=subscribing,
        visible_to=visible_to,
        bounce_limit=bounce_limit,
        bounce_action=bounce_action,
    )
    made = api.call(
        "POST",
        "/v1/lists",
        {"address": address, "owners": owner or [], "even_if_confusable": even_if_confusable, **body},
    )
    as_json(made) if json else console.print(f"list {made['address']} created")


@app.command("list")
@asking
def listing(
    api: Api, json: bool, tenant: Annotated[str, typer.Option(help="Only this tenant's.")] = ""
) -> None:
    """List mailing lists."""
    found = api.every("/v1/lists", tenant=tenant)
    as_json(found) if json else table(found, COLUMNS, "There are no mailing lists.")


@app.command()
@asking
def show(api: Api, json: bool, address: Address) -> None:
    """Show a list's settings."""
    found = api.call("GET", named("lists", address))
    as_json(found) if json else table([found], COLUMNS, "")


@app.command("set")
@asking
def change(
    api: Api,
    json: bool,
    address: Address,
    owner: Owners = None,
    moderator: Moderators = None,
    no_moderators: Annotated[bool, typer.Option("--no-moderators", help="Take all of them away.")] = False,
    name: Name = None,
    description: Description = None,
    posting: Posting = None,
    reply_to: ReplyTo = None,
    subscribing: Subscribing = None,
    visible_to: VisibleTo = None,
    bounce_limit: BounceLimit = None,
    bounce_action: BounceAction = None,
) -> None:
    """Change what is given; owners and moderators take the place of those that there were."""
    body = _given(
        name=name,
        description=description,
        posting=posting,
        reply_to=reply_to,
        owners=owner,
        moderators=moderator,
        subscribing=subscribing,
        visible_to=visible_to,
        bounce_limit=bounce_limit,
        bounce_action=bounce_action,
    )
    if no_moderators:
        body["moderators"] = []
    done = api.call("PATCH", named("lists", address), body)
    as_json(done) if json else console.print(f"list {done['address']} changed")


@app.command()
@asking
def delete(api: Api, json: bool, address: Address) -> None:
    """Delete a list and its memberships."""
    api.call("DELETE", named("lists", address))
    as_json({"deleted": address}) if json else console.print(f"list {address} deleted")


@app.command()
@asking
def members(api: Api, json: bool, address: Address) -> None:
    """Show who is a member, one address a line."""
    found = api.every(f"{named('lists', address)}/members")
    if json:
        as_json(found)
    for each in [] if json else found:
        typer.echo(each)


@app.command()
@asking
def suspended(api: Api, json: bool, address: Address) -> None:
    """Show members that get no mail because it came back; `add` ends that."""
    found = api.every(f"{named('lists', address)}/suspended")
    as_json(found) if json else table(found, SUSPENDED, "Nobody is suspended.")


@app.command()
@asking
def add(api: Api, json: bool, address: Address, members: Members) -> None:
    """Add members."""
    done = api.call("POST", f"{named('lists', address)}/members", {"addresses": members})
    as_json(done) if json else console.print(f"{done['changed']} added")


@app.command()
@asking
def remove(api: Api, json: bool, address: Address, members: Members) -> None:
    """Remove members."""
    done = api.call("POST", f"{named('lists', address)}/members/remove", {"addresses": members})
    as_json(done) if json else console.print(f"{done['changed']} removed")


@app.command("import")
@asking
def bring(
    api: Api,
    json: bool,
    address: Address,
    file: Annotated[Path, typer.Argument(help="One address a line; what begins with # is passed over.")],
) -> None:
    """Add all of a file. Run it again where it broke off: who is a member stays one."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{file} cannot be read: {error}.") from error
    addresses = [line for line in lines if line and not line.startswith("#")]
    api, changed = api, 0
    for start in range(0, len(addresses), AT_ONCE):
        done = api.call(
            "POST",
            f"{named('lists', address)}/members",
            {"addresses": addresses[start : start + AT_ONCE]},
        )
        changed += done["changed"]
    as_json({"changed": changed}) if json else console.print(f"{changed} of {len(addresses)} added")
