"""Packets: octets in, (letter, data) out; and the other way round."""

from collections.abc import Sequence

# What a milter may say in one packet. It answers with headers and addresses, never with bodies.
PACKET_OCTETS = 1 << 20


class MilterBroken(Exception):
    """The milter said what no milter says. The connection is of no use any more."""


def packet(letter: bytes, data: bytes = b"") -> bytes:
    """One packet."""
    return (len(data) + 1).to_bytes(4, "big") + letter + data


def strings(*texts: str | bytes) -> bytes:
    """Texts, each ended by NUL; a NUL within one would be the end of it and is left out."""
    return b"".join(
        (text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text).replace(b"\0", b"")
        + b"\0"
        for text in texts
    )


def read_strings(data: bytes, count: int) -> Sequence[str]:
    """Just so many texts, each ended by NUL (the last one need not be). Raises MilterBroken."""
    parts = data.split(b"\0")
    if parts[-1] == b"":
        parts.pop()
    if len(parts) != count:
        raise MilterBroken(f"{len(parts)} texts instead of {count}")
    return [part.decode("utf-8", "surrogateescape") for part in parts]


class PacketReader:
    """Finds packets in what comes."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """More octets."""
        self._buffer += data

    def next(self) -> tuple[bytes, bytes] | None:
        """(letter, data), or None where more must come. Raises MilterBroken."""
        if len(self._buffer) < 4:
            return None
        length = int.from_bytes(self._buffer[:4], "big")
        if not 1 <= length <= PACKET_OCTETS:
            raise MilterBroken(f"a packet of {length} octets")
        if len(self._buffer) < 4 + length:
            return None
        letter, data = bytes(self._buffer[4:5]), bytes(self._buffer[5 : 4 + length])
        del self._buffer[: 4 + length]
        return letter, data
