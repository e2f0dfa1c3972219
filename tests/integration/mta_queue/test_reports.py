"""Daily reports: counted, made once, sent to whom DNS names, by mail and HTTPS; and those that come, as figures."""

import asyncio
import gzip
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
import trustme
from blobstore import BlobStore
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from directoryclient import Disposition, Resolution, Target
from dnslookup import Resolver, parse_servers
from mailproto.smtp.wishes import TlsWish
from mta_queue.adapters.dmarc_results import DmarcResults
from mta_queue.adapters.https import Https
from mta_queue.adapters.report_reader import REPORTS_DOMAIN, ReportReader, _parsed
from mta_queue.adapters.report_store import ReportStore
from mta_queue.adapters.tls import authorities_context
from mta_queue.adapters.tls_results import TlsResults
from mta_queue.core.outcome import Verdict
from mta_queue.core.records import Caller
from mta_queue.core.report_mail import Kind, Parcel, attachments, build
from mta_queue.core.tls import Fault, PolicyKind, Published
from mta_queue.edge.reporting import Reporter, Reporting
from pgkit import OPERATOR, Pool, open_pool, transaction
from senderauth.dkim import SigningKey
from senderauth.reports import dmarc, tls, unpacked
from spool import Letter

from tests.integration.mta_queue.test_relay import letter
from tests.support.certificates import server_context, write_authority
from tests.support.dnsserver import DnsServer
from tests.support.engines import Engines
from tests.support.https_host import HttpsHost, Page

TENANT = "00000000-0000-4000-8000-00000000aaaa"
DAY = datetime(2026, 11, 20, 12, tzinfo=UTC)
NEXT_DAY = DAY + timedelta(days=1)
AUTHORITY = trustme.CA()
OPERATOR_CALLER = Caller("operator", "", "")
STS = Published(PolicyKind.STS, "y.test", ("version: STSv1", "mode: enforce"), ("mx.y.test",))
PUBLISHED = {
    "domain": "y.test",
    "policy": "reject",
    "subdomain_policy": "",
    "dkim_alignment": "r",
    "spf_alignment": "r",
    "percent": 100,
}
TOLD = {
    "published": PUBLISHED,
    "row": {
        "source_address": "192.0.2.1",
        "disposition": "reject",
        "dkim": "fail",
        "spf": "fail",
        "header_from": "y.test",
        "envelope_from": "z.test",
        "spf_domain": "z.test",
        "spf_result": "pass",
        "signatures": [["z.test", "s", "pass"]],
        "override": "",
    },
}


class Directory:
    """ours.test is ours; all else is not."""

    async def resolve(self, addresses: list[str]) -> list[Resolution]:
        return [
            Resolution(Disposition.DELIVER, (Target(each, "account", TENANT),), TENANT)
            if each.endswith("@ours.test")
            else Resolution(Disposition.REMOTE, ())
            for each in addresses
        ]


class Keys:
    kept: tuple[SigningKey, ...] = (SigningKey("ours.test", "s", Ed25519PrivateKey.generate()),)

    async def of(self, tenant_id: str, domain: str) -> tuple[SigningKey, ...]:
        assert (tenant_id, domain) == (TENANT, "ours.test")
        return self.kept


class Gate:
    def __init__(self) -> None:
        self.letters: list[Letter] = []

    async def accept(self, letter: Letter) -> None:
        self.letters.append(letter)


class World:
    def __init__(self, pool: Pool, dns: DnsServer, web: HttpsHost, folder: Path) -> None:
        self.pool, self.dns, self.web = pool, dns, web
        self.now = DAY
        self.gate, self.keys = Gate(), Keys()
        self.tls = TlsResults(pool, lambda: self.now)
        self.dmarc = DmarcResults(pool, lambda: self.now)
        self.store = ReportStore(pool)
        self._authority = write_authority(AUTHORITY, folder)

    async def report(self, at: datetime = NEXT_DAY) -> list[Letter]:
        """What a process that looks now sends by mail."""
        self.now = at
        resolver = Resolver(parse_servers(self.dns.address), deadline_seconds=2.0)
        https = Https(
            resolver,
            authorities_context(self._authority),
            allow_private=True,
            port=self.web.port,
            seconds=3.0,
        )
        gate, directory, keys = cast(Any, self.gate), cast(Any, Directory()), cast(Any, self.keys)
        who = Reporter("us.test", "reports@ours.test")
        one = Reporting(who, self.store, gate, directory, keys, resolver, https, lambda: self.now)
        self.gate.letters.clear()
        await one.once(asyncio.Event())
        return list(self.gate.letters)


