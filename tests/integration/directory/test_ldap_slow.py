"""LDAP servers that are slow on purpose: one tenant's takes nothing from another's, and no thread for good."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_network
from threading import Event, Thread

import pytest
import trustme
from directory.adapters import ldap_binding
from directory.adapters.issuers import IssuerUnavailable
from directory.adapters.ldap_binding import LdapServers
from directory.core.ldap import LdapSource

OURS = [ip_network("127.0.0.0/8")]
ANSWERED = "refused"


class Silent:
    """Takes connections and says what it is told to: nothing, or one thing without an end."""

    def __init__(self, tls: ssl.SSLContext | None = None, endless: bytes = b"") -> None:
        self.came = Event()
        self._tls, self._endless = tls, endless
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._taken: list[socket.socket] = []
        self.port = self._listening.getsockname()[1]
        Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                taken, _ = self._listening.accept()
            except OSError:
                return
            self._taken.append(taken)
            self.came.set()
            if self._tls is not None:
                Thread(target=self._say, args=(taken, self._tls), daemon=True).start()

    def _say(self, taken: socket.socket, tls: ssl.SSLContext) -> None:
        try:
            with tls.wrap_socket(taken, server_side=True) as speaking:
                while True:
                    speaking.sendall(self._endless)
        except OSError:
            return

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for each in self._taken:
            each.close()


@pytest.fixture
def silent() -> Iterator[Silent]:
    with closing(Silent()) as server:
        yield server


@pytest.fixture
def nobodys_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def at(port: int, tenant: str = "slow", scheme: str = "ldap", **more: str) -> LdapSource:
    return LdapSource(tenant, f"{scheme}://localhost:{port}", "dc=example,dc=org", **more)


async def said(servers: LdapServers, source: LdapSource) -> str:
    with pytest.raises(IssuerUnavailable) as refused:
        await servers.is_right(source, "a@example.org", "password")
    return str(refused.value)


@pytest.mark.parametrize("scheme", ["ldap", "ldaps"])
async def test_a_server_that_never_answers_is_cut_off_and_its_thread_is_free(
    silent: Silent, nobodys_port: int, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    # As one that says an octet now and then: each step takes all its time, and no step ends.
    monkeypatch.setattr(ldap_binding, "ANSWER_SECONDS", 60.0)
    monkeypatch.setattr(ldap_binding, "MOST_SECONDS", 0.3)
    servers = LdapServers(OURS, threads=1)
    await said(servers, at(silent.port, scheme=scheme))
    monkeypatch.setattr(ldap_binding, "MOST_SECONDS", 20.0)
    assert ANSWERED in await said(servers, at(nobodys_port, "another"))
    servers.close()


async def test_whose_server_is_slow_takes_no_thread_from_another_tenant(
    silent: Silent, nobodys_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = LdapServers(OURS, threads=2, of_a_tenant=1)
    slow = [asyncio.create_task(said(servers, at(silent.port))) for _ in range(5)]
    await asyncio.to_thread(silent.came.wait, 10.0)
    assert ANSWERED in await said(servers, at(nobodys_port, "another"))
    assert not any(each.done() for each in slow)
    for each in slow:
        each.cancel()
    await asyncio.gather(*slow, return_exceptions=True)
    servers.close()


async def test_who_leaves_gives_the_thread_back(
    silent: Silent, nobodys_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ldap_binding, "ANSWER_SECONDS", 60.0)
    servers = LdapServers(OURS, threads=1)
    slow = asyncio.create_task(said(servers, at(silent.port)))
    await asyncio.to_thread(silent.came.wait, 10.0)
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
    assert ANSWERED in await said(servers, at(nobodys_port))
    servers.close()


async def test_an_answer_without_an_end_is_not_heard_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ldap_binding, "MOST_OCTETS", 10_000)
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    # The beginning of a message of 2 GiB.
    with closing(Silent(tls, b"\x30\x84\x7f\xff\xff\xff" + bytes(4000))) as endless:
        servers = LdapServers(OURS, threads=1)
        pem = authority.cert_pem.bytes().decode()
        source = at(endless.port, scheme="ldaps", ca_certificates=pem)
        assert "too much" in await said(servers, source)
        servers.close()


async def test_octets_that_are_no_ldap_are_a_fault_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    with closing(Silent(tls, b"\x30\x03\x02\x01\x01")) as babbling:
        servers = LdapServers(OURS, threads=1)
        pem = authority.cert_pem.bytes().decode()
        await said(servers, at(babbling.port, scheme="ldaps", ca_certificates=pem))
        servers.close()
