"""ClamAV: clamd's INSTREAM over TCP (clamd(8), "COMMANDS").

One connection a message, as a session: first the message as a whole with its
trace fields, so that clamd sees mail, then its pieces one after the other
(`mda.core.pieces`). The first virus ends it.
"""

import asyncio
import re
import struct

from spool import SpooledLetter

from mda.core.findings import Finding, Verdict
from mda.core.pieces import pieces
from mda.ports import ScannerBroke, ScannerUnavailable

CONNECT_SECONDS = 3.0
CHUNK_OCTETS = 256 * 1024
ANSWER_OCTETS = 4096
# From this size on a message is taken apart in a thread, so that nobody waits for it.
THREAD_OCTETS = 256 * 1024
# In a session each answer begins with the number of its command.
_ANSWER = re.compile(rb"(?:\d+: )?(?:stream: )?(.*?)\0", re.S)
# What AlertExceedsMax says of something that was not looked through, and what is encrypted where that is asked for.
_TOO_SLOW = "Heuristics.Limits.Exceeded.MaxScanTime"
_LIMITS = ("Heuristics.Limits.", "Heuristics.Encrypted.")


class Clamd:
    """Satisfies ports.Scanner."""

    name = "clamav"

    def __init__(self, host: str, port: int, *, scan_seconds: float, scan_octets: int) -> None:
        """`scan_octets` must not be more than clamd's StreamMaxLength."""
        self._host = host
        self._port = port
        self._scan_seconds = scan_seconds
        self._scan_octets = scan_octets

    async def scan(self, letter: SpooledLetter, content: bytes) -> Finding:
        prefix = letter.envelope.trace_prefix
        if len(prefix) + len(content) > self._scan_octets:
            return Finding(self.name, Verdict.UNSCANNABLE, "too-large")
        reader, writer = await self._connect()
        try:
            async with asyncio.timeout(self._scan_seconds):
                writer.write(b"zIDSESSION\0")
                finding = await self._look(reader, writer, (prefix, content))
                found = pieces(content, letter.facts.parts)
                while finding.verdict is Verdict.CLEAN:
                    if len(content) >= THREAD_OCTETS:
                        piece = await asyncio.to_thread(next, found, None)
                    else:
                        piece = next(found, None)
                    if piece is None:
                        break
                    finding = await self._look(reader, writer, (piece,))
                return finding
        except TimeoutError:
            raise ScannerBroke(f"clamd gave no answer within {self._scan_seconds:g} s") from None
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            raise ScannerBroke(f"clamd broke off: {str(error) or type(error).__name__}") from error
        finally:
            # Nothing more is asked in this session.
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(self._host, self._port, limit=ANSWER_OCTETS)
        except (OSError, TimeoutError) as error:
            raise ScannerUnavailable(f"clamd: {str(error) or 'it does not answer'}") from error

    async def _look(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chunks: tuple[bytes, ...]
    ) -> Finding:
        """One INSTREAM. Raises OSError, EOFError, ScannerBroke."""
        writer.write(b"zINSTREAM\0")
        for whole in chunks:
            for start in range(0, len(whole), CHUNK_OCTETS):
                chunk = whole[start : start + CHUNK_OCTETS]
                writer.write(struct.pack(">I", len(chunk)) + chunk)
                await writer.drain()
        writer.write(b"\0\0\0\0")
        await writer.drain()
        return self._read(await reader.readuntil(b"\0"))

    def _read(self, answer: bytes) -> Finding:
        text = _ANSWER.fullmatch(answer)
        words = text[1].decode("utf-8", "replace") if text else ""
        if words == "OK":
            return Finding(self.name, Verdict.CLEAN)
        if words.endswith(" FOUND"):
            signature = words.removesuffix(" FOUND")
            if signature == _TOO_SLOW:
                # That may be the load of the moment: it is tried again, and not without end.
                raise ScannerBroke("clamd ran out of time")
            if signature.startswith(_LIMITS):
                return Finding(self.name, Verdict.UNSCANNABLE, signature)
            return Finding(self.name, Verdict.VIRUS, signature)
        if "size limit exceeded" in words:
            return Finding(self.name, Verdict.UNSCANNABLE, "too-large")
        raise ScannerBroke(f"clamd said: {words[:200]}")

    async def check(self) -> None:
        reader, writer = await self._connect()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                writer.write(b"zPING\0")
                if await reader.readuntil(b"\0") != b"PONG\0":
                    raise ScannerUnavailable("clamd does not answer PING")
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
            raise ScannerUnavailable("clamd does not answer PING") from error
        finally:
            writer.transport.abort()