@pytest.fixture
async def pool(engines: Engines) -> AsyncIterator[Pool]:
    opened = await open_pool(engines.dsn("queue", "app"))
    async with transaction(opened, OPERATOR) as connection:
        for table in ("tls_result", "dmarc_result", "report_sent", "report_received"):
            await connection.execute(f"DELETE FROM {table}")
    yield opened
    await opened.close()


@pytest.fixture
def world(pool: Pool, tmp_path: Path) -> Iterator[World]:
    with DnsServer() as dns, HttpsHost(server_context(AUTHORITY.issue_cert("web.y.test"))) as web:
        dns.set("web.y.test", "A", "127.0.0.1")
        yield World(pool, dns, web, tmp_path)


def packed(letter: Letter) -> bytes:
    [found] = attachments(letter.content)
    data = unpacked(found)
    assert isinstance(data, bytes)
    return data


async def count_tls(world: World) -> None:
    for _ in range(3):
        world.tls.add(STS, None, "mx.y.test", "192.0.2.2")
    world.tls.add(STS, Fault.EXPIRED, "mx.y.test", "192.0.2.2", detail="it\r\nis old")
    await world.tls.flush()
    world.tls.add(STS, None, "mx.y.test", "192.0.2.2")
    await world.tls.flush()


async def test_a_day_of_tls(world: World) -> None:
    world.dns.txt("_smtp._tls.y.test", "v=TLSRPTv1; rua=mailto:tls@y.test,https://web.y.test/in?a=1")
    world.web.pages["/in?a=1"] = Page(status=201)
    await count_tls(world)
    assert await world.report(DAY) == [], "the day is not over"
    [letter] = await world.report()
    report = tls.parse(packed(letter))
    assert isinstance(report, tls.TlsReport)
    assert (report.organization, report.contact) == ("us.test", "mailto:reports@ours.test")
    assert report.begin_at == datetime(2026, 11, 20, tzinfo=UTC)
    [policy] = report.policies
    assert (policy.kind, policy.text, policy.hosts) == ("sts", STS.text, STS.hosts)
    assert (policy.successes, policy.failures) == (4, 1)
    assert policy.details[0].failure_reason_code == "it is old"
    assert (letter.reverse_path, letter.recipients[0].address) == ("reports@ours.test", "tls@y.test")
    assert b"TLS-Required: No\r\n" in letter.content
    assert b"TLS-Report-Domain: y.test\r\n" in letter.content
    assert letter.wishes.tls is TlsWish.OPTIONAL
    assert letter.trace_prefix.startswith(b"DKIM-Signature:")
    [(path, media_type, body)] = world.web.posted
    assert (path, media_type) == ("/in?a=1", "application/tlsrpt+gzip")
    assert gzip.decompress(body) == packed(letter)
    assert await world.report(NEXT_DAY + timedelta(hours=6)) == [], "once"


async def test_who_asks_for_nothing_gets_nothing(world: World) -> None:
    await count_tls(world)
    assert await world.report() == []
    async with transaction(world.pool, OPERATOR) as connection:
        assert await connection.fetchval("SELECT count(*) FROM tls_result") == 0


async def test_what_cannot_be_sent_is_written_down(world: World) -> None:
    world.dns.txt(
        "_smtp._tls.y.test", "v=TLSRPTv1; rua=mailto:tls@y.test,https://web.y.test/,https://web.y.test:81/"
    )
    world.keys.kept = ()
    await count_tls(world)
    assert await world.report() == []
    [sent] = await world.store.sent(DAY.date(), 10)
    assert sent.sent_to == ()
    assert "no DKIM keys" in sent.problem
    assert "404" in sent.problem


async def test_what_a_record_calls_an_address_may_be_none(world: World) -> None:
    """Octets of a stranger's zone, as they are or behind percent signs, become no recipient."""
    world.dmarc.told("dmarc.result", json.dumps(TOLD).encode())
    await world.dmarc.flush()
    uris = (
        "mailto:%00a@y.test",
        "mailto:a%3E%20NOTIFY=NEVER@y.test",
        "mailto:%22@y.test",
    )
    world.dns.txt("_dmarc.y.test", "v=DMARC1; p=none; rua=" + ",".join((*uris, "mailto:d@y.test")))
    assert [[each.address for each in letter.recipients] for letter in await world.report()] == [["d@y.test"]]


