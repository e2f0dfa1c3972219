"""The command `posthouse`."""

from importlib.metadata import version

import typer

from posthouse.commands import (
    account,
    alias,
    ban,
    doctor,
    domain,
    egress,
    keys,
    login,
    mailbox,
    mailing_list,
    quarantine,
    queue,
    reports,
    respool,
    route,
    running,
    script,
    send,
    sender,
    suppression,
    tenant,
    webhook,
)
from posthouse.output import console

HELP = """Posthouse: a multi-tenant mail platform.

`posthouse up` runs the whole of it on this machine. The other commands speak to the installation in
`.posthouse`, or in the folder that --data names, or to one elsewhere with --url and a token.

Exit codes: 0 done, 1 refused or not well, 2 used wrongly, 3 not reachable.
"""

app = typer.Typer(
    no_args_is_help=True,
    help=HELP,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(running.up)
app.command()(running.down)
app.command()(running.status)
app.command()(doctor.doctor)
app.command()(running.logs)
app.command()(send.send)
app.command()(respool.respool)
app.add_typer(tenant.app, name="tenant")
app.add_typer(keys.app, name="keys")
app.add_typer(domain.app, name="domain")
app.add_typer(account.app, name="account")
app.add_typer(alias.app, name="alias")
app.add_typer(login.app, name="login")
app.add_typer(mailbox.app, name="mailbox")
app.add_typer(mailing_list.app, name="list")
app.add_typer(ban.app, name="ban")
app.add_typer(sender.app, name="sender")
app.add_typer(queue.app, name="queue")
app.add_typer(route.app, name="route")
app.add_typer(egress.app, name="egress")
app.add_typer(reports.app, name="reports")
app.add_typer(suppression.app, name="suppression")
app.add_typer(webhook.app, name="webhook")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(script.trial, name="script")


def _show_version(asked: bool) -> None:
    if asked:
        console.print(f"posthouse {version('posthouse')}")
        raise typer.Exit


@app.callback()
def root(
    show_version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Say which version this is."
    ),
) -> None:
    """Options of the command itself."""


root.__doc__ = HELP


def main() -> None:
    """The console entry."""
    app(prog_name="posthouse")


if __name__ == "__main__":
    main()
