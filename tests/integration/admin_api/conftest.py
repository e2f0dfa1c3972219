"""The admin API and the directory as processes, on real PostgreSQL and NATS; both stay up for all tests here."""

import ctypes
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.dnsserver import free_port
from tests.support.engines import Engines

TOKEN = "the-operators-token-of-this-test"
PASSWORD = "right password"
_numbers = itertools.count(1)
_libc = ctypes.CDLL(None)


def _die_with_parent() -> None:
    _libc.prctl(1, signal.SIGKILL)


class Process:
    """One of our services, which can be killed and started again."""

    def __init__(self, module: str, folder: Path, environment: dict[str, str]) -> None:
        self._module = module
        self._log = folder / f"{module}.log"
        self._environment = {"PATH": os.environ["PATH"], **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                stdout=log,
                stderr=log,
                env=self._environment,
                preexec_fn=_die_with_parent,
            )

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> int:
        """Politely; its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(20)

    def wait(self) -> int:
        """Until it ends by itself; its exit code."""
        assert self._process is not None
        return self._process.wait(20)

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")


@dataclass
class Stage:
    """A running pair, and a client that has the token."""

    url: str
    directory_target: str
    client: httpx.Client
    directory: Process
    admin: Process

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        return self.client.request(method, path, json=body, params=query)

    def until(self, condition: Callable[[], bool]) -> None:
        """Processes start in their own time."""
        deadline = time.monotonic() + 20
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.directory.log()[-1000:]}\n{self.admin.log()[-1000:]}")
            time.sleep(0.02)

    def is_ready(self) -> bool:
        try:
            return bool(self.call("GET", "/v1/health").json()["status"] == "ready")
        except httpx.HTTPError:
            return False


@pytest.fixture(scope="session")
def stage(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("admin-api")
    (folder / "dsn").write_text(engines.dsn("directory", "app") + "\n")
    (folder / "token").write_text(TOKEN + "\n")
    (folder / "dkim-secret").write_text("a secret that keeps private keys\n")
    (folder / "keyring").write_text("a secret that wraps keys of tenants\n")
    grpc_port, port = free_port(), free_port()
    directory = Process(
        "directory",
        folder,
        {
            "DIRECTORY_GRPC_PORT": str(grpc_port),
            "DIRECTORY_NATS_URL": engines.nats.url,
            "DIRECTORY_DATABASE_DSN_FILE": str(folder / "dsn"),
            "DIRECTORY_DKIM_SECRET_FILE": str(folder / "dkim-secret"),
            "DIRECTORY_KEY_ENCRYPTION_FILE": str(folder / "keyring"),
            "DIRECTORY_ARGON2_MEMORY_KIB": "8",
            "DIRECTORY_ARGON2_PASSES": "1",
        },
    )
    admin = Process(
        "admin_api",
        folder,
        {
            "ADMIN_API_PORT": str(port),
            "ADMIN_API_TOKEN_FILE": str(folder / "token"),
            "ADMIN_API_DIRECTORY_TARGET": f"127.0.0.1:{grpc_port}",
            "ADMIN_API_REQUEST_OCTETS": "65536",
            "ADMIN_API_DRAIN_SECONDS": "2",
        },
    )
    url = f"http://127.0.0.1:{port}"
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with httpx.Client(base_url=url, headers=headers, timeout=20, trust_env=False) as client:
        stage = Stage(url, f"127.0.0.1:{grpc_port}", client, directory, admin)
        directory.start()
        admin.start()
        try:
            stage.until(stage.is_ready)
            yield stage
        finally:
            codes = admin.end(), directory.end()
    assert codes == (0, 0)


@pytest.fixture
def tenant(stage: Stage) -> str:
    """A tenant of the test's own, with the domain `<tenant>.example`."""
    name = f"tenant-{next(_numbers)}"
    assert stage.call("POST", "/v1/tenants", {"name": name}).status_code == 201
    body = {"name": f"{name}.example", "tenant": name}
    assert stage.call("POST", "/v1/domains", body).status_code == 201
    return name
