"""An IMAP client that hides nothing: every response as it came, told to a listener in its order.

It is for tests that must know *when* something was said: no response is dropped, merged or put off. Only what every
response has in common is understood here: literals, lists, quoted strings (RFC 3501 §4).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

# A list is a list; everything else is its octets (NIL is None).
Value = "bytes | None | list[Value]"

ANSWER_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Untagged:
    """`* ...`: its words; a number that stands first is `number`, the word after it (or the first) is `kind`."""

    number: int
    kind: bytes
    words: list[object]
    raw: bytes


@dataclass(frozen=True, slots=True)
class Tagged:
    """How a command ended."""

    status: bytes
    code: bytes
    text: bytes

    @property
    def is_ok(self) -> bool:
        """OK."""
        return self.status == b"OK"


def words_of(data: bytes) -> list[object]:
    """The words of a response line whose literals are in place."""
    stack: list[list[object]] = [[]]
    position, end = 0, len(data)
    while position < end:
        octet = data[position : position + 1]
        if octet == b" ":
            position += 1
        elif octet == b"(":
            stack.append([])
            position += 1
        elif octet == b")":
            done = stack.pop()
            stack[-1].append(done)
            position += 1
        elif octet == b'"':
            word, position = _quoted(data, position + 1)
            stack[-1].append(word)
        elif octet in (b"{", b"~"):
            close = data.index(b"}\r\n", position)
            octets = int(data[position:close].lstrip(b"~{"))
            stack[-1].append(data[close + 3 : close + 3 + octets])
            position = close + 3 + octets
        else:
            word, position = _atom(data, position)
            stack[-1].append(None if word == b"NIL" else word)
    assert len(stack) == 1, data
    return stack[0]


def _quoted(data: bytes, position: int) -> tuple[bytes, int]:
    out = bytearray()
    while data[position] != 0x22:
        position += data[position] == 0x5C
        out.append(data[position])
        position += 1
    return bytes(out), position + 1


def _atom(data: bytes, position: int) -> tuple[bytes, int]:
    start, depth = position, 0
    while position < len(data):
        octet = data[position]
        # BODY[HEADER.FIELDS (SUBJECT)] is one word.
        depth += (octet == 0x5B) - (octet == 0x5D)
        if depth <= 0 and octet in b" ()":
            break
        position += 1
    return data[start:position], position


class RawImap:
    """One connection. `hear` is called with each untagged response, and with the command that is under way."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 0
        self.hear: Callable[[Untagged, str], None] = lambda _response, _command: None
        self.local_port = int(writer.get_extra_info("sockname")[1])

    @classmethod
    async def connect(cls, port: int, host: str = "127.0.0.1") -> "RawImap":
        """Connected and greeted."""
        reader, writer = await asyncio.open_connection(host, port, limit=1 << 26)
        client = cls(reader, writer)
        assert (await client._line()).startswith(b"* OK")
        return client

    async def _line(self) -> bytes:
        """One response with its literals, without the last CRLF."""
        whole = b""
        while True:
            line = await self._reader.readuntil(b"\r\n")
            whole += line
            if not line.endswith(b"}\r\n"):
                return whole[:-2]
            whole += await self._reader.readexactly(int(line[line.rindex(b"{") + 1 : -3]))

    async def command(self, words: str, literals: tuple[bytes, ...] = ()) -> Tagged:
        """Say it and hear all until its end. `{}` in the words stands for a literal (LITERAL+)."""
        self._number += 1
        tag = b"t%d" % self._number
        pieces = words.encode().split(b"{}")
        out = tag + b" " + pieces[0]
        for literal, piece in zip(literals, pieces[1:], strict=True):
            out += b"{%d+}\r\n" % len(literal) + literal + piece
        self._writer.write(out + b"\r\n")
        await self._writer.drain()
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._until(tag, words)

    async def _until(self, tag: bytes, command: str) -> Tagged:
        while True:
            line = await self._line()
            if line.startswith(tag + b" "):
                status, _, text = line[len(tag) + 1 :].partition(b" ")
                code = b""
                if text.startswith(b"["):
                    code, _, text = text[1:].partition(b"]")
                return Tagged(status, code, text)
            self._told(line, command)

    def _told(self, line: bytes, command: str) -> None:
        assert line.startswith(b"* "), line
        first, _, rest = line[2:].partition(b" ")
        number = 0
        if first.isdigit():
            number = int(first)
            first, _, rest = rest.partition(b" ")
        kind = first.upper()
        # What is for people may hold anything.
        words: list[object] = [rest] if kind in (b"OK", b"NO", b"BAD", b"BYE") else words_of(rest)
        self.hear(Untagged(number, kind, words, line), command)

    async def idle(self, enough: Callable[[], bool], wait_seconds: float) -> Tagged:
        """IDLE until `enough` after a response, or until that long nothing was said."""
        self._number += 1
        tag = b"t%d" % self._number
        self._writer.write(tag + b" IDLE\r\n")
        line = await self._line()
        while not line.startswith(b"+"):
            self._told(line, "IDLE")
            line = await self._line()
        reading = asyncio.ensure_future(self._line())
        while True:
            done, _ = await asyncio.wait({reading}, timeout=wait_seconds)
            if not done:
                break
            self._told(reading.result(), "IDLE")
            reading = asyncio.ensure_future(self._line())
            if enough():
                break
        self._writer.write(b"DONE\r\n")
        async with asyncio.timeout(ANSWER_SECONDS):
            line = await reading
            while not line.startswith(tag + b" "):
                self._told(line, "IDLE")
                line = await self._line()
        return Tagged(line.split(b" ", 2)[1], b"", b"")

    async def login(self, address: str, password: str) -> None:
        """LOGIN; it must succeed."""
        answer = await self.command(f'LOGIN "{address}" "{password}"')
        assert answer.is_ok, answer

    def drop(self) -> None:
        """Away without a word."""
        self._writer.transport.abort()

    async def logout(self) -> None:
        """LOGOUT, and close."""
        await self.command("LOGOUT")
        self._writer.close()
