"""Scanners behind ICAP (RFC 3507): what sites have for their web proxies looks at mail too.

One connection a message: first the message as a whole with its trace fields, then its pieces one after the other
(`mda.core.pieces`), each as the answer to a request of the web (RESPMOD). 204 means that nothing is to be changed; what a
server has found stands in X-Infection-Found or in one of the other fields that servers use. What comes back changed, and
nobody says why, is not clean.
"""

import asyncio
import hashlib
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from spool import SpooledLetter

from mda.core.findings import Finding, Verdict
from mda.core.pieces import pieces
from mda.ports import ScannerBroke, ScannerUnavailable

PORT = 1344
CONNECT_SECONDS = 3.0
CHUNK_OCTETS = 64 * 1024
HEADER_OCTETS = 64 * 1024
# From this size on a message is taken apart in a thread, so that nobody waits for it.
THREAD_OCTETS = 256 * 1024
_STATUS = re.compile(rb"ICAP/1\.[01] (\d{3})(?: .*)?\r\n")
_DIGEST_OF_NOTHING = hashlib.sha256().digest()
_THREAT = re.compile(r"(?:^|;)\s*Threat=([^;]*)", re.IGNORECASE)
_FOUND = ("x-infection-found", "x-virus-id", "x-violations-found", "x-block-reason")
_REQUEST = b"GET http://mail.invalid/ HTTP/1.1\r\nHost: mail.invalid\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """`digest` is of the body that came along; None: there was none. `http` is the first line of what was put in."""

    status: int
    fields: dict[str, str]
    http: bytes = b""
    digest: bytes | None = None


class Icap:
    """Satisfies ports.Scanner."""

    name = "icap"

    def __init__(self, url: str, *, scan_seconds: float, scan_octets: int) -> None:
        """`url` is icap://host[:port]/service. Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme != "icap" or not parts.hostname:
            raise ValueError(f"the address of an ICAP server must be icap://host[:port]/service, not {url!r}")
        self._host, self._port, self._url = parts.hostname, parts.port or PORT, url.encode("ascii")
        self._scan_seconds = scan_seconds
        self._scan_octets = scan_octets

    async def scan(self, letter: SpooledLetter, content: bytes) -> Finding:
        prefix = letter.envelope.trace_prefix
        if len(prefix) + len(content) > self._scan_octets:
            return Finding(self.name, Verdict.UNSCANNABLE, "too-large")
        reader, writer = await self._connect()
        try:
            async with asyncio.timeout(self._scan_seconds):
                finding = await self._look(reader, writer, prefix + content)
                found = pieces(content, letter.facts.parts)
                while finding.verdict is Verdict.CLEAN:
                    if len(content) >= THREAD_OCTETS:
                        piece = await asyncio.to_thread(next, found, None)
                    else:
                        piece = next(found, None)
                    if piece is None:
                        break
                    finding = await self._look(reader, writer, piece)
                return finding
        except TimeoutError:
            raise ScannerBroke(f"ICAP gave no answer within {self._scan_seconds:g} s") from None
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise ScannerBroke(f"ICAP broke off: {str(error) or type(error).__name__}") from error
        finally:
            writer.transport.abort()

    async def check(self) -> None:
        reader, writer = await self._connect()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                writer.write(b"OPTIONS %b ICAP/1.0\r\nHost: %b\r\n\r\n" % (self._url, self._host.encode()))
                answer = await _read(reader)
        except (OSError, EOFError, ValueError, TimeoutError, asyncio.LimitOverrunError) as error:
            raise ScannerUnavailable("ICAP does not answer OPTIONS") from error
        finally:
            writer.transport.abort()
        if answer.status != 200:
            raise ScannerUnavailable(f"ICAP answers OPTIONS with {answer.status}")

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(self._host, self._port, limit=HEADER_OCTETS)
        except (OSError, TimeoutError) as error:
            raise ScannerUnavailable(f"ICAP: {str(error) or 'it does not answer'}") from error

    async def _look(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, content: bytes
    ) -> Finding:
        """One RESPMOD. A server may answer before it has everything, so both go on at once."""
        asking = asyncio.create_task(self._ask(writer, content))
        try:
            answer = await _read(reader)
            finding = self._judged(answer, content)
            if finding.verdict is Verdict.CLEAN:
                # It says so of what it has; else the connection is of no use any more.
                await asking
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        return finding

    async def _ask(self, writer: asyncio.StreamWriter, content: bytes) -> None:
        said = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
            % len(content)
        )
        writer.write(
            b"RESPMOD %b ICAP/1.0\r\nHost: %b\r\nAllow: 204\r\nEncapsulated: req-hdr=0, res-hdr=%d, res-body=%d\r\n\r\n"
            % (self._url, self._host.encode(), len(_REQUEST), len(_REQUEST) + len(said))
        )
        writer.write(_REQUEST + said)
        for start in range(0, len(content), CHUNK_OCTETS):
            chunk = content[start : start + CHUNK_OCTETS]
            writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    def _judged(self, answer: Answer, content: bytes) -> Finding:
        named = next((answer.fields[each] for each in _FOUND if each in answer.fields), None)
        if named is not None:
            threat = _THREAT.search(named)
            detail = (threat[1] if threat else named).strip()
            return Finding(self.name, Verdict.VIRUS, "".join(filter(str.isprintable, detail))[:200])
        if answer.status == 204:
            return Finding(self.name, Verdict.CLEAN)
        if answer.status == 503:
            raise ScannerUnavailable("ICAP is overloaded")
        if answer.status != 200:
            raise ScannerBroke(f"ICAP said {answer.status}")
        is_passed_on = answer.http.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200"))
        if is_passed_on and answer.digest == hashlib.sha256(content).digest():
            return Finding(self.name, Verdict.CLEAN)
        if is_passed_on and content and answer.digest == _DIGEST_OF_NOTHING:
            # c-icap under load, once in a while: nobody has looked.
            raise ScannerBroke("ICAP passed on nothing of it")
        return Finding(self.name, Verdict.UNSCANNABLE, "changed")


async def _read(reader: asyncio.StreamReader) -> Answer:
    """A whole answer, what is put into it too. Raises OSError, EOFError, ValueError, LimitOverrunError."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = _STATUS.match(head)
    if status is None:
        raise ValueError(f"ICAP said: {head[:100]!r}")
    fields: dict[str, str] = {}
    for line in head[status.end() :].decode("utf-8", "replace").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            fields.setdefault(name.strip().lower(), value.strip())
    if int(status[1]) == 100:
        raise ValueError("ICAP wants more, and has everything")
    places: dict[str, int] = {}
    for part in fields.get("encapsulated", "null-body=0").split(","):
        name, _, place = part.strip().partition("=")
        places[name] = int(place or "0")
    body = next((places[each] for each in ("res-body", "opt-body", "req-body") if each in places), None)
    octets = places.get("null-body", 0) if body is None else body
    if not 0 <= octets <= HEADER_OCTETS:
        raise ValueError("ICAP puts in too much")
    inner = await reader.readexactly(octets)
    http = inner[places.get("res-hdr", 0) :].split(b"\r\n", 1)[0]
    if body is None:
        return Answer(int(status[1]), fields, http)
    digest = hashlib.sha256()
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        while size:
            data = await reader.read(min(size, CHUNK_OCTETS))
            if not data:
                raise EOFError("the body ends too early")
            digest.update(data)
            size -= len(data)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        continue
    return Answer(int(status[1]), fields, http, digest.digest())
