"""`make bench`: mail in and IMAP out, beside Postfix and Dovecot in the same run.

The two systems take turns (A B A B ...), so that both see the same machine;
both stay started. Medians are printed with their spread, and the ratio pair by
pair. Where Postfix and Dovecot are not installed, our figures stand alone.
Everything listens on loopback and is durable: 250 follows a sync.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench import imap, pop3_beside
from tests.bench.cpu import tree_seconds
from tests.bench.delivered import Watcher
from tests.bench.peer import MDBOX, Peer, missing
from tests.bench.peer_filter import PeerFilter
from tests.support.platform import Platform, free_base

USERS = 20
PASSWORD = "bench-password"


@dataclass
class System:
    """One of the two."""

    name: str
    smtp_port: int
    roots: list[int]
    watcher: Watcher


@dataclass
class Figures:
    accepted: float
    delivered: float
    cpu_ms: float


def measure(system: System, options: argparse.Namespace, size: int, count: int, tag: str) -> Figures:
    """One round of one system."""
    before = system.watcher.counts()
    cpu = tree_seconds(system.roots)
    started = time.perf_counter()
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.bench.load", "--port", str(system.smtp_port)),
            *("--users", str(USERS), "--count", str(count), "--size", str(size)),
            *("--sessions", str(options.sessions), "--per-connection", str(options.per_connection)),
            *("--tag", tag),
        ],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{system.name}: {done.stderr.strip().splitlines()[-1]}")
    load = json.loads(done.stdout)
    arrived = system.watcher.wait(before, count - int(load["refused"]), 300)
    time.sleep(0.3)
    # Both clocks start at the first connection: the generator's own start-up is taken off.
    seconds = max(load["seconds"], arrived - started - options.generator_start)
    return Figures(
        accepted=count / load["seconds"],
        delivered=count / seconds,
        cpu_ms=(tree_seconds(system.roots) - cpu) / count * 1000,
    )


def generator_start() -> float:
    """How long the generator takes to come up, to be taken off the delivered figure."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "tests.bench.load", "--help"], check=True, capture_output=True)
    return time.perf_counter() - started


def spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


def report(title: str, rounds: dict[str, list[Figures]]) -> None:
    """Medians, spread, and the median of the pairwise ratios."""
    print(f"\n{title}")
    print(f"  {'':22}{'accepted/s':>24}{'delivered/s':>24}{'CPU ms/message':>24}")
    for name, figures in rounds.items():
        print(
            f"  {name:22}{spread([f.accepted for f in figures], '.0f'):>24}"
            f"{spread([f.delivered for f in figures], '.0f'):>24}{spread([f.cpu_ms for f in figures], '.2f'):>24}"
        )
    if len(rounds) == 2:
        ours, peer = rounds.values()
        pairs = list(zip(ours, peer, strict=True))
        print(
            f"  {'ratio, median of pairs':22}{statistics.median([a.accepted / b.accepted for a, b in pairs]):>24.2f}"
            f"{statistics.median([a.delivered / b.delivered for a, b in pairs]):>24.2f}"
            f"{statistics.median([a.cpu_ms / b.cpu_ms for a, b in pairs]):>24.2f}"
        )


