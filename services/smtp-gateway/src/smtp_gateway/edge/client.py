"""Who is at the other end: the peer of the connection, or whom a proxy that we trust speaks for."""

import ssl
from dataclasses import dataclass, replace

from mailproto.proxy import PrefaceInvalid, PrefaceReader
from mailproto.smtp.xclient import ClientTold
from servicekit import logs
from servicekit.tcp import Connection

from smtp_gateway.core.addresses import parsed
from smtp_gateway.edge.needs import Needs

LOG = logs.logger("smtp_gateway.client")


@dataclass(frozen=True, slots=True)
class Client:
    """`name` is "" where nobody told it. `early` is what came behind a proxy's preface."""

    host: str
    port: int
    name: str = ""
    early: bytes = b""

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine."""
        address = parsed(self.host)
        return address is not None and address.is_loopback

    def told(self, told: ClientTold) -> "Client":
        """The same with what XCLIENT said. A new address has no name of the old one."""
        changed = replace(self, early=b"")
        if told.address is not None:
            changed = Client(told.address, 0)
        if told.port is not None:
            changed = replace(changed, port=told.port)
        return changed if told.name is None else replace(changed, name=told.name)


async def introduce(
    needs: Needs, connection: Connection, implicit_tls: ssl.SSLContext | None
) -> Client | None:
    """The client; of a listed proxy the one that its preface names. None where the preface did not come as it must.

    With `implicit_tls` TLS is begun then, where the listener has not done that itself.
    """
    client = await _introduced(needs, connection)
    if client is not None and implicit_tls is not None and not connection.is_tls:
        await connection.begin_tls(implicit_tls, client.early)
        return replace(client, early=b"")
    return client


async def _introduced(needs: Needs, connection: Connection) -> Client | None:
    peer = Client(connection.peer_host, connection.peer_port)
    if connection.is_tls or connection.peer_host not in needs.proxies:
        return peer
    reader = PrefaceReader()
    deadline = needs.clock() + needs.settings.proxy_seconds
    try:
        while (left := deadline - needs.clock()) > 0:
            data = await connection.read(left)
            if not data:
                return None
            preface = reader.feed(data)
            if preface is None:
                continue
            if preface.source is None:
                return replace(peer, early=preface.rest)
            return Client(preface.source.host, preface.source.port, early=preface.rest)
    except (PrefaceInvalid, TimeoutError) as error:
        LOG.warning("proxy_preface_refused", proxy=connection.peer_host, error=str(error))
        return None
    LOG.warning("proxy_preface_refused", proxy=connection.peer_host, error="too slow")
    return None
