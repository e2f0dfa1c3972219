"""Relay against real sockets, DNS and S3: every class of reply, TLS, hosts that are away."""

import asyncio
import hashlib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
import trustme
from blobstore import BlobStore, BodyReference
from dnslookup import Resolver, parse_servers
from mailmsg.facts import examine
from mta_queue.adapters.relay import Relay
from mta_queue.core.outcome import Outcome, Verdict
from mta_queue.settings import Settings
from spool import Envelope, EnvelopeRecipient, Source, SpooledLetter

from tests.support.dnsserver import DnsServer
from tests.support.engines import Engines
from tests.support.sink import CLOSE, STALL, SmtpSink

CONTENT = b"Subject: over\r\n\r\n.dot\r\nbody\r\n"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def blobs(engines: Engines) -> BlobStore:
    return engines.seaweed.store()


async def letter(blobs: BlobStore, *recipients: str, content: bytes = CONTENT) -> SpooledLetter:
    key = f"mail/test/{uuid4()}"
    await blobs.put(key, (content,))
    digest = hashlib.sha256(content).digest()
    return SpooledLetter(
        Envelope(
            queue_id="01J00000000000000000000000",
            tenant_id=str(uuid4()),
            reverse_path="from@ours.test",
            recipients=tuple(EnvelopeRecipient(each, each, None) for each in recipients),
            arrived_at=datetime.now(UTC),
            digest=digest,
            size_octets=len(content),
            trace_prefix=b"Received: by us\r\n",
            source=Source.SUBMISSION,
            helo="h",
            client_address="127.0.0.1",
            sender_account_id="",
            smtputf8=False,
            eight_bit=False,
        ),
        BodyReference(key, 0, len(content), digest),
        examine(content),
    )


def relay(dns: DnsServer, blobs: BlobStore, port: int, **values: object) -> Relay:
    defaults: dict[str, object] = {
        "s3_access_key_file": Path("/none"),
        "s3_secret_key_file": Path("/none"),
        "database_dsn_file": Path("/none"),
        "hostname": "us.test",
        "smtp_port": port,
        "allow_private_destinations": True,
        "connect_seconds": 3.0,
        "reply_seconds": 2.0,
    }
    resolver = Resolver(parse_servers(dns.address), deadline_seconds=3.0)
    return Relay(Settings.model_validate({**defaults, **values}), resolver, blobs)


async def deliver(
    one: Relay, sent: SpooledLetter, domain: str, recipients: tuple[str, ...], route: str = ""
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    while recipients:
        delivery = await one.deliver(sent, domain, recipients, route)
        assert delivery.attempts
        outcomes += delivery.outcomes
        recipients = delivery.rest
    await one.close()
    return outcomes


def fates(outcomes: list[Outcome]) -> list[tuple[str, Verdict, str]]:
    return [(outcome.address, outcome.verdict, outcome.status) for outcome in outcomes]


async def test_a_message_arrives_octet_for_octet(dns: DnsServer, blobs: BlobStore) -> None:
    with SmtpSink() as sink:
        dns.mx("y.test", "mx.y.test")
        sent = await letter(blobs, "a@y.test", "b@y.test")
        outcomes = await deliver(relay(dns, blobs, sink.port), sent, "y.test", ("a@y.test", "b@y.test"))
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DELIVERED] * 2
    [taken] = sink.taken
    assert taken.content == b"Received: by us\r\n" + CONTENT
    assert taken.mail.startswith("MAIL FROM:<from@ours.test>")
    assert len(taken.recipients) == 2


@pytest.mark.parametrize(
    ("script", "verdict", "status"),
    [
        ({"RCPT": "550 5.1.1 nobody"}, Verdict.FAILED, "5.1.1"),
        ({"RCPT": "450 4.2.1 busy"}, Verdict.DEFERRED, "4.2.1"),
        ({"MAIL": "451 later"}, Verdict.DEFERRED, "4.0.0"),
        ({"MAIL": "550 5.7.1 not you"}, Verdict.FAILED, "5.7.1"),
        ({"DATA": "451 4.3.0 no"}, Verdict.DEFERRED, "4.3.0"),
        ({"content": "554 5.7.1 spam"}, Verdict.FAILED, "5.7.1"),
        ({"content": "452 4.3.1 full"}, Verdict.DEFERRED, "4.3.1"),
        ({"content": CLOSE}, Verdict.DEFERRED, "4.4.2"),
        ({"content": STALL}, Verdict.DEFERRED, "4.4.2"),
        ({"greeting": "554 go away"}, Verdict.DEFERRED, "4.3.2"),
        ({"greeting": "421 busy"}, Verdict.DEFERRED, "4.3.2"),
        ({"greeting": CLOSE}, Verdict.DEFERRED, "4.4.2"),
        ({"greeting": STALL}, Verdict.DEFERRED, "4.4.2"),
        ({"greeting": "what is this"}, Verdict.DEFERRED, "4.3.2"),
        ({"MAIL": "421 4.3.2 closing"}, Verdict.DEFERRED, "4.3.2"),
    ],
    ids=lambda value: "-".join(f"{k}:{v[:3]}" for k, v in value.items()) if isinstance(value, dict) else None,
)
async def test_each_class_of_reply(
    dns: DnsServer, blobs: BlobStore, script: dict[str, str], verdict: Verdict, status: str
) -> None:
    with SmtpSink(script=dict(script)) as sink:
        dns.mx("y.test", "mx.y.test")
        sent = await letter(blobs, "a@y.test")
        outcomes = await deliver(relay(dns, blobs, sink.port), sent, "y.test", ("a@y.test",))
    assert fates(outcomes) == [("a@y.test", verdict, status)]
    assert sink.taken == []


