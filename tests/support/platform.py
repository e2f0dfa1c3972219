"""A whole installation for tests: `posthouse up` in a folder of its own on free ports.

It dies with the test process (PR_SET_PDEATHSIG), and its children with it.
"""

import contextlib
import ctypes
import fcntl
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import httpx
from posthouse.stack.layout import Layout
from posthouse.stack.ports import Ports
from posthouse.stack.seaweed import sockets
from posthouse.supervisor import state

PASSWORD = "a-test-password"
START_SECONDS = 90.0
_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    _libc.prctl(1, signal.SIGKILL)


# The ports of each base that is ours. Those of different bases overlap, and other processes of tests look for some too: a
# file that all have locks an octet for each port (POSIX locks: they end with the process, and closing it once ends them all).
_reserved: dict[int, list[int]] = {}
_octets: list[int] = []


def free_base() -> int:
    """A port base whose ports nobody has now, where no other user's killed SeaweedFS has left its sockets.

    No other process of tests gets them until `release_base` or our end: a store binds its ports a while after this look.
    """
    # Below the ports that the kernel gives to connections, those of SeaweedFS's gRPC (+10,000) included.
    bases = list(range(11_000, 21_800))
    random.SystemRandom().shuffle(bases)
    for base in bases:
        ports = Ports.at(base)
        needed = [*ports.by_name().values(), *range(ports.status, ports.status + 12)]
        if not _reserve(base, needed):
            continue
        if all(_is_free(port) for port in needed):
            try:
                for path in sockets(ports):
                    path.unlink(missing_ok=True)
            except PermissionError:
                pass
            else:
                return base
        release_base(base)
    raise RuntimeError("no port base is free")