async def test_while_dns_is_away_it_is_tried_again(world: World) -> None:
    world.dns.failing.add("_smtp._tls.y.test")
    await count_tls(world)
    assert await world.report() == []
    world.dns.failing.clear()
    world.dns.txt("_smtp._tls.y.test", "v=TLSRPTv1; rua=mailto:tls@y.test")
    assert await world.report() == [], "another process may be at it"
    assert len(await world.report(NEXT_DAY + timedelta(hours=2))) == 1


async def test_domains_whose_dns_never_answers_hide_no_report_behind_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mta_queue.adapters.report_store.DUE_AT_ONCE", 4)
    for number in range(9):
        domain = f"a{number}.test"
        world.dns.failing.add(f"_smtp._tls.{domain}")
        world.tls.add(Published(PolicyKind.NONE, domain), None, "mx.y.test")
    world.dns.txt("_smtp._tls.y.test", "v=TLSRPTv1; rua=mailto:tls@y.test")
    await count_tls(world)
    assert len(await world.report(NEXT_DAY)) == 1
    assert await world.report(NEXT_DAY) == []


async def test_two_processes_send_one_report(world: World) -> None:
    world.dns.txt("_smtp._tls.y.test", "v=TLSRPTv1; rua=mailto:tls@y.test")
    await count_tls(world)
    first, second = await asyncio.gather(world.report(), world.report())
    assert len({letter.queue_id for letter in [*first, *second]}) == 1
    assert len(first + second) <= 2


def test_the_hours_after_midnight_are_shared_out() -> None:
    from mta_queue.adapters.report_store import Due
    from mta_queue.edge.reporting import _turn_of

    turns = {_turn_of(Due(Kind.TLS, DAY.date(), f"d{number}.test")) for number in range(50)}
    midnight = datetime(2026, 11, 21, tzinfo=UTC)
    assert len(turns) > 40
    assert all(midnight <= turn < midnight + timedelta(hours=4) for turn in turns)


async def test_a_day_of_dmarc(world: World) -> None:
    world.dns.txt(
        "_dmarc.y.test", "v=DMARC1; p=reject; rua=mailto:d@y.test,mailto:d@small.y.test!1,https://web.y.test/"
    )
    for _ in range(2):
        world.dmarc.told("dmarc.result", json.dumps(TOLD).encode())
    changed = {**TOLD, "published": {**PUBLISHED, "policy": "none"}}
    world.dmarc.told("dmarc.result", json.dumps(changed).encode())
    unfit = [
        json.dumps({**TOLD, "published": {**PUBLISHED, "domain": f"y{each}.test"}}) for each in "\0\ud800"
    ]
    for nonsense in (b"", b"[]", b'{"published": 1}', b"x" * 20_000, *map(str.encode, unfit)):
        world.dmarc.told("dmarc.result", nonsense)
    await world.dmarc.flush()
    letters = await world.report()
    reports = [dmarc.parse(packed(each)) for each in letters]
    assert all(isinstance(each, dmarc.DmarcReport) for each in reports)
    first, second = (each for each in reports if isinstance(each, dmarc.DmarcReport))
    assert (first.published.policy, second.published.policy) == ("reject", "none")
    [(row, count)] = first.rows
    assert (count, row.source_address, row.disposition) == (2, "192.0.2.1", "reject")
    assert row.signatures == (dmarc.DkimAuth("z.test", "s", "pass"),)
    assert first.report_id != second.report_id
    assert {letter.recipients[0].address for letter in letters} == {"d@y.test"}, "1 octet is not enough"


@pytest.mark.parametrize(("allows", "sent"), [("v=DMARC1;", 1), ("v=spf1 -all", 0), ("", 0)])
async def test_another_domain_must_have_agreed(world: World, allows: str, sent: int) -> None:
    world.dns.txt("_dmarc.y.test", "v=DMARC1; p=none; rua=mailto:d@reports.test")
    if allows:
        world.dns.txt("y.test._report._dmarc.reports.test", allows)
    world.dmarc.told("dmarc.result", json.dumps(TOLD).encode())
    await world.dmarc.flush()
    assert len(await world.report()) == sent


