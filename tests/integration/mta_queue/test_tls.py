"""What TLS a host must show: DANE, rules, the wishes of a message; and what history and reports say of it."""

import asyncio
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trustme
import uvloop
from blobstore import BlobStore
from dnslookup import Resolver, parse_servers
from mailproto.smtp.wishes import TlsWish, Wishes
from mta_queue.adapters.relay import Relay
from mta_queue.core.attempt import Delivery
from mta_queue.core.outcome import Verdict
from mta_queue.core.tls import Fault, Minimum, PolicyKind, Published
from mta_queue.core.way import Way
from mta_queue.settings import Settings
from senderauth.mtasts import StsMode, StsPolicy
from spool import SpooledLetter

from tests.integration.mta_queue.test_relay import letter
from tests.support.certificates import dane_ee, dane_ta, expired, server_context, write_authority
from tests.support.dnsserver import DnsServer
from tests.support.engines import Engines
from tests.support.sink import SmtpSink

HOST = "mx.y.test"
OURS = trustme.CA()
STRANGER = trustme.CA()
GOOD = OURS.issue_cert(HOST)
OTHER_NAME = OURS.issue_cert("other.test")
OLD = expired(OURS, HOST)
UNKNOWN = STRANGER.issue_cert(HOST)


@dataclass
class Counted:
    """What would be reported."""

    rows: list[tuple[PolicyKind, str]] = field(default_factory=list)

    def add(
        self,
        published: Published,
        fault: Fault | None,
        host: str,
        address: str = "",
        *,
        local_address: str = "",
        detail: str = "",
    ) -> None:
        self.rows.append((published.kind, fault.value if fault is not None else ""))


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        server.signed = {"y.test"}
        server.mx("y.test", HOST)
        yield server


@pytest.fixture
def blobs(engines: Engines) -> BlobStore:
    return engines.seaweed.store()


class World:
    """A relay that trusts one authority and a resolver."""

    def __init__(self, dns: DnsServer, blobs: BlobStore, folder: Path) -> None:
        self.dns, self.blobs, self.folder = dns, blobs, folder
        self.counted = Counted()
        self.minimum = Minimum.OPPORTUNISTIC
        self.sts: StsPolicy | None = None
        self.validates = True

    async def _policy(self, domain: str) -> StsPolicy | None:
        return self.sts

    async def send(self, sink: SmtpSink, sent: SpooledLetter | None = None) -> Delivery:
        nowhere = Path("/none")
        settings = Settings(
            s3_access_key_file=nowhere,
            s3_secret_key_file=nowhere,
            database_dsn_file=nowhere,
            hostname="us.test",
            smtp_port=sink.port,
            allow_private_destinations=True,
            connect_seconds=3.0,
            reply_seconds=2.0,
            tls_authorities_file=write_authority(OURS, self.folder),
        )
        resolver = Resolver(
            parse_servers(self.dns.address), deadline_seconds=3.0, servers_validate=self.validates
        )
        relay = Relay(
            settings,
            resolver,
            self.blobs,
            sts=self._policy,
            way_of=lambda tenant_id, domain: Way(minimum=self.minimum),
            results=self.counted,
        )
        delivery = await relay.deliver(sent or await letter(self.blobs, "a@y.test"), "y.test", ("a@y.test",))
        await relay.close()
        return delivery


@pytest.fixture
def world(dns: DnsServer, blobs: BlobStore, tmp_path: Path) -> World:
    return World(dns, blobs, tmp_path)


def shown(delivery: Delivery) -> tuple[Verdict, str]:
    """What became of it, and the words of history on TLS without the version."""
    return delivery.outcomes[0].verdict, delivery.attempts[-1].tls.partition(" ")[2]


def sts(mode: StsMode, *hosts: str) -> StsPolicy:
    return StsPolicy(mode, 86_400, hosts or (HOST,))


