"""One session with a milter.

    octets = client.negotiate()
    ... send them, feed what comes, until client.is_ready
    step = client.mail("<a@b.test>", ...)
    if step.octets: send them
    if step.is_answered: feed what comes until client.answer() is not None

Theory of operation. At the start both say which steps and changes they know; the milter picks. A step it does not want
has no octets, and one it wants without answering is not waited for. The end of the body is always answered: first by
changes, then by a decision, each of which `answer` gives in turn.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag

from mailproto.milter import answers
from mailproto.milter.answers import Answer
from mailproto.milter.packets import MilterBroken, PacketReader, packet, strings

VERSION = 6
LEAST_VERSION = 2
CHUNK_OCTETS = 65_535


class Action(IntFlag):
    """What a milter may do to a message, as far as we offer it: bodies and senders stay as they are."""

    ADD_HEADERS = 0x01
    ADD_RECIPIENTS = 0x04
    REMOVE_RECIPIENTS = 0x08
    CHANGE_HEADERS = 0x10
    QUARANTINE = 0x20


class Without(IntFlag):
    """Steps that are left out, and (NO_ANSWER...) steps that are not answered."""

    CONNECT = 0x01
    HELO = 0x02
    MAIL = 0x04
    RCPT = 0x08
    BODY = 0x10
    HEADERS = 0x20
    END_OF_HEADER = 0x40
    NO_ANSWER_HEADER = 0x80
    UNKNOWN = 0x100
    DATA = 0x200
    SKIP = 0x400
    NO_ANSWER_CONNECT = 0x1000
    NO_ANSWER_HELO = 0x2000
    NO_ANSWER_MAIL = 0x4000
    NO_ANSWER_RCPT = 0x8000
    NO_ANSWER_DATA = 0x10000
    NO_ANSWER_UNKNOWN = 0x20000
    NO_ANSWER_END_OF_HEADER = 0x40000
    NO_ANSWER_BODY = 0x80000
    LEADING_SPACE = 0x100000


OFFERED = (
    Action.ADD_HEADERS
    | Action.ADD_RECIPIENTS
    | Action.REMOVE_RECIPIENTS
    | Action.CHANGE_HEADERS
    | Action.QUARANTINE
)
KNOWN = Without(sum(Without))


@dataclass(frozen=True, slots=True)
class Step:
    """What is sent for it; nothing where the milter does not want it."""

    octets: bytes = b""
    is_answered: bool = False


NOTHING = Step()


class MilterClient:
    """The mail server's side."""

    def __init__(self) -> None:
        self._reader = PacketReader()
        self._without = Without(0)
        self._version = 0

    def negotiate(self) -> bytes:
        """The first octets."""
        return packet(b"O", b"".join(each.to_bytes(4, "big") for each in (VERSION, OFFERED, KNOWN)))

    def feed(self, data: bytes) -> None:
        """What came."""
        self._reader.feed(data)

    @property
    def is_ready(self) -> bool:
        """Whether both know what the other can; looks at what came. Raises MilterBroken."""
        if self._version:
            return True
        found = self._reader.next()
        if found is None:
            return False
        letter, data = found
        if letter != b"O" or len(data) < 12:
            raise MilterBroken("it does not negotiate")
        version, without = (int.from_bytes(data[start : start + 4], "big") for start in (0, 8))
        if not LEAST_VERSION <= version <= VERSION:
            raise MilterBroken(f"version {version}; {LEAST_VERSION} to {VERSION} are spoken here")
        # Some (rspamd) say that they change bodies whatever is offered; it is an error when they do (`answers`).
        # What a newer one means by flags that nobody offered is not known.
        self._version, self._without = version, Without(without & KNOWN)
        return True

    def answer(self) -> Answer | None:
        """The next answer, or None where more must come. Raises MilterBroken."""
        found = self._reader.next()
        return None if found is None else answers.read(*found)

    # -- steps

    def connect(self, name: str, address: str, port: int, macros: Mapping[str, str]) -> Step:
        """Who is there. `name` is "" where it is not known."""
        family = b"6" if ":" in address else b"4" if address else b"U"
        where = b"" if family == b"U" else port.to_bytes(2, "big") + strings(address)
        data = strings(name or f"[{address}]") + family + where
        return self._step(b"C", data, macros, Without.CONNECT, Without.NO_ANSWER_CONNECT)

    def helo(self, name: str, macros: Mapping[str, str]) -> Step:
        """EHLO or HELO."""
        return self._step(b"H", strings(name), macros, Without.HELO, Without.NO_ANSWER_HELO)

    def mail(self, reverse_path: str, parameters: Sequence[str], macros: Mapping[str, str]) -> Step:
        """MAIL FROM; `reverse_path` without angle brackets."""
        data = strings(f"<{reverse_path}>", *parameters)
        return self._step(b"M", data, macros, Without.MAIL, Without.NO_ANSWER_MAIL)

    def rcpt(self, forward_path: str, macros: Mapping[str, str]) -> Step:
        """RCPT TO; `forward_path` without angle brackets."""
        data = strings(f"<{forward_path}>")
        return self._step(b"R", data, macros, Without.RCPT, Without.NO_ANSWER_RCPT)

    def data(self, macros: Mapping[str, str]) -> Step:
        """DATA, which older milters do not know."""
        if self._version < 4:
            return NOTHING
        return self._step(b"T", b"", macros, Without.DATA, Without.NO_ANSWER_DATA)

    def header(self, name: bytes, value: bytes) -> Step:
        """One field. `value` is what stands behind the colon, folded lines with CRLF."""
        if not self._without & Without.LEADING_SPACE:
            value = value.removeprefix(b" ")
        data = strings(name, value.replace(b"\r\n", b"\n"))
        return self._step(b"L", data, {}, Without.HEADERS, Without.NO_ANSWER_HEADER)

    def end_of_header(self) -> Step:
        """No more fields."""
        return self._step(b"N", b"", {}, Without.END_OF_HEADER, Without.NO_ANSWER_END_OF_HEADER)

    def body(self, body: bytes) -> Iterator[Step]:
        """Piece by piece; SKIP as an answer ends it."""
        for start in range(0, len(body), CHUNK_OCTETS):
            piece = body[start : start + CHUNK_OCTETS]
            yield self._step(b"B", piece, {}, Without.BODY, Without.NO_ANSWER_BODY)

    def end(self, macros: Mapping[str, str]) -> Step:
        """The message is whole; answers follow until there is a decision."""
        return Step(_macros(b"E", macros) + packet(b"E"), is_answered=True)

    def abort(self) -> bytes:
        """The message, or its transaction, is forgotten; the connection stays."""
        return packet(b"A")

    def quit(self) -> bytes:
        """The end."""
        return packet(b"Q")

    def _step(
        self, letter: bytes, data: bytes, macros: Mapping[str, str], unwanted: Without, unanswered: Without
    ) -> Step:
        if self._without & unwanted:
            return NOTHING
        octets = _macros(letter, macros) + packet(letter, data)
        return Step(octets, is_answered=not self._without & unanswered)


def _macros(letter: bytes, macros: Mapping[str, str]) -> bytes:
    """One-letter names stand as they are, others in braces."""
    if not macros:
        return b""
    texts = [
        text for name, value in macros.items() for text in (name if len(name) == 1 else f"{{{name}}}", value)
    ]
    return packet(b"D", letter + strings(*texts))
