"""`python -m tests.bench.door`: the front door alone beside Postfix's, in turns, durable, on loopback.

Nothing is delivered meanwhile: Postfix holds what it accepts (so its figure is smtpd and cleanup alone, without the queue
manager), and our mda is stopped. CPU of a message: ours is smtp-gateway, NATS, SeaweedFS, the directory and all of PostgreSQL
(SeaweedFS keeps there what it knows of objects) together, theirs the whole tree of Postfix; the line below says who has
which share of it. Then the memory of idle connections, and how long good clients wait beside a crowd that says nothing.
With `--checking` the mail is signed and both check who is speaking: we as ever, Postfix by rspamd (`tests.bench.peer_checks`).
`--only "20 sessions, reused" --idle 0 --crowd 0 --rounds 1` is one kind of load, quickly.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.bench.cpu import tree_octets, tree_seconds
from tests.bench.peer import Peer, missing
from tests.bench.peer_checks import PeerChecks, Published
from tests.support.platform import Platform, free_base

USERS = 20
PASSWORD = "bench-password"
DOOR = ("smtp-gateway", "nats", "seaweedfs", "directory", "postgres")
HOLD = "smtpd_client_restrictions = check_client_access static:HOLD\n"


@dataclass(frozen=True)
class Figures:
    """Of one run: accepted messages a second, and each part's CPU milliseconds of one."""

    rate: float
    shares: dict[str, float]

    @property
    def cost(self) -> float:
        return sum(self.shares.values())


class Door:
    """One of the two; `parts` are the process ids whose trees it consists of, by name."""

    def __init__(self, name: str, port: int, parts: dict[str, int], key_file: str) -> None:
        """`key_file`: what signs the mail that is sent here; "": nothing."""
        self.name = name
        self.port = port
        self.parts = parts
        self._key_file = key_file

    def load(self, size: int, count: int, sessions: int, each: int, tag: str) -> Figures:
        """Send `count` messages, `each` in a connection."""
        before = {name: tree_seconds([pid]) for name, pid in self.parts.items()}
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.bench.load", "--port", str(self.port), "--users", str(USERS)),
                *("--count", str(count), "--size", str(size), "--sessions", str(sessions)),
                *("--per-connection", str(each), "--tag", tag, "--key", self._key_file),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        told = json.loads(done.stdout)
        assert not told["refused"], told
        shares = {
            name: (tree_seconds([pid]) - before[name]) / count * 1000 for name, pid in self.parts.items()
        }
        return Figures(count / told["seconds"], shares)

    def idle(self, connections: int) -> float:
        """KiB of one idle connection, greeted."""
        before = tree_octets(list(self.parts.values()))
        opened = []
        try:
            for _ in range(connections):
                each = socket.create_connection(("127.0.0.1", self.port), timeout=30)
                opened.append(each)
                each.recv(200)
                each.sendall(b"EHLO bench.test\r\n")
                each.recv(1000)
            return (tree_octets(list(self.parts.values())) - before) / connections / 1024
        finally:
            for each in opened:
                each.close()


async def crowd(port: int, clients: int, good: int) -> list[float]:
    """Seconds of each good transaction while the crowd sends an octet now and then."""
    held: list[asyncio.StreamWriter] = []
    for _ in range(clients):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readline()
        held.append(writer)

    async def dribble() -> None:
        while True:
            for writer in held:
                writer.write(b"N")
            await asyncio.sleep(5)

    task = asyncio.create_task(dribble())
    took = []
    for number in range(good):
        started = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"EHLO good.test\r\n")
        while not (await reader.readline()).startswith(b"250 "):
            pass
        writer.write(
            b"MAIL FROM:<good@peer.test>\r\nRCPT TO:<u%03d@bench.test>\r\nDATA\r\n" % (number % USERS)
        )
        for _ in range(3):
            await reader.readline()
        writer.write(b"From: good@peer.test\r\nSubject: good\r\n\r\nx\r\n.\r\n")
        assert (await reader.readline()).startswith(b"250 ")
        took.append(time.perf_counter() - started)
        writer.close()
    task.cancel()
    for writer in held:
        writer.transport.abort()
    return sorted(took)


