"""Our services as parts: what each is told, and how it is known to be ready."""

import os
import sys
from functools import partial

from posthouse.errors import Problem
from posthouse.stack import probes
from posthouse.stack.authority import Authority
from posthouse.stack.layout import Layout
from posthouse.stack.nats import Nats
from posthouse.stack.part import Part
from posthouse.stack.ports import Ports
from posthouse.stack.seaweed import BUCKET, Seaweed

# In the order in which they are started.
SERVICES = ("directory", "smtp-gateway", "mta-queue", "mda", "imap", "pop3", "managesieve", "admin-api")
# One process of these: they have a port that cannot be shared.
SINGLE = ("directory", "admin-api")
DRAIN_SECONDS = 5


def parse_workers(text: str) -> dict[str, int]:
    """`2` or `smtp-gateway=2,imap=3`. Raises Problem."""
    workers = dict.fromkeys(SERVICES, 1)
    if not text:
        return workers
    try:
        if "=" not in text:
            workers.update((name, int(text)) for name in SERVICES if name not in SINGLE)
        else:
            for item in text.split(","):
                name, _, count = item.partition("=")
                if name not in workers:
                    raise Problem(f"--workers: there is no service {name}; there are {', '.join(SERVICES)}.")
                workers[name] = int(count)
    except ValueError:
        raise Problem(f"--workers wants a number or SERVICE=NUMBER,..., not {text!r}.") from None
    for service, number in workers.items():
        if not 1 <= number <= 32 or (service in SINGLE and number != 1):
            raise Problem(
                f"--workers: {service} can have {'1' if service in SINGLE else '1 to 32'} processes, not {number}."
            )
    return workers


