"""Binary and 8-bit mail to systems that take less: converted on the way, or told why not."""

import email
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from blobstore import BlobStore
from dnslookup import Resolver, parse_servers
from mailmsg.downgrade import is_seven_bit
from mta_queue.adapters.relay import Relay
from mta_queue.core.outcome import Outcome, Verdict
from mta_queue.settings import Settings

from tests.integration.mta_queue.test_relay import letter
from tests.support.dnsserver import DnsServer
from tests.support.engines import Engines
from tests.support.sink import SmtpSink

PICTURE = bytes(range(256)) * 40
BINARY = (
    b"MIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n" + PICTURE
)
UMLAUTS = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGrüße an alle\r\n".encode()
HEADER = "Subject: Grüße\r\n\r\nx\r\n".encode()
OLD = "250-sink.test\r\n250 SIZE 60000000"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        server.mx("y.test", "mx.y.test")
        yield server


@pytest.fixture
def blobs(engines: Engines) -> BlobStore:
    return engines.seaweed.store()


async def send(dns: DnsServer, blobs: BlobStore, sink: SmtpSink, content: bytes, *, binary: bool) -> Outcome:
    nowhere = Path("/none")
    settings = Settings(
        s3_access_key_file=nowhere,
        s3_secret_key_file=nowhere,
        database_dsn_file=nowhere,
        hostname="us.test",
        smtp_port=sink.port,
        allow_private_destinations=True,
        reply_seconds=3.0,
    )
    relay = Relay(settings, Resolver(parse_servers(dns.address), deadline_seconds=3.0), blobs)
    sent = await letter(blobs, "a@y.test", content=content)
    sent = replace(sent, envelope=replace(sent.envelope, eight_bit=True, binary=binary))
    [outcome] = (await relay.deliver(sent, "y.test", ("a@y.test",))).outcomes
    await relay.close()
    return outcome


@pytest.mark.parametrize(
    ("content", "binary", "ehlo"),
    [
        (BINARY, True, OLD),
        (BINARY, True, "250-sink.test\r\n250-8BITMIME\r\n250-CHUNKING\r\n250 SIZE 60000000"),
        (UMLAUTS, False, OLD),
        (UMLAUTS, False, "250 sink.test"),
    ],
)
async def test_it_arrives_in_7_bits_and_means_the_same(
    dns: DnsServer, blobs: BlobStore, content: bytes, binary: bool, ehlo: str
) -> None:
    with SmtpSink(script={"EHLO": ehlo}) as sink:
        assert (await send(dns, blobs, sink, content, binary=binary)).verdict is Verdict.DELIVERED
    [taken] = sink.taken
    assert "BODY" not in taken.mail
    received = taken.content.removeprefix(b"Received: by us\r\n")
    assert is_seven_bit(received)
    assert email.message_from_bytes(received).get_payload(decode=True) == email.message_from_bytes(
        content
    ).get_payload(decode=True)


async def test_who_takes_8_bits_gets_them(dns: DnsServer, blobs: BlobStore) -> None:
    with SmtpSink() as sink:
        assert (await send(dns, blobs, sink, UMLAUTS, binary=False)).verdict is Verdict.DELIVERED
    [taken] = sink.taken
    assert "BODY=8BITMIME" in taken.mail
    assert taken.content.endswith(UMLAUTS)


async def test_what_cannot_be_converted_comes_back(dns: DnsServer, blobs: BlobStore) -> None:
    with SmtpSink(script={"EHLO": OLD}) as sink:
        outcome = await send(dns, blobs, sink, HEADER, binary=False)
    assert (outcome.verdict, outcome.status) == (Verdict.FAILED, "5.6.3")
    assert "not ASCII" in outcome.reply.text
    assert sink.taken == []