@pytest.mark.parametrize(
    ("leaf", "record", "verdict", "words", "counted"),
    [
        (GOOD, dane_ee(GOOD), Verdict.DELIVERED, "dane", ""),
        (UNKNOWN, dane_ee(UNKNOWN), Verdict.DELIVERED, "dane", ""),
        (OLD, dane_ee(OLD), Verdict.DELIVERED, "dane", ""),
        (OTHER_NAME, dane_ee(OTHER_NAME), Verdict.DELIVERED, "dane", ""),
        (GOOD, dane_ee(OTHER_NAME), Verdict.DEFERRED, "", "validation-failure"),
        (GOOD, dane_ta(STRANGER), Verdict.DEFERRED, "", "validation-failure"),
        # Usages 0 and 1 mean nothing here: TLS, whoever's.
        (UNKNOWN, "1 1 1 " + "ab" * 32, Verdict.DELIVERED, "unverified", ""),
    ],
    ids=["good", "no-authority", "expired", "other-name", "mismatch", "other-authority", "unusable"],
)
async def test_dane_decides(
    world: World, leaf: trustme.LeafCert, record: str, verdict: Verdict, words: str, counted: str
) -> None:
    with SmtpSink(tls=server_context(leaf)) as sink:
        world.dns.set(f"_{sink.port}._tcp.{HOST}", "TLSA", record)
        delivery = await world.send(sink)
    assert shown(delivery) == (verdict, words)
    assert world.counted.rows == [(PolicyKind.TLSA, counted)]
    assert len(sink.taken) == (verdict is Verdict.DELIVERED)


async def test_dane_ta_by_the_authority_that_the_host_sends(world: World) -> None:
    chain = trustme.CA()
    leaf = chain.issue_cert(HOST)
    context = server_context(leaf)
    pem = world.folder / "chain.pem"
    pem.write_bytes(leaf.private_key_pem.bytes() + leaf.cert_chain_pems[0].bytes() + chain.cert_pem.bytes())
    context.load_cert_chain(pem)
    with SmtpSink(tls=context) as sink:
        world.dns.set(f"_{sink.port}._tcp.{HOST}", "TLSA", dane_ta(chain))
        assert shown(await world.send(sink)) == (Verdict.DELIVERED, "dane")


async def test_with_dane_there_is_no_mail_in_clear(world: World) -> None:
    with SmtpSink() as sink:
        world.dns.set(f"_{sink.port}._tcp.{HOST}", "TLSA", dane_ee(GOOD))
        delivery = await world.send(sink)
    assert delivery.outcomes[0].status == "4.7.5"
    assert sink.taken == []
    assert world.counted.rows == [(PolicyKind.TLSA, "starttls-not-supported")]


async def test_records_that_cannot_be_had_stop_the_mail(world: World) -> None:
    with SmtpSink(tls=server_context(GOOD)) as sink:
        world.dns.failing.add(f"_{sink.port}._tcp.{HOST}")
        delivery = await world.send(sink)
    assert delivery.outcomes[0].status == "4.7.5"
    assert sink.sessions == []
    assert world.counted.rows == [(PolicyKind.TLSA, "dnssec-invalid")]


@pytest.mark.parametrize("lacks", ["mx", "host", "validation"])
async def test_without_dnssec_there_is_no_dane(world: World, lacks: str) -> None:
    world.dns.mx("y.test", "mx.z.test")
    world.dns.signed = {"mx": {"z.test"}, "host": {"y.test"}, "validation": {"y.test", "z.test"}}[lacks]
    world.validates = lacks != "validation"
    with SmtpSink(tls=server_context(UNKNOWN)) as sink:
        world.dns.set(f"_{sink.port}._tcp.mx.z.test", "TLSA", dane_ee(GOOD))
        assert shown(await world.send(sink)) == (Verdict.DELIVERED, "unverified")


@pytest.mark.parametrize("signed", [{"y.test", "z.test"}, {"y.test"}], ids=["chain", "first-only"])
async def test_names_behind_an_alias(world: World, signed: set[str]) -> None:
    """RFC 7672 §2.2.2: the canonical name where the whole chain is vouched for, else the first."""
    world.dns.set(HOST, "A")
    world.dns.set(HOST, "CNAME", "real.z.test.")
    world.dns.set("real.z.test", "A", "127.0.0.1")
    world.dns.signed = signed
    with SmtpSink(tls=server_context(GOOD)) as sink:
        world.dns.set(f"_{sink.port}._tcp.real.z.test", "TLSA", dane_ee(GOOD))
        world.dns.set(f"_{sink.port}._tcp.{HOST}", "TLSA", dane_ee(OTHER_NAME))
        delivery = await world.send(sink)
    assert delivery.outcomes[0].verdict is (Verdict.DELIVERED if len(signed) == 2 else Verdict.DEFERRED)


