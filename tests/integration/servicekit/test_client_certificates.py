"""Clients that show a certificate, over real TLS: who is believed, and that the name which they ask for changes nothing."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import structlog
import trustme
from servicekit.certificates import Certificates, Pair
from servicekit.tcp import Connection, Listener

HOSTS = ("mail.example.test", "other.example.test")


class Server:
    """Answers each connection with the certificate that it was shown."""

    def __init__(self, folder: Path) -> None:
        self.clients = trustme.CA()
        self.servers = trustme.CA()
        self._folder = folder
        for host in HOSTS:
            issued = self.servers.issue_cert(host)
            issued.cert_chain_pems[0].write_to_path(folder / f"{host}.crt")
            issued.private_key_pem.write_to_path(folder / f"{host}.key")
        self.clients.cert_pem.write_to_path(folder / "clients.pem.txt")

    async def start(
        self, context: Callable[[Certificates], ssl.SSLContext] = Certificates.users_context
    ) -> Listener:
        pair = Pair(self._folder / f"{HOSTS[0]}.crt", self._folder / f"{HOSTS[0]}.key")
        certificates = Certificates(pair, self._folder, self._folder / "clients.pem.txt")

        async def tell(connection: Connection) -> None:
            connection.write(connection.peer_certificate or b"nobody")
            await connection.drain()

        listener = Listener(
            "t", tell, asyncio.Event(), structlog.get_logger(), max_connections=10, overflow=b""
        )
        await listener.start("127.0.0.1", 0, context(certificates))
        return listener

    async def ask(self, port: int, host: str, shown: trustme.LeafCert | None) -> bytes:
        context = ssl.create_default_context()
        self.servers.configure_trust(context)
        if shown is not None:
            shown.configure_cert(context)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
        try:
            return await reader.read()
        finally:
            writer.close()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Server, int]]:
    server = Server(tmp_path)
    listener = await server.start()
    yield server, listener.port
    listener.stop_accepting()
    await listener.wait_until_idle(5)


@pytest.mark.parametrize("host", HOSTS)
async def test_who_shows_one_is_known_by_it(served: tuple[Server, int], host: str) -> None:
    server, port = served
    issued = server.clients.issue_cert("alice@example.test")
    der = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
    assert await server.ask(port, host, issued) == der
    assert await server.ask(port, host, None) == b"nobody"


@pytest.mark.parametrize("host", HOSTS)
async def test_what_another_authority_made_ends_the_handshake(served: tuple[Server, int], host: str) -> None:
    server, port = served
    forged = trustme.CA().issue_cert("alice@example.test")
    try:
        answer = await server.ask(port, host, forged)
    except (ssl.SSLError, ConnectionError):
        answer = b""
    assert answer == b"", "it was let in"


async def test_the_door_for_other_systems_asks_nobody(tmp_path: Path) -> None:
    """What a mail system shows may be of any authority: its handshake must not fail for that."""
    server = Server(tmp_path)
    listener = await server.start(Certificates.context)
    try:
        assert await server.ask(listener.port, HOSTS[0], trustme.CA().issue_cert("mx.example")) == b"nobody"
    finally:
        listener.stop_accepting()
        await listener.wait_until_idle(5)
