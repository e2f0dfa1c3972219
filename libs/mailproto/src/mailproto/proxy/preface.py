"""Reads the preface of a proxy, bounded, from octets in any pieces. What follows it is the client's.

Version 1 is a line of at most 107 octets (§2.1); version 2 begins with a signature and says its length (§2.2), of which
more than VERSION_2_OCTETS is refused. What a version 2 preface says in TLVs is not used.
"""

import re
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

VERSION_1_OCTETS = 107
VERSION_2_OCTETS = 2048
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
FRONT = struct.Struct("!12sBBH")
LINE = re.compile(rb"PROXY TCP([46]) ([0-9A-Fa-f.:]{2,39}) ([0-9A-Fa-f.:]{2,39}) ([0-9]{1,5}) ([0-9]{1,5})")
LOCAL, PROXY = 0x20, 0x21
TCP_4, TCP_6 = 0x11, 0x21
# UNSPEC, and UNIX sockets: there is no address that would mean anything here.
WITHOUT_ADDRESS = (0x00, 0x31)


class PrefaceInvalid(Exception):
    """What came is no preface."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address in its canonical form, and a port."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Preface:
    """`source` is the client, None where the proxy speaks for itself or does not know. `rest` is what came after."""

    source: Endpoint | None
    rest: bytes


class PrefaceReader:
    """Feed octets until there is a preface."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> Preface | None:
        """The preface once it is whole. Raises PrefaceInvalid."""
        self._buffer += data
        buffer = self._buffer
        if buffer[:12] == SIGNATURE[: len(buffer)]:
            return _version_2(buffer) if len(buffer) >= FRONT.size else None
        if buffer[:6] == b"PROXY "[: len(buffer)]:
            return _version_1(buffer)
        raise PrefaceInvalid("neither version of the protocol")


def _version_1(buffer: bytes) -> Preface | None:
    end = buffer.find(b"\r\n", 0, VERSION_1_OCTETS)
    if end < 0:
        if len(buffer) >= VERSION_1_OCTETS or b"\n" in buffer:
            raise PrefaceInvalid("a line without its end")
        return None
    line, rest = buffer[:end], buffer[end + 2 :]
    if line == b"PROXY UNKNOWN" or line.startswith(b"PROXY UNKNOWN "):
        return Preface(None, rest)
    match = LINE.fullmatch(line)
    if match is None:
        raise PrefaceInvalid("a line of no known form")
    kind = IPv4Address if match[1] == b"4" else IPv6Address
    try:
        source, _ = (kind(match[number].decode("ascii")) for number in (2, 3))
    except ValueError as error:
        raise PrefaceInvalid(str(error)) from error
    ports = [int(match[number]) for number in (4, 5)]
    if max(ports) > 65_535:
        raise PrefaceInvalid("that is no port")
    return Preface(Endpoint(str(source), ports[0]), rest)


def _version_2(buffer: bytes) -> Preface | None:
    _, command, family, length = FRONT.unpack_from(buffer)
    if command not in (LOCAL, PROXY):
        raise PrefaceInvalid("an unknown version or command")
    if length > VERSION_2_OCTETS:
        raise PrefaceInvalid("too long")
    if len(buffer) < FRONT.size + length:
        return None
    body, rest = buffer[FRONT.size : FRONT.size + length], buffer[FRONT.size + length :]
    if command == LOCAL or family in WITHOUT_ADDRESS:
        return Preface(None, rest)
    if family not in (TCP_4, TCP_6):
        raise PrefaceInvalid("neither TCP over IPv4 nor over IPv6")
    octets = 4 if family == TCP_4 else 16
    if length < 2 * octets + 4:
        raise PrefaceInvalid("too short for its addresses")
    (port,) = struct.unpack_from("!H", body, 2 * octets)
    return Preface(Endpoint(str(ip_address(body[:octets])), port), rest)