class Services:
    """Makes the parts of our services."""

    def __init__(
        self, layout: Layout, ports: Ports, nats: Nats, seaweed: Seaweed, overrides: dict[str, str]
    ) -> None:
        self._layout = layout
        self._authority = Authority(layout)
        self._ports = ports
        self._nats = nats
        self._seaweed = seaweed
        self._overrides = overrides

    def write_secrets(self) -> None:
        """Secrets that services read from files, and the certificates that say who they are."""
        self._authority.ensure(SERVICES)
        for name in (
            "s3-access-key",
            "s3-secret-key",
            "operator-token",
            "dkim-secret",
            "key-encryption-keys",
            "queue-secret",
            "srs-secret",
        ):
            self._layout.secret(name)

    def parts(self, workers: dict[str, int]) -> list[Part]:
        """A part for each process, in the order of starting."""
        made: list[Part] = []
        for name in SERVICES:
            for number in range(workers[name]):
                made.append(self._part(name, number, self._ports.status + len(made)))
        return made

    def _part(self, name: str, number: int, status_port: int) -> Part:
        prefix = name.upper().replace("-", "_")
        values = {
            "HTTP_PORT": status_port,
            "DRAIN_SECONDS": DRAIN_SECONDS,
            **self._identity(name),
            **getattr(self, "_" + name.replace("-", "_"))(),
        }
        if number > 0:
            # The operator's port is the first process's.
            values.pop("GRPC_PORT", None)
        environment = {f"{prefix}_{key}": str(value) for key, value in values.items()}
        environment.update(
            {key: value for key, value in self._overrides.items() if key.startswith(prefix + "_")}
        )
        return Part(
            name=name if number == 0 else f"{name}-{number + 1}",
            argv=[sys.executable, "-m", name.replace("-", "_")],
            environment={**self.inherited(), **environment},
            ready=partial(_ready, status_port),
            stop_seconds=DRAIN_SECONDS * 2 + 5.0,
            status_port=status_port,
        )

    @staticmethod
    def inherited() -> dict[str, str]:
        kept = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR")
        return {"PYTHONUNBUFFERED": "1", **{key: os.environ[key] for key in kept if key in os.environ}}

    # What each service needs, by its settings class.

    def _identity(self, name: str) -> dict[str, object]:
        certificate, key = self._authority.files(name)
        return {
            "IDENTITY_CERTIFICATE_FILE": certificate,
            "IDENTITY_KEY_FILE": key,
            "IDENTITY_AUTHORITY_FILE": self._authority.certificate_file,
        }

    def _bus(self, name: str) -> dict[str, object]:
        return {"NATS_URL": self._nats.url_for(name), "NATS_MONITOR_URL": self._nats.monitor_url}

    def _blobs(self) -> dict[str, object]:
        return {
            "S3_URL": self._seaweed.url,
            "S3_BUCKET": BUCKET,
            "S3_ACCESS_KEY_FILE": self._layout.secrets / "s3-access-key",
            "S3_SECRET_KEY_FILE": self._layout.secrets / "s3-secret-key",
        }

    def _database(self, name: str) -> dict[str, object]:
        return {"DATABASE_DSN_FILE": self._layout.secrets / f"dsn-{name}_app"}

    def _tls(self) -> dict[str, object]:
        return {
            "TLS_CERTIFICATE_FILE": self._layout.tls / "certificate.pem",
            "TLS_KEY_FILE": self._layout.tls / "key.pem",
        }

    def _asks_directory(self) -> dict[str, object]:
        return {"DIRECTORY_TARGET": f"127.0.0.1:{self._ports.directory_grpc}"}

    def _directory(self) -> dict[str, object]:
        return {
            **self._bus("directory"),
            **self._database("directory"),
            "GRPC_PORT": self._ports.directory_grpc,
            "DKIM_SECRET_FILE": self._layout.secrets / "dkim-secret",
            "KEY_ENCRYPTION_FILE": self._layout.secrets / "key-encryption-keys",
        }

    def _smtp_gateway(self) -> dict[str, object]:
        return {
            **self._bus("smtp-gateway"),
            **self._blobs(),
            **self._tls(),
            **self._asks_directory(),
            "HOST": "127.0.0.1",
            "MX_PORT": self._ports.smtp,
            "LMTP_PORT": self._ports.lmtp,
            "SUBMISSION_PORT": self._ports.submission,
            "SUBMISSIONS_PORT": self._ports.submissions,
            "SRS_SECRET_FILE": self._layout.secrets / "srs-secret",
            "HOSTNAME": "localhost",
            "ALLOW_PLAINTEXT_LOGIN": "loopback",
            "GRPC_PORT": self._ports.gateway_grpc,
            "MDA_TARGET": f"127.0.0.1:{self._ports.mda_grpc}",
            "QUEUE_TARGET": f"127.0.0.1:{self._ports.queue_grpc}",
        }

    def _mta_queue(self) -> dict[str, object]:
        return {
            **self._bus("mta-queue"),
            **self._blobs(),
            **self._database("queue"),
            **self._asks_directory(),
            "HOSTNAME": "localhost",
            "GRPC_PORT": self._ports.queue_grpc,
            "SECRET_FILE": self._layout.secrets / "queue-secret",
            "SRS_SECRET_FILE": self._layout.secrets / "srs-secret",
        }

    def _mda(self) -> dict[str, object]:
        return {
            **self._bus("mda"),
            **self._blobs(),
            **self._database("store"),
            **self._asks_directory(),
            "HOSTNAME": "localhost",
            "GRPC_PORT": self._ports.mda_grpc,
            "QUEUE_TARGET": f"127.0.0.1:{self._ports.queue_grpc}",
        }

    def _imap(self) -> dict[str, object]:
        return {
            **self._bus("imap"),
            **self._blobs(),
            **self._database("store"),
            **self._tls(),
            **self._asks_directory(),
            "HOST": "127.0.0.1",
            "PORT": self._ports.imap,
            "TLS_PORT": self._ports.imaps,
            "SIEVE_URL": f"sieve://localhost:{self._ports.managesieve}",
            "ALLOW_PLAINTEXT_LOGIN": "loopback",
        }

    def _managesieve(self) -> dict[str, object]:
        return {
            "NATS_URL": self._nats.url_for("managesieve"),
            **self._database("store"),
            **self._tls(),
            **self._asks_directory(),
            "HOST": "127.0.0.1",
            "PORT": self._ports.managesieve,
            "ALLOW_PLAINTEXT_LOGIN": "loopback",
        }

    def _pop3(self) -> dict[str, object]:
        return {
            **self._bus("pop3"),
            **self._blobs(),
            **self._database("store"),
            **self._tls(),
            **self._asks_directory(),
            "HOST": "127.0.0.1",
            "PORT": self._ports.pop3,
            "TLS_PORT": self._ports.pop3s,
            "ALLOW_PLAINTEXT_LOGIN": "loopback",
        }

    def _admin_api(self) -> dict[str, object]:
        return {
            **self._asks_directory(),
            "QUEUE_TARGET": f"127.0.0.1:{self._ports.queue_grpc}",
            "QUARANTINE_TARGET": f"127.0.0.1:{self._ports.mda_grpc}",
            "GATEWAY_TARGET": f"127.0.0.1:{self._ports.gateway_grpc}",
            "HOST": "127.0.0.1",
            "PORT": self._ports.admin,
            "TOKEN_FILE": self._layout.token_file,
        }


async def _ready(status_port: int) -> None:
    await probes.http(status_port, "/readyz")
