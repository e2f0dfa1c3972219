"""posthouse respool: put back accepted mail that the bus has lost."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posthouse.api import DEFAULT_DATA
from posthouse.commands.options import Json
from posthouse.output import as_json, console, errors, guarded
from posthouse.stack.layout import Layout

if TYPE_CHECKING:
    from spool import Findings


@guarded
def respool(
    data: Annotated[Path, typer.Option("--data", help="Data folder of the installation.")] = DEFAULT_DATA,
    from_environment: Annotated[
        bool,
        typer.Option(
            "--from-environment",
            help="The stores are elsewhere: POSTHOUSE_NATS_URL, _S3_URL, _S3_BUCKET, _S3_ACCESS_KEY_FILE, "
            "_S3_SECRET_KEY_FILE, _STORE_DSN_FILE and _QUEUE_DSN_FILE say where; where tenants encrypt their mail also "
            "_DIRECTORY_TARGET and _IDENTITY_CERTIFICATE_FILE, _IDENTITY_KEY_FILE, _IDENTITY_AUTHORITY_FILE.",
        ),
    ] = False,
    hours: Annotated[
        float, typer.Option("--hours", help="How far back messages are looked for.", min=0.01)
    ] = 72.0,
    settled_for: Annotated[
        float,
        typer.Option("--settled-for", help="Leave alone what is younger than so many seconds.", min=0),
    ] = 120.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be put back, and change nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Put back accepted messages that nothing has settled and the bus no longer holds.

    Harmless where nothing is missing: what was delivered is not delivered again. Exit code 1 when a stored message
    could not be read.
    """
    # Only here: other commands need not load what it takes.
    from posthouse.respooling import put_back

    layout = None if from_environment else Layout(data.absolute())
    findings = put_back(layout, hours, settled_for, publish=not dry_run, quiet=json)
    if json:
        as_json({"dry_run": dry_run, **asdict(findings)})
    else:
        _say(findings, "would be put back" if dry_run else "put back")
    if findings.altered or findings.unreadable:
        raise typer.Exit(1)


def _say(findings: "Findings", what_was_done: str) -> None:
    console.print(f"{findings.records} messages in {findings.objects} objects:")
    for number, text in (
        (findings.settled, "settled"),
        (findings.on_the_bus, "on their way"),
        (findings.refused, "refused when they came"),
        (findings.put_back, what_was_done),
    ):
        console.print(f"  {number:>8} {text}")
    for queue_id in findings.altered:
        errors.print(
            f"posthouse: the message {queue_id} is not what was received; it was left alone.", markup=False
        )
    for key in findings.unreadable:
        errors.print(f"posthouse: the object {key} cannot be read.", markup=False)