def _reserve(base: int, ports: list[int]) -> bool:
    if not set(ports).isdisjoint(itertools.chain(*_reserved.values())):
        return False
    if not _octets:
        path = Path(tempfile.gettempdir()) / "posthouse-tests-ports.lock"
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))
            path.chmod(0o666)
        _octets.append(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    _reserved[base] = []
    for port in ports:
        try:
            fcntl.lockf(_octets[0], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
        except (BlockingIOError, PermissionError):
            release_base(base)
            return False
        _reserved[base].append(port)
    return True


def release_base(base: int) -> None:
    """Others may have it."""
    for port in _reserved.pop(base, ()):
        fcntl.lockf(_octets[0], fcntl.LOCK_UN, 1, port)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def open_to_others(folder: Path) -> None:
    """The parents of a data folder must let pass who runs PostgreSQL and the scanners."""
    for parent in (folder, *folder.parents):
        if parent.name.startswith(("pytest-", "popen-")) or parent == folder:
            with contextlib.suppress(OSError):
                parent.mkdir(exist_ok=True)
                parent.chmod(0o755)


@dataclass(frozen=True)
class Account:
    """Somebody who can log in."""

    address: str
    password: str


class Platform:
    """One installation."""

    def __init__(
        self,
        folder: Path,
        base: int,
        domain: str,
        settings: dict[str, str],
        workers: str,
        scanners: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.layout = Layout(folder)
        self.ports = Ports.at(base)
        self.domain = domain
        self._settings = settings
        self._workers = workers
        self._scanners = scanners
        self._process: subprocess.Popen[bytes] | None = None
        self._accounts: dict[str, Account] = {}

    @classmethod
    def start(
        cls,
        folder: Path,
        *,
        domain: str = "example.test",
        base: int | None = None,
        dns_server: str = "",
        relay_port: int = 0,
        settings: dict[str, str] | None = None,
        workers: str = "",
        scanners: Sequence[str] = (),
    ) -> "Platform":
        """Start one and wait until everything is ready. Raises RuntimeError with what it said."""
        values = {"POSTHOUSE_DEMO_DOMAIN": domain, "DIRECTORY_ARGON2_MEMORY_KIB": "1024", **(settings or {})}
        if dns_server:
            values["MTA_QUEUE_DNS_SERVERS"] = dns_server
        if relay_port:
            values["MTA_QUEUE_SMTP_PORT"] = str(relay_port)
        values.setdefault("MTA_QUEUE_ALLOW_PRIVATE_DESTINATIONS", "true")
        open_to_others(folder)
        platform = cls(folder, base or free_base(), domain, values, workers, scanners)
        platform.up()
        return platform

    def up(self) -> None:
        """Start it (again)."""
        command = [sys.executable, "-m", "posthouse", "up", "--data", str(self.folder)]
        command += ["--port-base", str(self.ports.base)]
        if self._workers:
            command += ["--workers", self._workers]
        for name in self._scanners:
            command += ["--with", name]
        for name, value in self._settings.items():
            command += ["--set", f"{name}={value}"]
        self.log = self.folder / "up.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"posthouse up ended: {self.log.read_text()[-2000:]}")
            now = state.read(self.layout)
            if now is not None and now.pid == self._process.pid and now.phase == "running":
                return
            time.sleep(0.05)
        raise RuntimeError(f"posthouse up did not finish: {self.log.read_text()[-2000:]}")

    @property
    def pid(self) -> int:
        """The supervisor's process id."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> "Platform":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        release_base(self.ports.base)

    def stop(self) -> None:
        """End it politely; kill what does not end."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._check_bus()

    def _check_bus(self) -> None:
        """A service that was refused a subject lacks a permission (`eventbus.permissions`). Raises RuntimeError."""
        refused: set[str] = set()
        for log in self.layout.logs.glob("nats.log*"):
            for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
                before, sign, subject = line.partition(" Violation - ")
                if sign:
                    refused.add(f"{before.rpartition(' ')[2]} {subject}")
        if refused:
            raise RuntimeError(f"the bus refused: {'; '.join(sorted(refused))}")

    def kill_all(self) -> None:
        """SIGKILL to the supervisor and to every process of it, at once."""
        assert self._process is not None
        running = state.read(self.layout)
        os.kill(self._process.pid, signal.SIGKILL)
        for each in running.processes if running is not None else []:
            with contextlib.suppress(OSError):
                if each.pid:
                    os.kill(each.pid, signal.SIGKILL)
        self._process.wait()

    # -- processes

    def process(self, name: str) -> state.ProcessState:
        """One process as the supervisor last saw it."""
        running = state.read(self.layout)
        assert running is not None
        return next(each for each in running.processes if each.name == name)

    def kill(self, name: str) -> None:
        """SIGKILL to one process; the supervisor starts it again."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            process = self.process(name)
            if process.pid and state.is_alive(process.pid, process.started_at):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
                    return
            time.sleep(0.02)
        raise RuntimeError(f"{name} does not run")

    @contextlib.contextmanager
    def held_down(self, name: str) -> Iterator[None]:
        """While inside, the process is killed again as often as it comes back."""
        done = threading.Event()

        def keep_killing() -> None:
            while not done.is_set():
                process = self.process(name)
                if process.pid and state.is_alive(process.pid, process.started_at):
                    with contextlib.suppress(OSError):
                        os.kill(process.pid, signal.SIGKILL)
                time.sleep(0.02)

        killer = threading.Thread(target=keep_killing, daemon=True)
        killer.start()
        time.sleep(0.5)
        try:
            yield
        finally:
            done.set()
            killer.join()

    def wait_ready(self, seconds: float = 90.0) -> None:
        """Until every process is ready. Raises RuntimeError naming those that are not."""
        deadline = time.monotonic() + seconds
        unwell: list[str] = []
        while time.monotonic() < deadline:
            done = subprocess.run(
                [sys.executable, "-m", "posthouse", "status", "--json", "--data", str(self.folder)],
                capture_output=True,
                text=True,
            )
            if done.returncode == 0:
                return
            with contextlib.suppress(ValueError):
                rows = json.loads(done.stdout)["processes"]
                unwell = [f"{row['name']}: {row['health']}" for row in rows if row["health"] != "ready"]
            time.sleep(0.2)
        raise RuntimeError(f"not ready after {seconds:g} s: {unwell}")

    # -- accounts

    def _api(self) -> httpx.Client:
        token = self.layout.token_file.read_text().strip()
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.ports.admin}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            trust_env=False,
        )

    def account(self, name: str) -> Account:
        """alice or bob, or an account that was created before."""
        if name not in self._accounts:
            for line in self.layout.credentials_file.read_text().splitlines():
                address, _, password = line.partition(" ")
                self._accounts[address.partition("@")[0]] = Account(address, password)
        return self._accounts[name]

    def choose(self, path: str, **fields: object) -> None:
        """What a tenant (tenants/NAME/policy) or an account (accounts/ADDRESS/settings) chooses."""
        with self._api() as api:
            api.patch(f"/v1/{path}", json=fields).raise_for_status()

    def create_dkim_keys(self, domain: str) -> list[dict[str, str]]:
        """Keys that sign for a domain, with the DNS records to publish."""
        with self._api() as api:
            made = api.post(f"/v1/domains/{domain}/dkim", json={})
            made.raise_for_status()
            return list(made.json()["items"])

    def create_domain(self, name: str) -> None:
        """A domain of the tenant demo."""
        with self._api() as api:
            api.post("/v1/domains", json={"name": name, "tenant": "demo"}).raise_for_status()

    def create_account(self, name: str, password: str = PASSWORD) -> Account:
        """An account by its address, or by its name in the first domain."""
        return self.create_accounts([name], password)[0]

    def create_accounts(self, names: list[str], password: str = PASSWORD) -> list[Account]:
        """Several."""
        made = []
        with self._api() as api:
            for name in names:
                address = name if "@" in name else f"{name}@{self.domain}"
                api.post("/v1/accounts", json={"address": address, "password": password}).raise_for_status()
                made.append(Account(address, password))
                self._accounts[name] = made[-1]
        return made
