"""A connection through a proxy: what is said before SMTP begins.

SOCKS5 (RFC 1928; username and password, RFC 1929): the proxy connects. HAProxy: it is told in a PROXY header, version 2,
where from and where to; it says nothing itself.
"""

import asyncio
import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import assert_never

from mailproto.smtp.client_login import Login

from mta_queue.adapters.hearing import Ear, open_connection
from mta_queue.core.egress import Proxy, ProxyKind

READ_OCTETS = 65_536
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
VERSION, NO_AUTHENTICATION, PASSWORD = 5, 0, 2
REPLIES = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}


class ProxyRefused(OSError):
    """The proxy does not do it, or is none."""


class ProxyAway(OSError):
    """Nobody is there: that says nothing of the destination."""


def proxy_header(source: str, destination: str, port: int) -> bytes:
    """PROXY protocol §2.2: from an address of ours, with whichever port."""
    here, there = ip_address(source), ip_address(destination)
    family = b"\x11" if there.version == 4 else b"\x21"
    addresses = here.packed + there.packed + struct.pack(">HH", 0, port)
    return SIGNATURE + b"\x21" + family + struct.pack(">H", len(addresses)) + addresses


async def socks5(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    destination: str,
    port: int,
    login: Login | None,
) -> None:
    """Have it connect. Raises ProxyRefused, OSError."""
    method = PASSWORD if login is not None else NO_AUTHENTICATION
    writer.write(bytes((VERSION, 1, method)))
    try:
        version, chosen = await reader.readexactly(2)
        if version != VERSION or chosen != method:
            raise ProxyRefused("the SOCKS5 proxy does not let us in")
        if login is not None:
            username, password = login.username.encode()[:255], login.password.encode()[:255]
            writer.write(bytes((1, len(username))) + username + bytes((len(password),)) + password)
            _, status = await reader.readexactly(2)
            if status != 0:
                raise ProxyRefused("the SOCKS5 proxy refuses our password")
        there = ip_address(destination)
        kind = 1 if there.version == 4 else 4
        writer.write(bytes((VERSION, 1, 0, kind)) + there.packed + struct.pack(">H", port))
        version, status, _, bound = await reader.readexactly(4)
        if version != VERSION or status != 0:
            raise ProxyRefused(f"the SOCKS5 proxy says: {REPLIES.get(status, 'no')}")
        if bound not in (1, 3, 4):
            raise ProxyRefused("the SOCKS5 proxy answers nonsense")
        length = (await reader.readexactly(1))[0] if bound == 3 else {1: 4, 4: 16}[bound]
        await reader.readexactly(length + 2)
    except asyncio.IncompleteReadError as error:
        raise ProxyRefused("the SOCKS5 proxy closed the connection") from error


@dataclass(frozen=True, slots=True)
class WayOut:
    """From where, and through what."""

    local_address: str = ""
    proxy: Proxy | None = None
    login: Login | None = None


DIRECT = WayOut()


async def connect(address: str, port: int, out: WayOut) -> tuple[Ear, asyncio.StreamWriter]:
    """A connection that SMTP may begin on. Raises OSError."""
    local = (out.local_address, 0) if out.local_address else None
    if out.proxy is None:
        return await open_connection(address, port, limit=READ_OCTETS, local_addr=local)
    proxy = out.proxy
    try:
        # HAProxy takes our address from the header, and is itself reached as the system does.
        from_here = local if proxy.kind is ProxyKind.SOCKS5 else None
        reader, writer = await open_connection(
            proxy.host, proxy.port, limit=READ_OCTETS, local_addr=from_here
        )
    except OSError as error:
        raise ProxyAway(f"the proxy {proxy.host}:{proxy.port}: {error.strerror or error}") from error
    try:
        match proxy.kind:
            case ProxyKind.SOCKS5:
                await socks5(reader, writer, address, port, out.login)
            case ProxyKind.HAPROXY:
                writer.write(proxy_header(out.local_address, address, port))
            case _:
                assert_never(proxy.kind)
    except BaseException:
        writer.close()
        raise
    return reader, writer