async def test_a_host_that_is_away_is_passed_over(dns: DnsServer, blobs: BlobStore) -> None:
    with SmtpSink(host="127.0.0.3") as sink:
        dns.set("y.test", "MX", "10 away.y.test.", "20 here.y.test.", "30 missing.y.test.")
        dns.set("away.y.test", "A", "127.0.0.2")
        dns.set("here.y.test", "A", "127.0.0.3")
        sent = await letter(blobs, "a@y.test")
        [outcome] = await deliver(relay(dns, blobs, sink.port), sent, "y.test", ("a@y.test",))
    assert (outcome.verdict, outcome.host) == (Verdict.DELIVERED, "here.y.test")


async def test_without_an_mx_the_domain_itself_is_the_host(dns: DnsServer, blobs: BlobStore) -> None:
    with SmtpSink() as sink:
        dns.set("y.test", "A", "127.0.0.1")
        sent = await letter(blobs, "a@y.test")
        [outcome] = await deliver(relay(dns, blobs, sink.port), sent, "y.test", ("a@y.test",))
    assert outcome.verdict is Verdict.DELIVERED


async def test_what_dns_says_of_mail_that_can_never_go(dns: DnsServer, blobs: BlobStore) -> None:
    dns.set("null.test", "MX", "0 .")
    dns.set("bare.test", "TXT", '"nothing"')
    dns.failing.add("broken.test")
    sent = await letter(blobs, "a@null.test")
    one = relay(dns, blobs, 1)
    for domain, verdict, status in (
        ("null.test", Verdict.FAILED, "5.1.10"),
        ("nowhere.test", Verdict.FAILED, "5.1.2"),
        ("bare.test", Verdict.FAILED, "5.1.2"),
        ("broken.test", Verdict.DEFERRED, "4.4.3"),
    ):
        outcomes = await deliver(one, sent, domain, (f"a@{domain}",))
        assert fates(outcomes) == [(f"a@{domain}", verdict, status)]


async def test_a_domain_that_names_hundreds_of_hosts_costs_few_questions(
    dns: DnsServer, blobs: BlobStore
) -> None:
    dns.set("y.test", "MX", *(f"{number} h{number}.y.test." for number in range(1, 300)))
    sent = await letter(blobs, "a@y.test")
    [outcome] = await deliver(relay(dns, blobs, 9), sent, "y.test", ("a@y.test",))
    assert outcome.verdict is Verdict.DEFERRED
    assert len({name for name, kind in dns.questions if kind == "A"}) <= 20


async def test_an_mx_inside_is_not_connected_to(dns: DnsServer, blobs: BlobStore) -> None:
    with SmtpSink() as sink:
        dns.mx("y.test", "mx.y.test")
        sent = await letter(blobs, "a@y.test")
        careful = relay(dns, blobs, sink.port, allow_private_destinations=False)
        [outcome] = await deliver(careful, sent, "y.test", ("a@y.test",))
    assert outcome.verdict is Verdict.DEFERRED
    assert sink.sessions == []


async def test_starttls_where_it_is_offered(dns: DnsServer, blobs: BlobStore) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("mx.y.test").configure_cert(context)
    with SmtpSink(tls=context) as sink:
        dns.mx("y.test", "mx.y.test")
        sent = await letter(blobs, "a@y.test")
        [outcome] = await deliver(relay(dns, blobs, sink.port), sent, "y.test", ("a@y.test",))
    assert outcome.verdict is Verdict.DELIVERED
    assert [taken.over_tls for taken in sink.taken] == [True]


async def test_a_large_message_and_many_recipients(dns: DnsServer, blobs: BlobStore) -> None:
    content = b"Subject: big\r\n\r\n" + b"0123456789abcdef\r\n" * 400_000
    recipients = tuple(f"u{number}@y.test" for number in range(250))
    with SmtpSink() as sink:
        dns.mx("y.test", "mx.y.test")
        sent = await letter(blobs, *recipients, content=content)
        outcomes = await deliver(relay(dns, blobs, sink.port, reply_seconds=20.0), sent, "y.test", recipients)
    assert {outcome.verdict for outcome in outcomes} == {Verdict.DELIVERED}
    assert [len(taken.recipients) for taken in sink.taken] == [100, 100, 50]
    assert all(taken.content.endswith(content) for taken in sink.taken)


async def test_a_message_altered_at_rest_is_not_sent(dns: DnsServer, blobs: BlobStore) -> None:
    with SmtpSink() as sink:
        dns.mx("y.test", "mx.y.test")
        sent = await letter(blobs, "a@y.test")
        await blobs.put(sent.body.object_key, (CONTENT.replace(b"body", b"bode"),))
        [outcome] = await deliver(relay(dns, blobs, sink.port), sent, "y.test", ("a@y.test",))
        await asyncio.sleep(0.1)
    assert outcome.verdict is Verdict.DEFERRED
    assert sink.taken == []
