"""Which port is whose. All stand at fixed distances from the port base, so that installations can stand side by side."""

import socket
from dataclasses import dataclass, fields, replace

import psutil

from posthouse.errors import Problem

DEFAULT_BASE = 2000
# SeaweedFS adds 10,000 to its ports for gRPC.
HIGHEST_BASE = 54_000


# Doors that an installation can do without.
OPTIONAL = ("lmtp",)


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one installation."""

    base: int
    smtp: int
    lmtp: int
    submission: int
    submissions: int
    imap: int
    imaps: int
    pop3: int
    pop3s: int
    managesieve: int
    admin: int
    postgres: int
    nats: int
    nats_monitor: int
    s3: int
    weed_master: int
    weed_volume: int
    weed_filer: int
    weed_admin: int
    directory_grpc: int
    queue_grpc: int
    mda_grpc: int
    gateway_grpc: int
    clamd: int
    rspamd: int
    rspamd_control: int
    status: int

    @classmethod
    def at(cls, base: int) -> "Ports":
        """The ports for a port base. Raises Problem where it does not fit."""
        if not 1000 <= base <= HIGHEST_BASE:
            raise Problem(f"--port-base must lie between 1000 and {HIGHEST_BASE}, not {base}.")
        return cls(
            base=base,
            smtp=base + 525,
            lmtp=base + 24,
            submission=base + 587,
            submissions=base + 465,
            imap=base + 143,
            imaps=base + 993,
            pop3=base + 110,
            pop3s=base + 995,
            managesieve=base + 190,
            admin=base + 80,
            postgres=base + 432,
            nats=base + 422,
            nats_monitor=base + 423,
            s3=base + 833,
            weed_master=base + 834,
            weed_volume=base + 835,
            weed_filer=base + 836,
            weed_admin=base + 837,
            directory_grpc=base + 701,
            queue_grpc=base + 702,
            mda_grpc=base + 703,
            gateway_grpc=base + 704,
            clamd=base + 310,
            rspamd=base + 333,
            rspamd_control=base + 334,
            status=base + 600,
        )

    def by_name(self) -> dict[str, int]:
        """Every port that is listened on, SeaweedFS's gRPC ports included."""
        named = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("base", "status")}
        for name in ("s3", "weed_master", "weed_volume", "weed_filer", "weed_admin"):
            named[f"{name}_grpc"] = named[name] + 10_000
        return named

    def without_taken(self) -> "tuple[Ports, list[str]]":
        """These ports without the optional ones that somebody has (0: off), and a sentence for each of those."""
        taken = [name for name in OPTIONAL if getattr(self, name) and not _is_free(getattr(self, name))]
        said = [
            f"{name.upper()} is off: port {getattr(self, name)} is in use{holder(getattr(self, name))}"
            for name in taken
        ]
        return replace(self, **dict.fromkeys(taken, 0)), said

    def check_free(self, status_ports: int) -> None:
        """Raise Problem naming the first port that somebody has, and who."""
        named = self.by_name() | {f"status_{n}": self.status + n for n in range(status_ports)}
        for name, port in named.items():
            if port and not _is_free(port):
                raise Problem(
                    f"port {port} ({name.replace('_', ' ')}) is in use{holder(port)}; "
                    "stop that, or choose other ports with --port-base."
                )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def holder(port: int) -> str:
    """Who listens on a port, as far as that can be seen."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                if connection.pid is None:
                    return ""
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except (psutil.Error, OSError):
        pass
    return ""