def mailboxes(
    platform: Platform,
    peers: dict[str, Peer],
    accounts: list[tuple[str, str]],
    options: argparse.Namespace,
) -> list[imap.Mailboxes]:
    """What the IMAP part measures; the peers by what they keep mailboxes in."""
    ports, many = platform.ports, options.imap_messages
    systems = [
        imap.Mailboxes(
            "Posthouse", ports.smtp, ports.imap, ports.imaps, [platform.pid], accounts, many, ports.pop3
        )
    ]
    for kind, peer in peers.items():
        systems.append(
            imap.Mailboxes(
                f"Dovecot ({kind})",
                peer.smtp_port,
                peer.imap_port,
                peer.imaps_port,
                peer.roots,
                accounts,
                many,
                peer.pop3_port,
            )
        )
    return systems


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--per-connection", type=int, default=1, help="messages a connection")
    parser.add_argument("--sizes", default="2048,65536")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--workers", default="", help="as for `posthouse up`")
    parser.add_argument("--rspamd", action="store_true", help="both ask rspamd, with the same rules")
    parser.add_argument("--parts", default="mail,imap,pop3", help="some of mail, imap, pop3")
    parser.add_argument("--imap-messages", type=int, default=5000)
    parser.add_argument("--imap-only", default="", help="only figures with this in their name")
    parser.add_argument(
        "--mdbox", action="store_true", help="IMAP and POP3 also beside a Dovecot that keeps mdbox"
    )
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    options.generator_start = generator_start()
    folder = Path(tempfile.mkdtemp(prefix="posthouse-bench-"))
    peers: dict[str, Peer] = {}
    print("starting Posthouse ...", flush=True)
    scanners = ("rspamd",) if options.rspamd else ()
    spam: PeerFilter | None = None
    with Platform.start(folder / "ours", workers=options.workers, scanners=scanners) as platform:
        try:
            platform.create_domain("bench.test")
            accounts = [(f"u{n:03d}@bench.test", PASSWORD) for n in range(USERS)]
            for login, password in accounts:
                platform.create_account(login, password)
            systems = [
                System(
                    "Posthouse", platform.ports.smtp, [platform.pid], Watcher(platform.ports.imap, accounts)
                )
            ]
            if reason := missing():
                print(f"without the peer: {reason}")
            else:
                print("starting Postfix and Dovecot ...", flush=True)
                folder.chmod(0o755)
                if options.rspamd:
                    spam = PeerFilter(folder / "peer-filter")
                    spam.start()
                peer = Peer(folder / "peer", free_base(), main_cf="" if spam is None else spam.main_cf)
                peers["Maildir"] = peer
                (folder / "peer").mkdir()
                peer.start(USERS, PASSWORD, platform.layout.tls)
                roots = peer.roots + ([spam.process.pid] if spam is not None and spam.process else [])
                if options.mdbox:
                    other = peers["mdbox"] = Peer(folder / "mdbox", free_base(), mail=MDBOX)
                    (folder / "mdbox").mkdir()
                    other.start(USERS, PASSWORD, platform.layout.tls)
                systems.append(
                    System("Postfix + Dovecot", peer.smtp_port, roots, Watcher(peer.imap_port, accounts))
                )
            written: dict[str, object] = {}
            parts = options.parts.split(",")
            for size in (int(text) for text in options.sizes.split(",") if "mail" in parts):
                rounds: dict[str, list[Figures]] = {system.name: [] for system in systems}
                for system in systems:
                    measure(system, options, size, max(100, options.count // 10), f"warm-{size}")
                for number in range(options.rounds):
                    for system in systems:
                        print(f"  {size} octets, round {number + 1}, {system.name} ...", flush=True)
                        rounds[system.name].append(
                            measure(system, options, size, options.count, f"r{number}-{size}")
                        )
                report(
                    f"{size} octets, {options.count} messages a round, {options.sessions} sessions, "
                    f"{options.per_connection} a connection",
                    rounds,
                )
                written[str(size)] = {name: [vars(f) for f in figures] for name, figures in rounds.items()}
            if "imap" in parts:
                written["imap"] = imap.compare(
                    mailboxes(platform, peers, accounts, options), options.rounds, options.imap_only
                )
            if "pop3" in parts:
                written["pop3"] = imap.compare(
                    mailboxes(platform, peers, accounts, options),
                    options.rounds,
                    options.imap_only,
                    pop3_beside.MEASURES,
                    pop3_beside.fill,
                )
            if options.json:
                options.json.write_text(json.dumps(written, indent=2))
        finally:
            for peer in peers.values():
                peer.stop()
            if spam is not None:
                spam.stop()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
