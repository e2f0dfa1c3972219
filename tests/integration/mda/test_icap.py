"""ICAP (RFC 3507): c-icap with the real clamd behind it, and servers that answer in every way that there is."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mda.adapters.icap import Icap
from mda.core.findings import Finding, Verdict
from mda.ports import ScannerBroke, ScannerUnavailable
from posthouse.stack.part import Part
from posthouse.stack.unprivileged import choose

from tests.support.daemons import Daemon
from tests.support.mda_world import letter_of
from tests.support.packages import needs
from tests.support.platform import free_base, open_to_others
from tests.support.viruses import EICAR, Kind, clean, every_hiding_place, message

KINDS = every_hiding_place()
CONTENT = message("plain", b"\r\nhello\r\n")


@pytest.fixture(scope="session")
def c_icap(clamd: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("c-icap")
    open_to_others(folder)
    # clamd reads the files that c-icap writes.
    user = choose(folder, users=("clamav", "nobody"))
    user.own(folder)
    port = free_base()
    [modules] = Path("/usr/lib").glob("*/c_icap")
    (folder / "c-icap.conf").write_text(
        f"""PidFile {folder}/pid
CommandsSocket {folder}/control
ServerAdmin nobody@localhost
ServerName localhost
Port 127.0.0.1:{port}
StartServers 1
MaxServers 2
TmpDir {folder}
ModulesDir {modules}
ServicesDir {modules}
TemplateDir /usr/share/c_icap/templates/
LoadMagicFile /etc/c-icap/c-icap.magic
ServerLog {folder}/server.log
AccessLog {folder}/access.log
Module common clamd_mod.so
clamd_mod.ClamdHost 127.0.0.1
clamd_mod.ClamdPort {clamd.port}
Service antivirus_module virus_scan.so
virus_scan.DefaultEngine clamd
virus_scan.ScanFileTypes TEXT DATA EXECUTABLE ARCHIVE GIF JPEG MSOFFICE
virus_scan.MaxObjectSize 100M
virus_scan.Allow204Responces on
virus_scan.SendPercentData 0
Service echo srv_echo.so
""",
        encoding="ascii",
    )

    async def ready() -> None:
        with socket.create_connection(("127.0.0.1", port), 1):
            return

    argv = user.wrap(["c-icap", "-N", "-D", "-f", str(folder / "c-icap.conf")])
    with Daemon(Part("c-icap", argv, port=port, ready=ready), folder / "output.log") as daemon:
        yield daemon


def of(port: int, service: str = "virus_scan", **how: float) -> Icap:
    limits = {"scan_seconds": 30.0, "scan_octets": 100 << 20} | how
    return Icap(
        f"icap://127.0.0.1:{port}/{service}",
        scan_seconds=limits["scan_seconds"],
        scan_octets=int(limits["scan_octets"]),
    )


async def look(scanner: Icap, content: bytes) -> Finding:
    return await scanner.scan(letter_of(content), content)


@needs("c-icap", package="c-icap")
class TestRealOne:
    @pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
    async def test_a_virus_is_found_wherever_a_reader_would_find_it(self, c_icap: Daemon, kind: Kind) -> None:
        finding = await look(of(c_icap.port), kind.content)
        assert finding.verdict is Verdict.VIRUS
        assert "Eicar" in finding.detail

    async def test_what_is_clean_is_clean(self, c_icap: Daemon) -> None:
        await of(c_icap.port).check()
        for content in (
            clean("a"),
            message("empty", b"\r\n"),
            message("large", b"\r\n" + b"x\r\n" * 1_000_000),
        ):
            assert await look(of(c_icap.port), content) == Finding("icap", Verdict.CLEAN)

    async def test_many_at_once(self, c_icap: Daemon) -> None:
        async def until_it_looked(content: bytes) -> Finding:
            # With many at once c-icap itself answers one in some thousand with nothing: such a message is tried again.
            for _ in range(2):
                with contextlib.suppress(ScannerBroke):
                    return await look(of(c_icap.port), content)
            return await look(of(c_icap.port), content)

        contents = [clean("a"), message("v", b"\r\n" + EICAR)] * 8
        found = await asyncio.gather(*(until_it_looked(content) for content in contents))
        assert [each.verdict for each in found] == [Verdict.CLEAN, Verdict.VIRUS] * 8

    async def test_a_service_that_is_not_there(self, c_icap: Daemon) -> None:
        with pytest.raises(ScannerUnavailable):
            await of(c_icap.port, "nothing").check()
        # It may have hung up before all was said.
        with pytest.raises(ScannerBroke, match=r"404|broke off"):
            await look(of(c_icap.port, "nothing"), CONTENT)

    async def test_what_comes_back_as_it_was_is_clean(self, c_icap: Daemon) -> None:
        # A service that changes nothing, and one that does not say 204.
        assert (await look(of(c_icap.port, "echo"), CONTENT)).verdict is Verdict.CLEAN
        assert (await look(of(c_icap.port, "echo?allow204=off"), CONTENT)).verdict is Verdict.CLEAN


@asynccontextmanager
async def saying(*answers: bytes, reads: bool = True, seconds: float = 1.0) -> AsyncIterator[Icap]:
    """A server that answers so, whatever it is asked."""
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while left:
                if reads:
                    await reader.readuntil(b"\r\n0\r\n\r\n")
                writer.write(left.pop(0))
                await writer.drain()
            await reader.read()
        except (EOFError, OSError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield of(server.sockets[0].getsockname()[1], scan_seconds=seconds)


def given(
    status: bytes, *fields: bytes, http: bytes = b"HTTP/1.1 200 OK", body: bytes | None = None
) -> bytes:
    lines = [b"ICAP/1.0 " + status, *fields]
    if body is None:
        return b"\r\n".join([*lines, b"Encapsulated: null-body=0", b"", b""])
    head = http + b"\r\n\r\n"
    lines.append(b"Encapsulated: res-hdr=0, res-body=%d" % len(head))
    chunked = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return b"\r\n".join([*lines, b"", b""]) + head + chunked + b"0\r\n\r\n"


VIRUS = b"X-Infection-Found: Type=0; Resolution=2; Threat=Eicar-Test;"


@pytest.mark.parametrize(
    ("answer", "verdict", "detail"),
    [
        (given(b"200 OK", VIRUS, http=b"HTTP/1.1 403 Forbidden", body=b"no"), Verdict.VIRUS, "Eicar-Test"),
        (given(b"204 No Content", b"X-Virus-ID: Some.Virus"), Verdict.VIRUS, "Some.Virus"),
        (given(b"200 OK", http=b"HTTP/1.1 403 Forbidden", body=b"no"), Verdict.UNSCANNABLE, "changed"),
        (given(b"200 OK", body=b"something else"), Verdict.UNSCANNABLE, "changed"),
        (given(b"200 OK"), Verdict.UNSCANNABLE, "changed"),
    ],
)
async def test_what_a_server_says(answer: bytes, verdict: Verdict, detail: str) -> None:
    async with saying(answer) as scanner:
        finding = await look(scanner, CONTENT)
    assert (finding.verdict, finding.detail) == (verdict, detail)


@pytest.mark.parametrize(
    "answer",
    [
        given(b"500 Server Error"),
        given(b"100 Continue"),
        given(b"200 OK", body=b""),
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"ICAP/1.0 200 OK\r\nEncapsulated: res-body=99999999999\r\n\r\n",
        b"ICAP/1.0 200 OK\r\nEncapsulated: res-body=x\r\n\r\n",
        given(b"200 OK", body=b"x" * 50)[:-30],
        b"x" * 100_000,
        b"",
    ],
)
async def test_an_answer_that_means_nothing_is_never_clean(answer: bytes) -> None:
    async with saying(answer) as scanner:
        with pytest.raises(ScannerBroke):
            await look(scanner, CONTENT)


async def test_one_that_is_overloaded_or_not_there_is_unavailable() -> None:
    async with saying(given(b"503 Overloaded")) as scanner:
        with pytest.raises(ScannerUnavailable):
            await look(scanner, CONTENT)
    port = free_base()
    for work in (of(port).check(), look(of(port), CONTENT)):
        with pytest.raises(ScannerUnavailable):
            await work


async def test_an_answer_before_everything_was_sent_is_heard() -> None:
    answer = given(b"200 OK", VIRUS, http=b"HTTP/1.1 403 No", body=b"")
    async with saying(answer, reads=False, seconds=20.0) as scanner:
        assert (await look(scanner, message("x", b"\r\n" + b"y" * 8_000_000))).verdict is Verdict.VIRUS


async def test_what_is_too_large_is_not_clean() -> None:
    finding = await look(of(1, scan_octets=10), CONTENT)
    assert (finding.verdict, finding.detail) == (Verdict.UNSCANNABLE, "too-large")


@pytest.mark.parametrize("url", ["", "http://a/b", "icap://", "clamd:3310"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="must be icap://"):
        Icap(url, scan_seconds=1.0, scan_octets=1)