@pytest.mark.parametrize(
    ("leaf", "fault"),
    [
        (GOOD, ""),
        (OTHER_NAME, "certificate-host-mismatch"),
        (OLD, "certificate-expired"),
        (UNKNOWN, "certificate-not-trusted"),
        (None, "starttls-not-supported"),
    ],
    ids=["good", "other-name", "expired", "stranger", "no-tls"],
)
@pytest.mark.parametrize("mode", [StsMode.ENFORCE, StsMode.TESTING])
async def test_mta_sts(world: World, leaf: trustme.LeafCert | None, fault: str, mode: StsMode) -> None:
    world.sts = sts(mode)
    with SmtpSink(tls=server_context(leaf) if leaf is not None else None) as sink:
        delivery = await world.send(sink)
    is_sent = not fault or mode is StsMode.TESTING
    assert delivery.outcomes[0].verdict is (Verdict.DELIVERED if is_sent else Verdict.DEFERRED)
    assert len(sink.taken) == is_sent
    assert world.counted.rows == [(PolicyKind.STS, fault)]
    if not fault:
        assert shown(delivery) == (Verdict.DELIVERED, "verified")
    if leaf is not None and is_sent:
        assert sink.taken[0].over_tls


@pytest.mark.parametrize("mode", list(StsMode))
async def test_a_host_that_the_policy_does_not_name(world: World, mode: StsMode) -> None:
    world.sts = sts(mode, "elsewhere.test")
    with SmtpSink(tls=server_context(GOOD)) as sink:
        delivery = await world.send(sink)
    is_sent = mode is not StsMode.ENFORCE
    assert (delivery.outcomes[0].verdict is Verdict.DELIVERED, len(sink.sessions) > 0) == (is_sent, is_sent)
    kind = PolicyKind.NONE if mode is StsMode.NONE else PolicyKind.STS
    assert world.counted.rows == [(kind, "" if mode is StsMode.NONE else "validation-failure")]


async def test_dane_outranks_mta_sts(world: World) -> None:
    world.sts = sts(StsMode.ENFORCE)
    with SmtpSink(tls=server_context(UNKNOWN)) as sink:
        world.dns.set(f"_{sink.port}._tcp.{HOST}", "TLSA", dane_ee(UNKNOWN))
        assert shown(await world.send(sink)) == (Verdict.DELIVERED, "dane")
    with SmtpSink(tls=server_context(GOOD)) as sink:
        world.dns.set(f"_{sink.port}._tcp.{HOST}", "TLSA", dane_ee(UNKNOWN))
        assert (await world.send(sink)).outcomes[0].verdict is Verdict.DEFERRED


@pytest.mark.parametrize(
    ("minimum", "leaf", "verdict"),
    [
        (Minimum.OPPORTUNISTIC, None, Verdict.DELIVERED),
        (Minimum.ENCRYPTED, None, Verdict.DEFERRED),
        (Minimum.ENCRYPTED, UNKNOWN, Verdict.DELIVERED),
        (Minimum.VERIFIED, UNKNOWN, Verdict.DEFERRED),
        (Minimum.VERIFIED, GOOD, Verdict.DELIVERED),
    ],
)
async def test_what_a_rule_asks_at_least(
    world: World, minimum: Minimum, leaf: trustme.LeafCert | None, verdict: Verdict
) -> None:
    world.minimum = minimum
    with SmtpSink(tls=server_context(leaf) if leaf is not None else None) as sink:
        delivery = await world.send(sink)
    assert delivery.outcomes[0].verdict is verdict
    assert len(sink.taken) == (verdict is Verdict.DELIVERED)


async def test_a_handshake_that_fails_is_followed_by_clear_text_where_nothing_forbids_it(
    world: World,
) -> None:
    broken = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # Without a certificate.
    with SmtpSink(tls=broken) as sink:
        delivery = await world.send(sink)
        assert shown(delivery) == (Verdict.DELIVERED, "")
        assert delivery.attempts[0].reply.enhanced == "4.7.5"
        world.minimum = Minimum.ENCRYPTED
        assert (await world.send(sink)).outcomes[0].verdict is Verdict.DEFERRED


async def test_a_message_may_prefer_to_arrive(world: World) -> None:
    """RFC 8689 §5: TLS-Required: No."""
    world.sts = sts(StsMode.ENFORCE)
    sent = await letter(world.blobs, "a@y.test")
    sent = replace(sent, envelope=replace(sent.envelope, wishes=Wishes(tls=TlsWish.OPTIONAL)))
    with SmtpSink() as sink:
        world.dns.set(f"_{sink.port}._tcp.{HOST}", "TLSA", dane_ee(GOOD))
        assert shown(await world.send(sink, sent)) == (Verdict.DELIVERED, "")
    assert world.counted.rows == []


