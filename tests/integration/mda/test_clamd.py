"""ClamAV, the real daemon: what it finds, what it cannot look through, and what happens when it dies."""

import asyncio
import base64
import gzip
import io
import zipfile
from collections.abc import Callable

import pytest
from mda.adapters.clamd import Clamd
from mda.core.findings import Finding, Verdict
from mda.ports import ScannerBroke, ScannerUnavailable
from spool import SpooledLetter

from tests.support.daemons import Daemon
from tests.support.mda_world import World, letter_of
from tests.support.packages import needs
from tests.support.viruses import EICAR, Kind, attachment, clean, every_hiding_place, message

pytestmark = needs("clamd", package="clamav-daemon")
KINDS = every_hiding_place()
ENCODED = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"


def scanner(daemon: Daemon, scan_seconds: float = 30.0, scan_octets: int = 100 << 20) -> Clamd:
    return Clamd("127.0.0.1", daemon.port, scan_seconds=scan_seconds, scan_octets=scan_octets)


def attached(octets: bytes) -> bytes:
    text = base64.encodebytes(octets).replace(b"\n", b"\r\n")
    return message("attached", attachment(ENCODED, text))


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in files.items():
            archive.writestr(name, octets)
    return out.getvalue()


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
async def test_a_virus_is_found_wherever_a_reader_would_find_it(clamd: Daemon, kind: Kind) -> None:
    finding = await scanner(clamd).scan(letter_of(kind.content), kind.content)
    assert (finding.verdict, finding.detail) == (Verdict.VIRUS, "Posthouse.Test.Eicar.UNOFFICIAL")


@pytest.mark.parametrize(
    "octets",
    [zipped(a=EICAR), zipped(b=zipped(a=EICAR)), gzip.compress(EICAR), zipped(a=b"x" * 1000, b=EICAR)],
    ids=["zip", "zip-in-zip", "gzip", "second-file"],
)
async def test_a_virus_is_found_in_archives(clamd: Daemon, octets: bytes) -> None:
    content = attached(octets)
    assert (await scanner(clamd).scan(letter_of(content), content)).verdict is Verdict.VIRUS


@pytest.mark.parametrize(
    "content",
    [clean("c"), attached(b"\0" * 300_000), attached(zipped(a=b"harmless")), b"", b"no header at all"],
    ids=["text", "octets", "zip", "empty", "no-mail"],
)
async def test_what_is_clean_is_clean(clamd: Daemon, content: bytes) -> None:
    assert (await scanner(clamd).scan(letter_of(content), content)).verdict is Verdict.CLEAN


def unfolding(megabytes: int) -> bytes:
    """One file of so many megabytes of nothing."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("a", "w") as file:
            for _ in range(megabytes):
                file.write(bytes(1_000_000))
    return out.getvalue()


def deep(layers: int) -> bytes:
    octets = EICAR
    for _ in range(layers):
        octets = zipped(a=octets)
    return octets


@pytest.mark.parametrize(
    "make",
    [
        lambda: unfolding(450),
        lambda: deep(40),
        lambda: zipped(**{f"f{number}": b"%d" % number for number in range(11_000)}),
    ],
    ids=["large-inside", "deep", "many"],
)
async def test_a_bomb_ends_soon_and_is_not_clean(clamd: Daemon, make: Callable[[], bytes]) -> None:
    content = attached(make())
    assert len(content) < 3_000_000
    # Within MaxScanTime; one that hangs would be a ScannerBroke.
    finding = await scanner(clamd).scan(letter_of(content), content)
    assert finding.verdict is Verdict.UNSCANNABLE
    assert finding.detail.startswith("Heuristics.Limits.Exceeded")


async def test_what_is_too_large_is_not_clean(clamd: Daemon) -> None:
    content = clean("large")
    found = await scanner(clamd, scan_octets=100).scan(letter_of(content), content)
    assert (found.verdict, found.detail) == (Verdict.UNSCANNABLE, "too-large")


async def test_many_messages_at_once(clamd: Daemon) -> None:
    contents = [clean(f"m{number}") + (EICAR if number % 3 == 0 else b"") for number in range(60)]
    found = await asyncio.gather(*(scanner(clamd).scan(letter_of(each), each) for each in contents))
    assert [each.verdict is Verdict.VIRUS for each in found] == [number % 3 == 0 for number in range(60)]


async def test_one_that_is_not_there_is_unavailable(own_clamd: Daemon) -> None:
    await scanner(own_clamd).check()
    own_clamd.kill()
    with pytest.raises(ScannerUnavailable):
        await scanner(own_clamd).scan(letter_of(clean("x")), clean("x"))
    with pytest.raises(ScannerUnavailable):
        await scanner(own_clamd).check()


async def test_one_that_does_not_answer_is_given_up(own_clamd: Daemon) -> None:
    own_clamd.hold_still()
    with pytest.raises(ScannerBroke, match="no answer within"):
        await scanner(own_clamd, scan_seconds=0.2).scan(letter_of(clean("x")), clean("x"))


async def test_killed_in_the_middle_of_a_scan_the_message_waits_and_is_filed_later(own_clamd: Daemon) -> None:
    world = World()
    good, bad = world.send(clean("good")), world.send(clean("bad") + EICAR)
    own_clamd.hold_still()
    rounds = 0

    def between() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 4:
            assert {word for item in (good, bad) for word in item.outcome} == {"again"}
            own_clamd.start()

    async def kill() -> None:
        while own_clamd.connections() < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        own_clamd.kill()

    world.between = between
    async with asyncio.TaskGroup() as group:
        group.create_task(kill())
        group.create_task(world.file(scanner(own_clamd)))
    assert (good.outcome, bad.outcome) == (["again"] * 3 + ["acknowledged"],) * 2
    assert [each.queue_id for each in world.deliveries] != list(world.held)
    assert (len(world.deliveries), len(world.held)) == (1, 1)


async def test_nothing_passes_and_nothing_is_lost_while_it_dies_and_comes_back(own_clamd: Daemon) -> None:
    world = World()
    good = [world.send(clean(f"good{number}")) for number in range(100)]
    bad = [world.send(clean(f"bad{number}") + EICAR) for number in range(50)]
    # Fewer than the three deaths after which a message is suspected of being their cause.
    deaths = [20, 60]
    asked = scanner(own_clamd)

    class Dies(Clamd):
        scans = 0

        async def scan(self, letter: SpooledLetter, content: bytes) -> Finding:
            Dies.scans += 1
            if deaths and Dies.scans >= deaths[0]:
                deaths.pop(0)
                own_clamd.kill()
            return await asked.scan(letter, content)

    def between() -> None:
        if not own_clamd.is_running:
            own_clamd.start()

    world.between = between
    await world.file(Dies("127.0.0.1", 0, scan_seconds=1.0, scan_octets=1), rounds=200)
    assert not deaths
    assert all(item.outcome[-1] == "acknowledged" for item in (*good, *bad))
    assert len({each.queue_id for each in world.deliveries}) == len(world.deliveries) == 100
    assert len(world.held) == 50


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"1: stream: Can't allocate memory ERROR\0", "allocate memory"),
        (b"\0", "said: $"),
        (b"1: stream: OK", "broke off"),
        (b"x" * 10_000, "broke off|said"),
    ],
)
async def test_an_answer_that_means_nothing_is_never_clean(answer: bytes, said: str) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\0\0\0\0")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ScannerBroke, match=said):
            await Clamd("127.0.0.1", port, scan_seconds=5.0, scan_octets=1 << 20).scan(
                letter_of(clean("x")), clean("x")
            )
