"""HTTPS with strangers: one request, one answer, each with limits.

Where a name leads is asked of our own DNS, private addresses are not connected to, the certificate must be for the
name, redirects are not followed (RFC 8461 §3.3), and nothing is kept between requests.
"""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass

import h11
from dnslookup import DnsUnavailable, NoSuchDomain, Resolver
from servicekit.addresses import is_public

READ_OCTETS = 65_536
READ_PIECE_OCTETS = 16_384
ADDRESSES_TRIED = 4
AGENT = "posthouse"
# Around what is asked for: fields, the lengths of chunks. Who sends more keeps us busy with nothing.
AROUND_OCTETS = 128 * 1024


class HttpsFailed(Exception):
    """No answer that can be used."""


class CertificateInvalid(HttpsFailed):
    """The host did not show that it is who it should be."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `media_type` in lower case, without its parameters."""

    status: int
    media_type: str
    body: bytes


class Https:
    """For one process. `port` is 443, except in tests."""

    def __init__(
        self,
        resolver: Resolver,
        context: ssl.SSLContext,
        *,
        allow_private: bool,
        port: int = 443,
        seconds: float = 60.0,
    ) -> None:
        self._resolver = resolver
        self._context = context
        self._allow_private = allow_private
        self._port = port
        self._seconds = seconds

    async def get(self, host: str, target: str, octets_most: int) -> Answer:
        """Raises HttpsFailed."""
        return await self._exchange(host, "GET", target, [], b"", octets_most)

    async def post(
        self, host: str, target: str, body: bytes, headers: list[tuple[str, str]], octets_most: int = 4096
    ) -> Answer:
        """Of the answer only the first octets are looked at. Raises HttpsFailed."""
        return await self._exchange(host, "POST", target, headers, body, octets_most)

    async def _exchange(
        self,
        host: str,
        method: str,
        target: str,
        headers: list[tuple[str, str]],
        body: bytes,
        octets_most: int,
    ) -> Answer:
        try:
            async with asyncio.timeout(self._seconds):
                reader, writer = await self._connect(host)
                try:
                    return await _talk(reader, writer, host, method, target, headers, body, octets_most)
                finally:
                    writer.close()
                    with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
                        async with asyncio.timeout(1.0):
                            await writer.wait_closed()
                    # Who does not say goodbye is not waited for.
                    writer.transport.abort()
        except TimeoutError as error:
            raise HttpsFailed(f"{host} did not answer within {self._seconds:g} s") from error
        except (OSError, h11.ProtocolError) as error:
            raise HttpsFailed(f"{host}: {error}") from error

    async def _connect(self, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            addresses = await self._resolver.addresses(host)
        except (NoSuchDomain, DnsUnavailable) as error:
            raise HttpsFailed(str(error)) from error
        allowed = [each for each in addresses if self._allow_private or is_public(each)]
        if not allowed:
            raise HttpsFailed(f"{host} has no public address")
        failure = ""
        for address in allowed[:ADDRESSES_TRIED]:
            try:
                return await asyncio.open_connection(
                    address, self._port, ssl=self._context, server_hostname=host, limit=READ_OCTETS
                )
            except ssl.SSLCertVerificationError as error:
                raise CertificateInvalid(f"{host}: {error.verify_message}") from error
            except OSError as error:
                failure = f"{address}: {error.strerror or error}"
        raise HttpsFailed(f"no connection to {host}: {failure}")


async def _talk(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    host: str,
    method: str,
    target: str,
    headers: list[tuple[str, str]],
    body: bytes,
    octets_most: int,
) -> Answer:
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=READ_OCTETS)
    fields = [("Host", host), ("User-Agent", AGENT), ("Connection", "close"), *headers]
    if body:
        fields.append(("Content-Length", str(len(body))))
    request = h11.Request(method=method, target=target, headers=fields)
    for part in (request, h11.Data(data=body), h11.EndOfMessage()):
        writer.write(connection.send(part) or b"")
    await writer.drain()
    status, media_type, received = 0, "", bytearray()
    allowed = 2 * octets_most + AROUND_OCTETS
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(READ_PIECE_OCTETS)
            allowed -= len(data)
            if allowed < 0:
                raise HttpsFailed(f"{host} sends more than it has to say")
            connection.receive_data(data)
        elif isinstance(event, h11.Response):
            status = event.status_code
            values = [value for name, value in event.headers if name == b"content-type"]
            media_type = values[0].decode("latin-1").partition(";")[0].strip().lower() if values else ""
        elif isinstance(event, h11.Data):
            received += event.data
            if len(received) > octets_most:
                if method == "GET":
                    raise HttpsFailed(f"{host} sends more than {octets_most} octets")
                return Answer(status, media_type, bytes(received[:octets_most]))
        elif isinstance(event, h11.EndOfMessage):
            return Answer(status, media_type, bytes(received))
        elif not isinstance(event, h11.InformationalResponse):
            raise HttpsFailed(f"{host} ended the connection")
