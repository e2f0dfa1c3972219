"""clamd from the Debian package clamav-daemon: looks for viruses (`posthouse up --with clamav`).

Signatures are freshclam's, in /var/lib/clamav. Where there are none yet, it runs
with one signature of our own, for the EICAR test file, and says so: a scanner
that finds nothing must not look like one that works.
"""

from pathlib import Path

from posthouse.stack import probes
from posthouse.stack.layout import Layout
from posthouse.stack.part import Part
from posthouse.stack.ports import Ports
from posthouse.stack.programs import debian_program
from posthouse.stack.unprivileged import RunAs, choose

FRESHCLAM = Path("/var/lib/clamav")
# The EICAR test file's octets, in hex: `name:any kind of file:anywhere:what`.
EICAR_SIGNATURE = (
    "Posthouse.Test.Eicar:0:*:"
    "58354f2150254041505b345c505a58353428505e2937434329377d2445494341522d5354414e444152442d414e54495649"
    "5255532d544553542d46494c452124482b482a\n"
)
# Larger than any message that is accepted.
STREAM_MEGABYTES = 128
# What unfolds to more is not looked through, and that is said (AlertExceedsMax). A single file above MaxFileSize
# would be cut off without a word: so no file may be as large as all together.
UNFOLDED_MEGABYTES = 400
# Bombs end here; the mda waits longer than this for an answer.
SCAN_SECONDS = 20


class Clamav:
    """The virus scanner of one installation."""

    def __init__(self, layout: Layout, ports: Ports, signatures: Path = FRESHCLAM) -> None:
        self._port = ports.clamd
        self._layout = layout
        self._folder = layout.root / "clamav"
        self._program = debian_program("clamd", "clamav-daemon", "clamav")
        self._signatures = signatures
        self._as: RunAs = choose(self._folder, users=("clamav", "nobody"))

    @property
    def address(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._port}"

    @property
    def has_signatures(self) -> bool:
        """Whether freshclam has been here."""
        return any(self._signatures.glob("*.c[vl]d"))

    def prepare(self) -> None:
        """Write the configuration, and our own signature where there is no other."""
        self._folder.mkdir(exist_ok=True, mode=0o711)
        work = self._folder / "work"
        work.mkdir(exist_ok=True, mode=0o700)
        self._as.own(work)
        signatures = self._signatures
        if not self.has_signatures:
            signatures = self._folder / "signatures"
            signatures.mkdir(exist_ok=True, mode=0o755)
            (signatures / "posthouse.ndb").write_text(EICAR_SIGNATURE, encoding="ascii")
        configuration = self._folder / "clamd.conf"
        configuration.write_text(
            f"""Foreground yes
TCPAddr 127.0.0.1
TCPSocket {self._port}
DatabaseDirectory {signatures}
TemporaryDirectory {work}
StreamMaxLength {STREAM_MEGABYTES}M
MaxScanSize {UNFOLDED_MEGABYTES}M
MaxFileSize {UNFOLDED_MEGABYTES + 1}M
MaxScanTime {SCAN_SECONDS * 1000}
MaxThreads 8
CommandReadTimeout 30
# What could not be looked through is not clean.
AlertExceedsMax yes
ExitOnOOM yes
""",
            encoding="utf-8",
        )

    def part(self) -> Part:
        """The daemon."""
        return Part(
            name="clamav",
            argv=self._as.wrap([self._program, "--config-file", str(self._folder / "clamd.conf")]),
            folder=Path("/"),
            ready=self._ready,
            # With all of freshclam's signatures.
            ready_seconds=90.0,
            port=self._port,
        )

    async def _ready(self) -> None:
        await probes.clamd(self._port)
