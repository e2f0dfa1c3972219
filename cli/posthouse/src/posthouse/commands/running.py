"""posthouse up, down, status, logs."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from posthouse import first_start
from posthouse.api import DEFAULT_DATA
from posthouse.commands.options import Json
from posthouse.errors import Problem, Unreachable
from posthouse.output import as_json, console, errors, guarded, harmless
from posthouse.stack import probes
from posthouse.stack.layout import Layout
from posthouse.stack.ports import DEFAULT_BASE, Ports
from posthouse.supervisor import state

DataFolder = Annotated[Path, typer.Option("--data", help="Where everything of this installation lies.")]
PortBase = Annotated[
    int,
    typer.Option(
        "--port-base", help="All ports stand at fixed distances from it (SMTP is +525, IMAP +143 ...)."
    ),
]
Workers = Annotated[
    str, typer.Option("--workers", help="Processes a service: a number for all, or smtp-gateway=2,imap=3.")
]
START_SECONDS = 120.0
# In the environment of the process that runs on after --detach.
DETACHED = "POSTHOUSE_DETACHED"


@guarded
def up(
    data: DataFolder = DEFAULT_DATA,
    port_base: PortBase = DEFAULT_BASE,
    workers: Workers = "",
    detach: Annotated[
        bool, typer.Option("--detach", help="Come back when it runs; `posthouse down` ends it.")
    ] = False,
    scanner: Annotated[
        list[str] | None,
        typer.Option("--with", help="A scanner from its Debian package beside it: clamav or rspamd."),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of a service, e.g. --set MTA_QUEUE_SMTP_PORT=2525."),
    ] = None,
    json: Json = False,
) -> None:
    """Start the whole platform on this machine: PostgreSQL, NATS, S3 and every service."""
    # Only here: other commands need not load what it takes.
    from posthouse.stack.scanners import parse_scanners
    from posthouse.supervisor.services import parse_workers
    from posthouse.supervisor.supervisor import Supervisor, Wishes

    layout, ports = Layout(data.absolute()), Ports.at(port_base)
    counts = parse_workers(workers)
    scanners = parse_scanners(scanner or [])
    overrides = {}
    for item in setting or []:
        name, equals, value = item.partition("=")
        if not equals:
            raise Problem(f"--set wants NAME=VALUE, not {item!r}.")
        overrides[name] = value
    if detach:
        _detach(layout, errors if json else console)
        if json:
            as_json(_described(layout, ports))
        return
    domain = overrides.pop("POSTHOUSE_DEMO_DOMAIN", first_start.DOMAIN)
    started = time.monotonic()

    def after_start(ports: Ports) -> None:
        passwords = first_start.welcome(layout, ports, domain)
        if json:
            as_json(_described(layout, ports))
            sys.stdout.flush()
        else:
            _say_welcome(layout, ports, domain, passwords, time.monotonic() - started)

    # Progress is for people: where a script reads, it goes to standard error.
    shown = errors if json else console
    supervisor = Supervisor(
        Wishes(layout, ports, counts, overrides, scanners), lambda text: shown.print(text, markup=False)
    )
    asyncio.run(supervisor.run(after_start))


def _say_welcome(
    layout: Layout, ports: Ports, domain: str, passwords: dict[str, str], seconds: float
) -> None:
    def say(text: str) -> None:
        console.print(text, markup=False)

    say(f"\nPosthouse runs (started in {seconds:.1f} s), on 127.0.0.1:")
    say(f"  SMTP {ports.smtp}   submission {ports.submission} (STARTTLS), {ports.submissions} (TLS)")
    say(f"  IMAP {ports.imap}, {ports.imaps} (TLS)   POP3 {ports.pop3}, {ports.pop3s} (TLS)")
    lmtp = f"   LMTP {ports.lmtp}" if ports.lmtp else ""
    say(f"  ManageSieve {ports.managesieve}{lmtp}   admin API {ports.admin}")
    if passwords:
        say("\nThe first accounts (shown this once, and kept in credentials.txt in the data folder):")
        for address, password in passwords.items():
            say(f"  {address}   {password}")
    folder = layout.root
    shown = "" if folder == DEFAULT_DATA.absolute() else f" --data {folder}"
    say("\nTo try:")
    for hint in first_start.hints(ports, domain, shown):
        say(f"  {hint}")
    if DETACHED in os.environ:
        say(f"\n`posthouse down{shown}` ends it.")
    else:
        say(f"\nCtrl-C, or `posthouse down{shown}` elsewhere, ends it.")


def _described(layout: Layout, ports: Ports) -> dict[str, Any]:
    return {
        "data": str(layout.root),
        "ports": asdict(ports),
        "admin_url": f"http://127.0.0.1:{ports.admin}",
        "operator_token_file": str(layout.secrets / "operator-token"),
        "credentials_file": str(layout.credentials_file),
    }


def _detach(layout: Layout, shown_on: Console) -> None:
    layout.prepare()
    log = layout.logs / "up.log"
    words = [word for word in sys.argv[1:] if word not in ("--detach", "--json")]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "posthouse", *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", DETACHED: "1"},
        )
    shown = 0
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        time.sleep(0.1)
        text = log.read_text(encoding="utf-8", errors="replace")
        ended = process.poll() is not None
        new, shown = text[shown:], len(text)
        if ended:
            # The last thing it said is its problem; it goes where problems go.
            errors.print(new.rstrip(), markup=False)
            raise typer.Exit(process.returncode or 1)
        if new:
            shown_on.print(new.rstrip("\n"), markup=False)
        now = state.read(layout)
        if now is not None and now.pid == process.pid and now.phase == "running":
            return
    raise Problem(f"it did not start within {START_SECONDS:.0f} s; see {log}.")


@guarded
def down(data: DataFolder = DEFAULT_DATA, json: Json = False) -> None:
    """End the platform of a data folder: services drain, then the stores stop."""
    layout = Layout(data.absolute())
    running = state.read_running(layout)
    os.kill(running.pid, signal.SIGTERM)
    deadline = time.monotonic() + 60
    while running.is_alive(running.pid, running.started_at):
        if time.monotonic() > deadline:
            raise Problem(f"it did not end within 60 s (pid {running.pid}).")
        time.sleep(0.1)
    as_json({"stopped": str(layout.root)}) if json else console.print("stopped")


async def _look(running: state.State) -> list[dict[str, Any]]:
    async def one(process: state.ProcessState) -> dict[str, Any]:
        values = asdict(process)
        alive = bool(process.pid) and running.is_alive(process.pid, process.started_at)
        health = "running" if alive else "dead"
        if alive and process.status_port:
            try:
                await probes.http(process.status_port, "/readyz")
                health = "ready"
            except (OSError, TimeoutError) as error:
                health = f"unready: {error}"
        elif alive and process.port:
            try:
                await probes.tcp(process.port)
                health = "ready"
            except OSError as error:
                health = f"unready: {error}"
        values["health"] = health
        return values

    return list(await asyncio.gather(*(one(process) for process in running.processes)))


PORT_NAMES = {
    "smtp-gateway": ("smtp", "submission", "submissions"),
    "imap": ("imap", "imaps"),
    "pop3": ("pop3", "pop3s"),
    "managesieve": ("managesieve",),
    "admin-api": ("admin",),
    "directory": ("directory_grpc",),
}


def _picture(running: state.State, rows: list[dict[str, Any]]) -> Table:
    ports = Ports.at(running.port_base)
    picture = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("process", "pid", "up", "restarts", "ports", "metrics", "health"):
        picture.add_column(
            column, justify="right" if column in ("pid", "up", "restarts", "metrics") else "left"
        )
    for row in rows:
        names = PORT_NAMES.get(re.sub(r"-\d+$", "", row["name"]), ())
        shown = " ".join(str(getattr(ports, name)) for name in names) or str(row["port"] or "")
        seconds = max(0, int(time.time() - row["started_at"]))
        colour = "green" if row["health"] == "ready" else "red"
        picture.add_row(
            row["name"],
            str(row["pid"] or "-"),
            f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}",
            str(row["restarts"]),
            shown,
            str(row["status_port"] or ""),
            Text(harmless(row["health"]), colour),
        )
    return picture


@guarded
def status(
    data: DataFolder = DEFAULT_DATA,
    once: Annotated[bool, typer.Option("--once", help="Print the table once and end.")] = False,
    json: Json = False,
) -> None:
    """A live table of processes, ports and health. Exit code 1 (with --once or --json) when something is unwell."""
    layout = Layout(data.absolute())
    running = state.read_running(layout)
    rows = asyncio.run(_look(running))
    if json or once or not console.is_terminal:
        if json:
            as_json({"phase": running.phase, "port_base": running.port_base, "processes": rows})
        else:
            console.print(_picture(running, rows))
        if running.phase != "running" or any(row["health"] != "ready" for row in rows):
            raise typer.Exit(1)
        return
    with contextlib.suppress(KeyboardInterrupt), Live(_picture(running, rows), console=console) as live:
        while True:
            time.sleep(1)
            running = state.read_running(layout)
            live.update(_picture(running, asyncio.run(_look(running))))


@guarded
def logs(
    service: Annotated[str, typer.Argument(help="A service or store, e.g. imap or postgres; or up.")],
    data: DataFolder = DEFAULT_DATA,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines.", min=0)] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as lines come.")] = False,
    json: Json = False,
) -> None:
    """Show the log of one process."""
    layout = Layout(data.absolute())
    path = layout.logs / f"{service}.log"
    if "/" in service or not path.exists():
        there = sorted(each.stem for each in layout.logs.glob("*.log")) if layout.logs.exists() else []
        if not there:
            raise Unreachable(f"there are no logs in {layout.root}; was it ever started?")
        raise Problem(f"there is no log of {service}; there are {', '.join(there)}.")
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in deque(file, maxlen=lines):
            sys.stdout.write(_as_object(line) if json else harmless(line))
        with contextlib.suppress(KeyboardInterrupt):
            while follow:
                line = file.readline()
                if line:
                    sys.stdout.write(_as_object(line) if json else harmless(line))
                    sys.stdout.flush()
                else:
                    time.sleep(0.2)


def _as_object(line: str) -> str:
    """One JSON object a line; what a store or a traceback writes becomes its `event`."""
    if line.startswith("{"):
        return line
    return dumps({"event": line.rstrip("\n")}) + "\n"