class Others:
    """What the reader passes on."""

    async def deliver(self, *_: object) -> Any:
        raise AssertionError("a report goes nowhere")

    def forget(self) -> None:
        pass


def parcel(kind: Kind, content: bytes) -> bytes:
    made = Parcel(kind, "y.test", "id", DAY, NEXT_DAY, gzip.compress(content))
    return build(made, sender="a@them.test", submitter="them.test", recipient="r@y.test", sent_at=DAY)


async def read(world: World, blobs: BlobStore, content: bytes, tenant_id: str) -> str:
    sent = await letter(blobs, f"reports@{REPORTS_DOMAIN}", content=content)
    sent = replace(sent, envelope=replace(sent.envelope, tenant_id=tenant_id))
    reader = ReportReader(Others(), world.store, blobs)
    delivery = await reader.deliver(sent, REPORTS_DOMAIN, (f"reports@{REPORTS_DOMAIN}",))
    [outcome] = delivery.outcomes
    assert outcome.verdict is Verdict.DELIVERED
    return outcome.reply.text


async def test_what_comes_becomes_figures(world: World, engines: Engines) -> None:
    blobs, tenant = engines.seaweed.store(), str(uuid4())
    details = (tls.FailureDetail("certificate-expired", 3, "", "mx.y.test"),)
    policy = tls.PolicyResult("sts", "y.test", (), (), 90, 3, details)
    report = tls.TlsReport("Them", DAY, NEXT_DAY, "c", "id-1", (policy,))
    aggregate = dmarc.DmarcReport(
        "Them",
        "d@them.test",
        "id-2",
        DAY,
        NEXT_DAY,
        dmarc.Published("y.test", "reject"),
        (
            (dmarc.Row("192.0.2.1", "none", "pass", "fail", "y.test"), 40),
            (dmarc.Row("192.0.2.2", "reject", "fail", "fail", "y.test"), 2),
        ),
    )
    for _ in range(2):
        assert "tls of y.test" in await read(world, blobs, parcel(Kind.TLS, tls.build(report)), tenant)
        assert "dmarc of y.test" in await read(
            world, blobs, parcel(Kind.DMARC, dmarc.build(aggregate)), tenant
        )
    since = DAY - timedelta(days=1)
    [figures] = await world.store.figures(OPERATOR_CALLER, Kind.TLS, "", "Y.test", since, 10)
    assert (figures.organization, figures.passed, figures.failed) == ("Them", 90, 3)
    assert json.loads(figures.figures) == [
        {"result": "certificate-expired", "host": "mx.y.test", "sessions": 3}
    ]
    [figures] = await world.store.figures(Caller("a", "", tenant), Kind.DMARC, "", "", since, 10)
    assert (figures.passed, figures.failed) == (40, 2)
    stranger = Caller("a", "", str(uuid4()))
    assert await world.store.figures(stranger, Kind.DMARC, "", "", since, 10) == []


async def test_a_mail_of_many_bombs_costs_a_few(
    world: World, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[int] = []

    def counted(packed: bytes, tenant_id: str) -> object:
        parsed.append(threading.get_ident())
        return _parsed(packed, tenant_id)

    monkeypatch.setattr("mta_queue.adapters.report_reader._parsed", counted)
    part = b"--b\r\nContent-Type: application/gzip\r\n\r\n\x1f\x8b\r\n"
    content = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 40 + b"--b--\r\n"
    assert "no report" in await read(world, engines.seaweed.store(), content, str(uuid4()))
    assert len(parsed) == 3
    assert threading.get_ident() not in parsed, "others go on meanwhile"


@pytest.mark.parametrize(
    "content",
    [
        b"Subject: hello\r\n\r\nno report\r\n",
        parcel(Kind.TLS, b"nonsense"),
        parcel(Kind.DMARC, b"<feedback/>"),
        b"Content-Type: application/gzip\r\n\r\n\x1f\x8b\r\n",
        b"Content-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n=\r\n",
    ],
)
async def test_what_is_no_report_is_taken_and_forgotten(
    world: World, engines: Engines, content: bytes
) -> None:
    assert "no report" in await read(world, engines.seaweed.store(), content, str(uuid4()))
