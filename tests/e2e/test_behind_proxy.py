"""An installation behind a proxy: the preface before everything else, on the port that is in TLS from the start too."""

import contextlib
import smtplib
import socket
import ssl
from collections.abc import Iterator

import pytest

from tests.e2e.letters import plain
from tests.e2e.test_four_scenarios import relaxed, wait_for_subject
from tests.support.platform import Platform

PREFACE = b"PROXY TCP4 192.0.2.77 192.0.2.1 5000 25\r\n"


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    settings = {"SMTP_GATEWAY_PROXY_NETWORKS": '["127.0.0.0/8"]'}
    with Platform.start(tmp_path_factory.mktemp("proxied"), settings=settings) as running:
        yield running


class Proxied(smtplib.SMTP):
    """smtplib, speaking for another."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connection = socket.create_connection((host, port), timeout)
        connection.sendall(PREFACE)
        return self.secured(connection)

    def secured(self, connection: socket.socket) -> socket.socket:
        return connection


class ProxiedTls(Proxied):
    def secured(self, connection: socket.socket) -> ssl.SSLSocket:
        return relaxed().wrap_socket(connection)


def test_the_client_is_whom_the_proxy_names(proxied: Platform) -> None:
    alice, bob = proxied.account("alice"), proxied.account("bob")
    letter = plain("proxied-mx", "x@peer.invalid", bob.address).content
    with Proxied("127.0.0.1", proxied.ports.smtp, timeout=20) as session:
        session.sendmail("x@peer.invalid", [bob.address], letter)
    arrived = wait_for_subject(proxied, bob.address, bob.password, "proxied-mx")
    assert b"[192.0.2.77])" in arrived
    letter = plain("proxied-tls", alice.address, bob.address).content
    with ProxiedTls("127.0.0.1", proxied.ports.submissions, timeout=20) as session:
        session.login(alice.address, alice.password)
        session.sendmail(alice.address, [bob.address], letter)
    arrived = wait_for_subject(proxied, bob.address, bob.password, "proxied-tls")
    assert b"[192.0.2.77])" in arrived
    assert b"with ESMTPSA id" in arrived


def test_without_a_preface_nothing_is_said(proxied: Platform) -> None:
    with socket.create_connection(("127.0.0.1", proxied.ports.smtp), timeout=20) as connection:
        connection.sendall(b"EHLO client.invalid\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""
