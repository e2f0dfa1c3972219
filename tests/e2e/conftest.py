"""Whole installations, started once for all end-to-end tests that share them, and ended after the last of these."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from posthouse.stack.ports import Ports

from tests.support.dnsserver import DnsServer
from tests.support.packages import needs as needs
from tests.support.platform import Platform, free_base
from tests.support.sink import SmtpSink


@dataclass(frozen=True)
class Pair:
    """Two installations that find each other by MX records of a local DNS server, and ask it who is speaking."""

    a: Platform
    b: Platform
    dns: DnsServer


@dataclass(frozen=True)
class Apart:
    """One installation whose parts may be stopped and killed, and whose mail to anywhere goes to one peer."""

    platform: Platform
    dns: DnsServer
    sink: SmtpSink


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Who has an installation of his own comes first, who needs the pair last: what idles beside the tests costs them time."""
    places = [place for place, item in enumerate(items) if "tests/e2e/" in item.nodeid]
    ours = sorted((items[place] for place in places), key=_shares)
    for place, item in zip(places, ours, strict=True):
        items[place] = item


def _shares(item: pytest.Item) -> int:
    fixtures = getattr(item, "fixturenames", ())
    return max(
        (place for place, name in enumerate(("apart", "platform", "pair"), 1) if name in fixtures), default=0
    )


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    # Sessions of one account meet in different processes.
    with Platform.start(tmp_path_factory.mktemp("platform"), workers="imap=2") as running:
        yield running


@pytest.fixture(scope="package")
def shared_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    with (
        DnsServer() as dns,
        SmtpSink() as sink,
        Platform.start(
            tmp_path_factory.mktemp("apart"), dns_server=dns.address, relay_port=sink.port
        ) as running,
    ):
        yield Apart(running, dns, sink)


@pytest.fixture
def apart(shared_apart: Apart) -> Apart:
    """Well again, whatever the tests before have done to it, and its peer takes everything."""
    shared_apart.platform.wait_ready()
    with shared_apart.sink.lock:
        shared_apart.sink.script.clear()
    return shared_apart


def publish(dns: DnsServer, domain: str) -> None:
    """What a domain's owner says of its mail: where it goes, where it comes from, what is to be done with other."""
    host = f"mx.{domain}"
    dns.mx(domain, host)
    dns.ptr("127.0.0.1", host)
    dns.txt(domain, "v=spf1 mx -all")
    dns.txt(host, "v=spf1 a -all")
    dns.txt(f"_dmarc.{domain}", "v=DMARC1; p=reject")


@pytest.fixture(scope="package")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with DnsServer() as dns:
        for domain in ("a.test", "b.test"):
            publish(dns, domain)
        # MX records have no port: each is told the other's.
        first = second = free_base()
        while second == first:
            second = free_base()
        running = [
            Platform.start(
                tmp_path_factory.mktemp(domain[0]),
                domain=domain,
                base=own,
                dns_server=dns.address,
                settings={
                    "SMTP_GATEWAY_HOSTNAME": f"mx.{domain}",
                    "SMTP_GATEWAY_DNS_SERVERS": dns.address,
                    "SMTP_GATEWAY_SENDER_CHECKS_EXEMPT": "[]",
                    "SMTP_GATEWAY_DMARC": "reject",
                    "MTA_QUEUE_HOSTNAME": f"mx.{domain}",
                },
                relay_port=Ports.at(other).smtp,
            )
            for domain, own, other in (("a.test", first, second), ("b.test", second, first))
        ]
        with running[0] as a, running[1] as b:
            yield Pair(a, b, dns)
