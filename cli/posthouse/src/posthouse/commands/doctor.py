"""posthouse doctor: is everything here that is needed, and is it well?"""

import asyncio
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from posthouse.api import DEFAULT_DATA
from posthouse.commands.options import Json
from posthouse.commands.running import _look
from posthouse.errors import Problem
from posthouse.output import as_json, console, guarded
from posthouse.stack import probes, programs
from posthouse.stack.layout import NEEDED_OCTETS, Layout
from posthouse.stack.ports import DEFAULT_BASE, Ports
from posthouse.supervisor import state


@guarded
def doctor(
    data: Annotated[Path, typer.Option("--data", help="Data folder of the installation.")] = DEFAULT_DATA,
    port_base: Annotated[
        int, typer.Option("--port-base", help="Looked at where nothing runs yet.")
    ] = DEFAULT_BASE,
    json: Json = False,
) -> None:
    """Check programs, disk, ports, durability and services. Exit code 1 when something is not well."""
    layout = Layout(data.absolute())
    findings: list[dict[str, Any]] = []

    def check(name: str, look: Callable[[], str]) -> None:
        try:
            findings.append({"check": name, "ok": True, "detail": look()})
        except Problem as error:
            findings.append({"check": name, "ok": False, "detail": str(error)})

    check("python", lambda: sys.version.split()[0])
    for name, argv in programs.PROGRAMS.items():
        check(name, lambda argv=argv: programs.version_of(argv()))  # type: ignore[misc]
    check("disk", lambda: _disk(layout))
    running = state.read(layout)
    if running is not None and running.is_alive(running.pid, running.started_at):
        check("installation", lambda: f"{running.phase} in {layout.root} (pid {running.pid})")
        ports = Ports.at(running.port_base)
        check("postgres durability", lambda: asyncio.run(_postgres(layout, ports)))
        check("nats durability", lambda: asyncio.run(_nats(ports)))
        for row in asyncio.run(_look(running)):
            check(row["name"], lambda row=row: _health(row))  # type: ignore[misc]
    else:
        check("installation", lambda: f"nothing runs in {layout.root}")
        check("ports", lambda: _ports(port_base))
    if json:
        as_json(findings)
    else:
        for finding in findings:
            mark = Text("ok  ", "green") if finding["ok"] else Text("BAD ", "red")
            console.print(mark, f"{finding['check']}: {finding['detail']}")
    if not all(finding["ok"] for finding in findings):
        raise typer.Exit(1)


def _disk(layout: Layout) -> str:
    folder = layout.root
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < NEEDED_OCTETS:
        raise Problem(f"only {free >> 20} MiB are free on the disk of {layout.root}")
    return f"{free >> 30} GiB free"


def _ports(base: int) -> str:
    ports, off = Ports.at(base).without_taken()
    ports.check_free(8)
    return "; ".join((f"free at port base {base}", *off))


def _health(row: dict[str, Any]) -> str:
    if row["health"] != "ready":
        raise Problem(f"{row['health']} {row['problem']}".strip())
    return (
        "ready" if not row["restarts"] else f"ready ({row['restarts']} restarts; the last: {row['problem']})"
    )


async def _postgres(layout: Layout, ports: Ports) -> str:
    import asyncpg

    try:
        dsn = (layout.secrets / "dsn-store_app").read_text(encoding="utf-8").strip()
        connection = await asyncpg.connect(dsn, timeout=3)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise Problem(f"PostgreSQL on port {ports.postgres} does not answer: {error}") from error
    try:
        weak = [
            name
            for name in ("fsync", "full_page_writes", "synchronous_commit")
            if await connection.fetchval("SELECT current_setting($1)", name) == "off"
        ]
    finally:
        await connection.close()
    if weak:
        raise Problem(f"{', '.join(weak)} is off: a committed message could be lost")
    return "fsync, full_page_writes and synchronous_commit are on"


async def _nats(ports: Ports) -> str:
    try:
        said = await probes.http(ports.nats_monitor, "/varz")
    except (OSError, TimeoutError) as error:
        raise Problem(f"NATS does not answer: {error}") from error
    if b'"sync_always": true' not in said:
        raise Problem("JetStream acknowledges before it has synced; set `sync_interval: always`")
    return "JetStream syncs before it acknowledges"
