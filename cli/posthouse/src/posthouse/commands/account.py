"""posthouse account: create, import, list, show, password, role, suspend, restore, delete; app-password."""

import csv
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from posthouse.api import Api, named
from posthouse.commands import addresses, app_password, certificate, policy, script, second_factor
from posthouse.commands.options import asking
from posthouse.errors import Problem, Refused, Unreachable
from posthouse.output import as_json, console, errors, table
from posthouse.passwords import made_up

app = typer.Typer(no_args_is_help=True, help="Accounts: who has mailboxes and may log in.")
app.add_typer(app_password.app, name="app-password")
app.add_typer(addresses.address_app, name="address")
app.add_typer(certificate.account_app, name="certificate")
app.add_typer(second_factor.app, name="second-factor")
app.add_typer(addresses.delegate_app, name="delegate")
app.add_typer(addresses.deleted_app, name="deleted")
app.add_typer(policy.settings, name="settings")
app.add_typer(script.own, name="script")
COLUMNS = ("address", "display_name", "tenant", "roles", "suspended", "created_at")
Address = Annotated[str, typer.Argument(help="The account's address, e.g. carol@example.org.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input (its first line).")
]


def read_password(from_stdin: bool) -> str:
    """From standard input, or asked for on a terminal. Raises Problem."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
        if not password:
            raise Problem("standard input has no password on its first line.")
        return password
    if not sys.stdin.isatty():
        raise Problem("no password: give it with --password-stdin.")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


@app.command()
@asking
def create(
    api: Api,
    json: bool,
    address: Address,
    password_stdin: PasswordStdin = False,
    display_name: Annotated[str, typer.Option(help="A name for people.")] = "",
    even_if_confusable: addresses.Confusable = False,
) -> None:
    """Create an account; without --password-stdin its password is asked for."""
    body = {
        "address": address,
        "password": read_password(password_stdin),
        "display_name": display_name,
        "even_if_confusable": even_if_confusable,
    }
    made = api.call("POST", "/v1/accounts", body)
    as_json(made) if json else console.print(f"account {made['address']} created")


@app.command("import")
@asking
def import_(
    api: Api,
    json: bool,
    file: Annotated[
        Path, typer.Argument(help="CSV with the columns address, password (may be empty), display_name.")
    ],
) -> None:
    """Create the accounts of a CSV file. A row that is refused is named and does not stop the others.

    Where the password is empty a random one is made and printed.
    """
    report = Report()
    try:
        with file.open(encoding="utf-8-sig", newline="") as source:
            rows = csv.DictReader(source)
            if rows.fieldnames is None or "address" not in rows.fieldnames:
                raise Problem(f"{file} has no column `address` in its first line.")
            for row in rows:
                _import_row(api, row, rows.line_num, report)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        report.stopped = Problem(f"{file} cannot be read: {error}.")
    except Unreachable as error:
        report.stopped = error
    # Also where it stopped half-way: the passwords that were made up are nowhere else.
    report.show(json)
    if report.stopped is not None:
        raise report.stopped
    if report.refused:
        raise typer.Exit(1)


@dataclass
class Report:
    """What became of the rows of a file."""

    created: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    stopped: Problem | None = None

    def show(self, json: bool) -> None:
        if json:
            stopped = None if self.stopped is None else str(self.stopped)
            as_json({"created": self.created, "refused": self.refused, "stopped": stopped})
            return
        for each in self.created:
            if "password" in each:
                console.print(f"{each['address']} {each['password']}", markup=False)
        for each in self.refused:
            errors.print(f"line {each['line']}: {each['address']}: {each['reason']}", markup=False)
        if self.created or self.refused or self.stopped is None:
            console.print(f"{len(self.created)} created, {len(self.refused)} refused")


def _import_row(api: Api, row: dict[str, Any], line: int, report: Report) -> None:
    address = row["address"]
    made = not row.get("password")
    password = row.get("password") or made_up()
    try:
        # DictReader keeps what is too much under None: a comma in a password that is not quoted, most likely.
        if row.get(None) is not None:  # type: ignore[call-overload]
            raise Refused("there are more fields than columns; a field with a comma in it stands in quotes")
        body = {"address": address, "password": password, "display_name": row.get("display_name") or ""}
        api.call("POST", "/v1/accounts", body)
    except Refused as error:
        report.refused.append({"line": line, "address": address, "reason": str(error)})
    else:
        report.created.append({"address": address, **({"password": password} if made else {})})


@app.command("list")
@asking
def listing(
    api: Api,
    json: bool,
    tenant: Annotated[str, typer.Option(help="Only this tenant's.")] = "",
    domain: Annotated[str, typer.Option(help="Only this domain's.")] = "",
) -> None:
    """List accounts."""
    found = api.every("/v1/accounts", tenant=tenant, domain=domain)
    as_json(found) if json else table(found, COLUMNS, "There are no accounts.")


@app.command()
@asking
def show(api: Api, json: bool, address: Address) -> None:
    """Show one account."""
    found = api.call("GET", named("accounts", address))
    as_json(found) if json else table([found], (*COLUMNS, "account_id", "store"), "")


@app.command()
@asking
def password(api: Api, json: bool, address: Address, password_stdin: PasswordStdin = False) -> None:
    """Give an account a new password."""
    made = api.call("PATCH", named("accounts", address), {"password": read_password(password_stdin)})
    as_json(made) if json else console.print(f"account {made['address']} has a new password")


@app.command()
@asking
def role(
    api: Api,
    json: bool,
    address: Address,
    roles: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ROLE...]", help="administrator, auditor; none: it has no role."),
    ] = None,
) -> None:
    """Say which roles an account has in its tenant: all of them, for what is not named is taken away."""
    made = api.call("PATCH", named("accounts", address), {"roles": roles or []})
    text = ", ".join(made["roles"]) or "no role"
    as_json(made) if json else console.print(f"account {made['address']}: {text}")


@app.command()
@asking
def suspend(api: Api, json: bool, address: Address) -> None:
    """Stop an account's mail and logins."""
    made = api.call("PATCH", named("accounts", address), {"suspended": True})
    as_json(made) if json else console.print(f"account {made['address']} suspended")


@app.command()
@asking
def restore(
    api: Api,
    json: bool,
    address: Address,
    even_if_by_tenant: Annotated[
        bool, typer.Option(help="Also where its tenant has suspended it; for the operator.")
    ] = False,
) -> None:
    """Let a suspended account go on: neither operator nor tenant lifts what the other has suspended."""
    body = {"suspended": False} | ({"suspended_by_tenant": False} if even_if_by_tenant else {})
    made = api.call("PATCH", named("accounts", address), body)
    if json:
        as_json(made)
    elif made["suspended"]:
        who = "the operator" if made["suspended_by_operator"] else "its tenant"
        console.print(f"account {made['address']} is still suspended: by {who}")
    else:
        console.print(f"account {made['address']} restored")


@app.command()
@asking
def delete(api: Api, json: bool, address: Address) -> None:
    """Delete an account; `account deleted` can bring it back for some days."""
    api.call("DELETE", named("accounts", address))
    as_json({"deleted": address}) if json else console.print(f"account {address} deleted")
