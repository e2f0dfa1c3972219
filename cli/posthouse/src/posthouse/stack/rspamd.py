"""rspamd from the Debian package of that name: says what looks like spam (`posthouse up --with rspamd`).

It learns from what users take for spam, in files of its own (SQLite). It asks nobody: what needs a blocklist, a web service or other people's DNS is
off, unless `--set RSPAMD_NETWORK=true` says otherwise. Its first start takes some eight seconds of
work, nearly all of it for the list of top-level domains; what it makes of it is
kept in the data folder. `--set RSPAMD_TOP_LEVEL_DOMAINS_FILE=...` is a shorter one.
"""

from pathlib import Path

from posthouse.stack import probes
from posthouse.stack.enclosure import enclosure
from posthouse.stack.layout import Layout
from posthouse.stack.part import Part
from posthouse.stack.ports import Ports
from posthouse.stack.programs import debian_program
from posthouse.stack.unprivileged import RunAs, choose

CONFIGURATION = "/etc/rspamd/rspamd.conf"
# Modules that ask others.
NETWORK = (
    *("rbl", "surbl", "fuzzy_check", "phishing", "asn", "mx_check", "url_redirector", "rspamd_update"),
    *("spf", "dkim", "dmarc", "arc", "dcc", "bimi", "external_services", "hfilter", "emails"),
    *("whitelist", "once_received"),
)
# Modules that make no sense when the message is accepted already, or that want a Redis.
LATE = (
    "greylist",
    "ratelimit",
    "milter_headers",
    "history_redis",
    "neural",
    "replies",
    "reputation",
    "dkim_signing",
)
MESSAGE_MEGABYTES = 128
# Of what is learned before there are so many of each kind nothing is said. A user's word is learned whatever it thinks.
LEAST_LEARNED = 20
STATISTICS = f"""backend = "sqlite3";
new_schema = false;
min_learns = {LEAST_LEARNED};
learn_condition = "return function(task, is_spam, unlearn) return true end";
cache {{{{ type = "sqlite3"; path = "{{folder}}/learned.sqlite"; }}}}
statfile {{{{ symbol = "BAYES_HAM"; path = "{{folder}}/ham.sqlite"; spam = false; }}}}
statfile {{{{ symbol = "BAYES_SPAM"; path = "{{folder}}/spam.sqlite"; spam = true; }}}}
"""


class Rspamd:
    """The spam scanner of one installation."""

    def __init__(
        self, layout: Layout, ports: Ports, *, network: bool = False, top_level_domains: Path | None = None
    ) -> None:
        """`top_level_domains`: a file to recognise addresses by, instead of the package's."""
        self._port = ports.rspamd
        self._control_port = ports.rspamd_control
        self._folder = layout.root / "rspamd"
        self._program = debian_program("rspamd", "rspamd", "rspamd")
        self._network = network
        self._top_level_domains = top_level_domains
        self._as: RunAs = choose(self._folder, users=("_rspamd", "nobody"))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def control(self) -> str:
        """host:port of its controller."""
        return f"127.0.0.1:{self._control_port}"

    def prepare(self) -> None:
        """Write the configuration: the package's, with our own local.d."""
        local = self._folder / "local.d"
        work = self._folder / "work"
        self._folder.mkdir(exist_ok=True, mode=0o711)
        local.mkdir(exist_ok=True, mode=0o755)
        work.mkdir(exist_ok=True, mode=0o700)
        self._as.own(work)
        off = LATE if self._network else (*NETWORK, *LATE)
        files = {f"{module}.conf": "enabled = false;\n" for module in off}
        # The package's, whatever an earlier start wrote.
        files |= {f"{module}.conf": "" for module in NETWORK if self._network}
        files |= {f"worker-{name}.inc": "enabled = false;\n" for name in ("proxy", "fuzzy")}
        # Learns for who is on this machine.
        files["worker-controller.inc"] = (
            f'bind_socket = "127.0.0.1:{self._control_port}";\ncount = 1;\nsecure_ip = "127.0.0.1";\n'
        )
        files["classifier-bayes.conf"] = STATISTICS.format(folder=work)
        files["worker-normal.inc"] = f'bind_socket = "127.0.0.1:{self._port}";\ncount = 1;\n'
        files["logging.inc"] = 'type = "console";\nlevel = "warning";\n'
        # Relative to the working folder: the path of a socket is at most 107 octets long.
        files["options.inc"] = (
            f'control_socket = "control.sock mode=0600";\ntempdir = "{work}";\nmax_message = {MESSAGE_MEGABYTES}M;\n'
            + (
                ""
                if self._network
                else 'dns { nameserver = ["127.0.0.1:9"]; timeout = 0.01; retransmits = 1; }\n'
            )
        )
        if self._top_level_domains is not None:
            files["options.inc"] += f'url_tld = "{self._top_level_domains}";\n'
        for name, text in files.items():
            (local / name).write_text(text, encoding="utf-8")

    def part(self) -> Part:
        """The daemon."""
        work = self._folder / "work"
        # Its workers would outlive it.
        fence = enclosure()
        argv = [
            *(self._program, "-f", "-c", CONFIGURATION, f"--var=LOCAL_CONFDIR={self._folder}"),
            *(f"--var={name}={work}" for name in ("DBDIR", "RUNDIR", "LOGDIR")),
        ]
        return Part(
            name="rspamd",
            argv=fence.wrap(self._as.wrap(argv)),
            folder=work,
            ready=self._ready,
            stop_signal=fence.stop_signal,
            ready_seconds=90.0,
            port=self._port,
        )

    async def _ready(self) -> None:
        await probes.http(self._port, "/ping")
