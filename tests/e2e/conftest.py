"""Whole installations, started once for all end-to-end tests."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from tests.support.dnsserver import DnsServer
from tests.support.platform import Platform


def needs(program: str, package: str = "") -> pytest.MarkDecorator:
    """Counted as not run, by name, where the Debian package is missing."""
    return pytest.mark.skipif(
        shutil.which(program) is None,
        reason=f"needs the Debian package {package or program}, which is not installed",
    )


@dataclass(frozen=True)
class Pair:
    """Two installations that find each other by MX records of a local DNS server."""

    a: Platform
    b: Platform
    dns: DnsServer


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform.start(tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with DnsServer() as dns:
        with Platform.start(tmp_path_factory.mktemp("a"), domain="a.test", dns_server=dns.address) as a:
            with Platform.start(
                tmp_path_factory.mktemp("b"), domain="b.test", dns_server=dns.address, relay_port=a.ports.smtp
            ) as b:
                dns.mx("a.test", "mx.a.test")
                dns.mx("b.test", "mx.b.test")
                yield Pair(a, b, dns)


Make = Callable[[], Platform]
