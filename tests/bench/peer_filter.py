"""The peer's spam filter: the same rspamd with the same rules as ours, asked by Postfix over the milter protocol."""

import os
import socket
import subprocess
import time
from pathlib import Path

from posthouse.stack.layout import Layout
from posthouse.stack.ports import Ports
from posthouse.stack.rspamd import Rspamd

from tests.support.platform import free_base

# It scans by itself what the milter protocol brings: one process, as ours has one that scans.
PROXY = """\
bind_socket = "127.0.0.1:{port}";
milter = yes;
count = 1;
upstream "local" {{
  default = yes;
  self_scan = yes;
}}
"""


class PeerFilter:
    """One rspamd, started by us and stopped by us."""

    def __init__(self, root: Path) -> None:
        self._layout = Layout(root)
        self._ports = Ports.at(free_base())
        self._rspamd = Rspamd(self._layout, self._ports)
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def main_cf(self) -> str:
        """What Postfix has to know of it."""
        return f"smtpd_milters = inet:127.0.0.1:{self._ports.rspamd}\nmilter_default_action = tempfail\n"

    def start(self) -> None:
        """Raises RuntimeError when it does not answer."""
        self._layout.root.mkdir()
        self._layout.root.chmod(0o755)
        self._rspamd.prepare()
        self.configure(self._layout.root / "rspamd" / "local.d")
        part = self._rspamd.part()
        self.process = subprocess.Popen(
            part.argv,
            cwd=part.folder,
            env={**os.environ, **part.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", self._ports.rspamd), 1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError("the peer's rspamd does not answer")

    def configure(self, local: Path) -> None:
        """What is put beside the configuration of ours."""
        (local / "worker-proxy.inc").write_text(PROXY.format(port=self._ports.rspamd))
        (local / "worker-normal.inc").write_text("enabled = false;\n")

    def stop(self) -> None:
        """End it."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
