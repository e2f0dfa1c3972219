"""A webhook's request over real TLS: what arrives, whom it trusts, where it does not go."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator

import pytest
import trustme
from dnslookup import Resolver, parse_servers
from mta_queue.adapters.https import Https
from mta_queue.adapters.posting import HttpsPost
from mta_queue.edge.webhooks import NotHeard

from tests.support.dnsserver import DnsServer

HOST = "hooks.example.com"
BODY = json.dumps({"events": []}).encode()
FIELDS = [("Content-Type", "application/json"), ("Posthouse-Signature", "t=1,v1=abc")]


class Ear:
    """An HTTPS server that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.answer = b"HTTP/1.1 204 No Content\r\n\r\n"
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heard.append(head + await reader.readexactly(len(BODY)))
        writer.write(self.answer)
        await writer.drain()
        writer.close()

    def post(self, dns: DnsServer, authority: trustme.CA, *, allow_private: bool = True) -> HttpsPost:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        resolver = Resolver(parse_servers(dns.address))
        return HttpsPost(Https(resolver, context, allow_private=allow_private, port=self.port))


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def ear(authority: trustme.CA) -> AsyncIterator[Ear]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST).configure_cert(context)
    made = Ear()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


async def test_what_arrives(ear: Ear, authority: trustme.CA) -> None:
    with DnsServer() as dns:
        dns.set(HOST, "A", "127.0.0.1")
        post = ear.post(dns, authority)
        assert await post(HOST, "/mail?a=b", BODY, FIELDS) == 204
        # Whatever it says: it is not followed.
        ear.answer = b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"
        assert await post(HOST, "/mail", BODY, FIELDS) == 302
    head, _, body = ear.heard[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /mail?a=b HTTP/1.1\r\n")
    assert b"\r\nHost: hooks.example.com" in head
    assert b"\r\nPosthouse-Signature: t=1,v1=abc" in head
    assert body == BODY
    assert len(ear.heard) == 2


async def test_where_it_does_not_go(ear: Ear, authority: trustme.CA) -> None:
    with DnsServer() as dns:
        for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254"):
            dns.set(HOST, "A", address)
            with pytest.raises(NotHeard, match="no public address"):
                await ear.post(dns, authority, allow_private=False)(HOST, "/", BODY, FIELDS)
        dns.set(HOST, "A", "127.0.0.1")
        with pytest.raises(NotHeard):
            await ear.post(dns, trustme.CA())(HOST, "/", BODY, FIELDS)
        dns.set("other.example.com", "A", "127.0.0.1")
        with pytest.raises(NotHeard):
            await ear.post(dns, authority)("other.example.com", "/", BODY, FIELDS)
        with pytest.raises(NotHeard):
            await ear.post(dns, authority)("nowhere.example.com", "/", BODY, FIELDS)
    assert ear.heard == []
