"""What a scanner of TLS finds at every door: TLS 1.2 and 1.3 with good ciphers, and nothing older or weaker."""

import socket
import ssl
import threading

import pytest
import trustme

from tests.support.platform import Platform

# What is old is what is wanted here.
pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
# By door: what is said before TLS begins, and how the last answer before it begins.
DOORS: dict[str, tuple[bytes, bytes]] = {
    "smtp": (b"EHLO c.test\r\nSTARTTLS\r\n", b"220 2.0.0"),
    "submission": (b"EHLO c.test\r\nSTARTTLS\r\n", b"220 2.0.0"),
    "submissions": (b"", b""),
    "imap": (b"a STARTTLS\r\n", b"a OK"),
    "imaps": (b"", b""),
    "pop3": (b"STLS\r\n", b"+OK"),
    "pop3s": (b"", b""),
    "managesieve": (b"STARTTLS\r\n", b"OK"),
}
OLD = [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1]
NEW = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
WEAK = ["aNULL", "eNULL", "RC4", "3DES", "MD5", "PSK", "SRP", "SEED", "IDEA", "CAMELLIA"]


def client(version: ssl.TLSVersion, ciphers: str = "ALL") -> ssl.SSLContext:
    """One that would take anything, of just this version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


def before_tls(platform: Platform, door: str) -> socket.socket:
    """A connection on which TLS is to begin."""
    connection = socket.create_connection(("127.0.0.1", getattr(platform.ports, door)), timeout=20)
    said, end = DOORS[door]
    if not said:
        return connection
    reader = connection.makefile("rb")
    if door == "managesieve":
        while not reader.readline().startswith(b"OK"):
            pass
    else:
        reader.readline()
    for line in said.splitlines(keepends=True):
        connection.sendall(line)
        answer = reader.readline()
        while answer[3:4] == b"-" or answer[:2] == b"* ":
            answer = reader.readline()
    assert answer.startswith(end), answer
    return connection


def spoken(platform: Platform, door: str, context: ssl.SSLContext) -> str:
    """The version that comes of it; "" where there is none."""
    with before_tls(platform, door) as connection:
        try:
            with context.wrap_socket(connection) as secured:
                return secured.version() or ""
        except (ssl.SSLError, ConnectionError):
            return ""


@pytest.mark.parametrize("door", DOORS)
def test_only_versions_of_today_are_spoken(platform: Platform, door: str) -> None:
    assert [spoken(platform, door, client(version)) for version in NEW] == ["TLSv1.2", "TLSv1.3"]
    assert [spoken(platform, door, client(version)) for version in OLD] == ["", ""]


@pytest.mark.parametrize("door", DOORS)
def test_no_weak_cipher_is_taken(platform: Platform, door: str) -> None:
    tried = 0
    for name in WEAK:
        try:
            context = client(ssl.TLSVersion.TLSv1_2, name)
        except ssl.SSLError:
            # This machine's own TLS knows none of them.
            continue
        tried += 1
        assert spoken(platform, door, context) == "", name
    assert tried >= 3


@pytest.mark.parametrize("version", OLD)
def test_the_scanner_would_speak_old_tls(version: ssl.TLSVersion) -> None:
    """Else what it finds would say nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = version
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        with (
            socket.create_connection(server.getsockname(), timeout=20) as connection,
            client(version).wrap_socket(connection) as secured,
        ):
            assert secured.version() in ("TLSv1", "TLSv1.1")
            secured.sendall(b"x")
        thread.join()
