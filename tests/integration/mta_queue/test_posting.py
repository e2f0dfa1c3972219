"""A webhook's request over real TLS: what arrives, whom it trusts, where it does not go."""

import asyncio
import contextlib
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


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 60_000 + b"\r\n.\r\n" * 2,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
    ],
    ids=["hints", "chunks", "fields"],
)
async def test_who_never_comes_to_the_point_is_not_listened_to(
    ear: Ear, authority: trustme.CA, answer: bytes
) -> None:
    ear.answer = answer
    with DnsServer() as dns:
        dns.set(HOST, "A", "127.0.0.1")
        with pytest.raises(NotHeard):
            await ear.post(dns, authority)(HOST, "/", BODY, FIELDS)


async def test_more_than_there_is_to_say_ends_it_though_it_goes_on(ear: Ear, authority: trustme.CA) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            while not writer.is_closing():
                writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
                await writer.drain()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(HOST).configure_cert(context)
    server = await asyncio.start_server(endless, "127.0.0.1", 0, ssl=context)
    ear.port = server.sockets[0].getsockname()[1]
    async with server, asyncio.timeout(10):
        with DnsServer() as dns:
            dns.set(HOST, "A", "127.0.0.1")
            with pytest.raises(NotHeard, match="more than it has to say"):
                await ear.post(dns, authority)(HOST, "/", BODY, FIELDS)


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