def beside(doors: list[Door], options: argparse.Namespace) -> None:
    """Print the kinds of load with all words of `--only` in their names."""
    print(f"{'':34}" + "".join(f"{door.name:>26}" for door in doors) + f"{'ratio':>14}")
    for size in map(int, filter(None, options.sizes.split(","))):
        for sessions, each in ((1, 1), (1, 100), (20, 1), (20, 100)):
            kind = f"{size} octets, {sessions} sessions, {'new' if each == 1 else 'reused'}"
            if options.only not in kind:
                continue
            count = options.count if sessions > 1 else options.count // 4
            rounds: list[list[Figures]] = [[] for _ in doors]
            for number in range(options.rounds + 1):
                for door, figures in zip(doors, rounds, strict=True):
                    figures.append(
                        door.load(size, count, sessions, each, f"{size}-{sessions}-{each}-{number}")
                    )
            # The first one warms up.
            told = [
                (_median([f.rate for f in some[1:]]), _median([f.cost for f in some[1:]])) for some in rounds
            ]
            words = "".join(f"{rate:12.0f}/s {cost:8.3f} ms" for rate, cost in told)
            ratio = " ".join(f"{ours / theirs:6.2f}" for ours, theirs in zip(*told, strict=True) if doors[1:])
            print(f"{kind:34}{words}{ratio:>14}")
            for door, some in zip(doors, rounds, strict=True):
                if len(door.parts) > 1:
                    shares = {name: _median([f.shares[name] for f in some[1:]]) for name in door.parts}
                    print(
                        "  ms: " + ", ".join(f"{name} {share:.3f}" for name, share in shares.items()),
                        flush=True,
                    )


def sound(texts: list[bytes], *marks: bytes) -> str:
    """How many of them say that the mail is whom it says it is from."""
    return f"{sum(all(mark in text for mark in marks) for text in texts)} of {len(texts)}"


def tell_of_checks(log: Path, held: Path) -> None:
    """What the checks found: a bench where they find nothing measures nothing."""
    checked = [line for line in log.read_bytes().splitlines() if b'"sender_checked"' in line]
    marks = (b'"spf":"pass"', b'"dkim":["peer.invalid=pass"]', b'"dmarc":"pass"')
    ours = sound([line.replace(b'": ', b'":') for line in checked], *marks)
    messages = [file.read_bytes() for file in held.rglob("*") if file.is_file()]
    print(f"passed: Posthouse {ours}, Postfix {sound(messages, b'spf=pass', b'dkim=pass', b'dmarc=pass')}")


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def why_alone(options: argparse.Namespace) -> str:
    """Why there is no Postfix beside us; "" where there is one."""
    if options.alone:
        return "--alone"
    if options.checking and shutil.which("rspamd") is None:
        return "package rspamd is missing"
    return missing()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", default="2048,65536", help="octets of messages; empty: no load")
    parser.add_argument("--only", default="", help="only kinds of load with this in their name")
    parser.add_argument("--checking", action="store_true", help="SPF, DKIM, ARC and DMARC on both sides")
    parser.add_argument("--alone", action="store_true", help="without Postfix")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--idle", type=int, default=90, help="connections (Postfix is allowed 100)")
    parser.add_argument("--crowd", type=int, default=5000, help="clients that say nothing; 0: none")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="posthouse-door-"))
    peer: Peer | None = None
    checks: PeerChecks | None = None
    published = Published(folder) if options.checking else None
    key_file = str(published.key_file) if published is not None else ""
    # A crowd of one machine is one client.
    settings = {"SMTP_GATEWAY_UNLIMITED_NETWORKS": '["127.0.0.0/8"]'}
    settings |= published.settings if published is not None else {}
    resolver = published.dns if published is not None else contextlib.nullcontext()
    with resolver, Platform.start(folder / "ours", settings=settings) as platform:
        held = platform.process("mda").pid
        try:
            platform.create_domain("bench.test")
            for number in range(USERS):
                platform.create_account(f"u{number:03d}@bench.test", PASSWORD)
            parts = {name: pid for name in DOOR if (pid := platform.process(name).pid)}
            doors = [Door("Posthouse", platform.ports.smtp, parts, key_file)]
            if reason := why_alone(options):
                print(f"without the peer: {reason}")
            else:
                folder.chmod(0o755)
                theirs, main_cf = {}, HOLD
                if published is not None:
                    checks = PeerChecks(folder / "checks", published)
                    checks.start()
                    main_cf += checks.main_cf
                    theirs["rspamd"] = checks.pid
                peer = Peer(folder / "peer", free_base(), main_cf=main_cf)
                (folder / "peer").mkdir()
                peer.start(USERS, PASSWORD, platform.layout.tls)
                doors.append(Door("Postfix", peer.smtp_port, {"postfix": peer.roots[1], **theirs}, key_file))
            assert held is not None
            os.kill(held, signal.SIGSTOP)
            beside(doors, options)
            if published is not None:
                tell_of_checks(platform.layout.logs / "smtp-gateway.log", folder / "peer/postfix/spool/hold")
            for door in doors if options.idle else ():
                print(f"idle connection, {door.name}: {door.idle(options.idle):.0f} KiB")
            gateway = psutil.Process(platform.process("smtp-gateway").pid)
            if options.crowd:
                took = asyncio.run(crowd(platform.ports.smtp, options.crowd, 500))
                print(
                    f"beside {options.crowd} clients that say nothing: median {took[250] * 1000:.0f} ms, "
                    f"p99 {took[494] * 1000:.0f} ms; the gateway then: {gateway.memory_info().rss >> 20} MiB"
                )
        finally:
            if held is not None:
                os.kill(held, signal.SIGCONT)
            if peer is not None:
                peer.stop()
            if checks is not None:
                checks.stop()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