async def test_a_kept_connection_is_used_only_by_who_asks_no_more(world: World, dns: DnsServer) -> None:
    dns.mx("z.test", HOST)
    demands = {"y.test": Minimum.OPPORTUNISTIC, "z.test": Minimum.VERIFIED}
    with SmtpSink(tls=server_context(GOOD)) as sink:
        settings = Settings(
            s3_access_key_file=Path("/none"),
            s3_secret_key_file=Path("/none"),
            database_dsn_file=Path("/none"),
            smtp_port=sink.port,
            allow_private_destinations=True,
            tls_authorities_file=write_authority(OURS, world.folder),
        )
        relay = Relay(
            settings,
            Resolver(parse_servers(dns.address)),
            world.blobs,
            way_of=lambda tenant_id, domain: Way(minimum=demands[domain]),
        )
        for domain in ("y.test", "z.test", "z.test"):
            await relay.deliver(await letter(world.blobs, f"a@{domain}"), domain, (f"a@{domain}",))
        await relay.close()
    assert (len(sink.sessions), len(sink.taken)) == (2, 3)


async def test_a_connection_of_a_domain_without_a_policy_is_none_for_one_with(
    world: World, dns: DnsServer
) -> None:
    """Both are served by one host, whose certificate nobody vouches for: to one that is all the same."""
    dns.mx("z.test", HOST)
    policies = {"z.test": sts(StsMode.ENFORCE)}

    async def policy_of(domain: str) -> StsPolicy | None:
        return policies.get(domain)

    with SmtpSink(tls=server_context(UNKNOWN)) as sink:
        settings = Settings(
            s3_access_key_file=Path("/none"),
            s3_secret_key_file=Path("/none"),
            database_dsn_file=Path("/none"),
            smtp_port=sink.port,
            allow_private_destinations=True,
            tls_authorities_file=write_authority(OURS, world.folder),
        )
        relay = Relay(settings, Resolver(parse_servers(dns.address)), world.blobs, sts=policy_of)
        verdicts = []
        for domain in ("y.test", "z.test"):
            sent = await letter(world.blobs, f"a@{domain}")
            delivery = await relay.deliver(sent, domain, (f"a@{domain}",))
            verdicts.append(delivery.outcomes[0].verdict)
        await relay.close()
    assert verdicts == [Verdict.DELIVERED, Verdict.DEFERRED]
    assert [each.recipients for each in sink.taken] == [["RCPT TO:<a@y.test>"]]


async def test_mail_that_would_come_back_to_us(world: World) -> None:
    with SmtpSink() as sink:
        world.dns.set("y.test", "MX", "5 better.y.test.", "10 us.test.", "20 worse.y.test.")
        for name in ("better.y.test", "us.test", "worse.y.test"):
            world.dns.set(name, "A", "127.0.0.1")
        delivery = await world.send(sink)
        assert [attempt.host for attempt in delivery.attempts] == ["better.y.test"]
        world.dns.set("y.test", "MX", "10 us.test.", "20 worse.y.test.")
        delivery = await world.send(sink)
    assert (delivery.outcomes[0].verdict, delivery.outcomes[0].status) == (Verdict.FAILED, "5.4.6")
    assert len(sink.sessions) == 1


@pytest.mark.parametrize(
    ("leaf", "record", "mode", "verdict", "words"),
    [
        (GOOD, dane_ee(GOOD), None, Verdict.DELIVERED, "dane"),
        (GOOD, dane_ee(OTHER_NAME), None, Verdict.DEFERRED, ""),
        (GOOD, "", StsMode.ENFORCE, Verdict.DELIVERED, "verified"),
        (UNKNOWN, "", StsMode.ENFORCE, Verdict.DEFERRED, ""),
        (UNKNOWN, "", StsMode.TESTING, Verdict.DELIVERED, "unverified"),
    ],
    # The records are of keys made anew, and a test has one name in every process.
    ids=["dane", "dane-other", "sts", "sts-unknown", "sts-testing"],
)
def test_on_the_loop_that_processes_run(
    world: World, leaf: trustme.LeafCert, record: str, mode: StsMode | None, verdict: Verdict, words: str
) -> None:
    """uvloop has TLS of its own, and closes what a failed handshake leaves."""
    world.sts = sts(mode) if mode is not None else None
    with (
        SmtpSink(tls=server_context(leaf)) as sink,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        if record:
            world.dns.set(f"_{sink.port}._tcp.{HOST}", "TLSA", record)
        delivery = runner.run(world.send(sink))
    assert shown(delivery) == (verdict, words)
    expected = "2.0.0" if verdict is Verdict.DELIVERED else "4.7.5"
    assert delivery.outcomes[0].status == expected
