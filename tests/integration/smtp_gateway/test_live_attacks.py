"""Attacks that need a socket: commands between STARTTLS and TLS, and a crowd that says nothing. What counts is what is stored."""

import asyncio
import contextlib
import smtplib
import socket
import ssl
import threading

import pytest
from smtp_gateway.core.roles import Role
from spool import Letter

from tests.support.fake_gateway import FakeGate
from tests.support.live_gateway import LiveGateway

INJECTED = (
    b"EHLO evil.test\r\nMAIL FROM:<evil@peer.test>\r\nRCPT TO:<jones@foo.com>\r\n"
    b"DATA\r\nFrom: evil@peer.test\r\n\r\ninjected\r\n.\r\n"
)


def connect(gateway: LiveGateway) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=20)
    assert connection.recv(1000).startswith(b"220 ")
    connection.sendall(b"EHLO mx.peer.test\r\n")
    while not connection.recv(4000).splitlines()[-1].startswith(b"250 "):
        pass
    return connection


def in_tls(gateway: LiveGateway, connection: socket.socket) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    gateway.authority.configure_trust(context)
    return context.wrap_socket(connection, server_hostname="localhost")


@pytest.mark.parametrize("role", [Role.MX, Role.MSA])
def test_what_comes_in_the_segment_of_starttls_is_forgotten(role: Role) -> None:
    with LiveGateway(role) as gateway, connect(gateway) as connection:
        connection.sendall(b"STARTTLS\r\n" + INJECTED)
        assert connection.recv(1000) == b"220 2.0.0 Ready for TLS\r\n"
        with in_tls(gateway, connection) as secured:
            # Nothing of it was said, so nothing is answered, and the session begins anew.
            secured.sendall(b"MAIL FROM:<x@peer.test>\r\n")
            assert secured.recv(1000).startswith(b"503 5.5.1 Say EHLO first")
        assert not gateway.gate.letters


@pytest.mark.parametrize("role", [Role.MX, Role.MSA])
@pytest.mark.parametrize("pieces", [1, 3])
def test_what_comes_in_a_second_segment_is_no_command_either(role: Role, pieces: int) -> None:
    with LiveGateway(role) as gateway, connect(gateway) as connection:
        connection.sendall(b"STARTTLS\r\n")
        assert connection.recv(1000) == b"220 2.0.0 Ready for TLS\r\n"
        size = -(-len(INJECTED) // pieces)
        # In clear where a handshake must come: the handshake fails, and with it the session.
        with contextlib.suppress(OSError):
            for start in range(0, len(INJECTED), size):
                connection.sendall(INJECTED[start : start + size])
            said = b""
            while data := connection.recv(4000):
                said += data
            assert b"250" not in said
        assert not gateway.gate.letters


def test_a_crowd_that_says_nothing_keeps_nobody_out() -> None:
    """300 of the 5,000 that `make soak` holds open (tests/e2e/test_crowd.py)."""
    with LiveGateway(Role.MX) as gateway, contextlib.ExitStack() as crowd:
        slow = []
        for number in range(300):
            each = crowd.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=20))
            each.sendall((b"E", b"EHLO x\r\nMAIL FR", b"EHLO x\r\nNOOP\r\nNO")[number % 3])
            slow.append(each)
        for number in range(20):
            with smtplib.SMTP("127.0.0.1", gateway.port, timeout=20) as session:
                session.sendmail("x@peer.test", ["jones@foo.com"], f"From: x@peer.test\r\n\r\n{number}\r\n")
            slow[number].sendall(b"HLO y")
        assert len(gateway.gate.letters) == 20
        # And none of the crowd was hurt by it.
        assert all(each.recv(10).startswith(b"220 ") for each in slow)


class Slow(FakeGate):
    """Stores nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go = threading.Event()
        self.waiting = threading.Semaphore(0)

    async def accept(self, letter: Letter) -> None:
        self.waiting.release()
        await asyncio.to_thread(self.may_go.wait, 30)
        await super().accept(letter)


def test_while_the_stores_are_slow_senders_are_told_early_and_nothing_accepted_is_lost() -> None:
    gate = Slow()
    with LiveGateway(Role.MX, gate, messages_at_once=3) as gateway, contextlib.ExitStack() as sessions:

        def send(session: socket.socket, number: int) -> bytes:
            """The answer to MAIL; where it is positive the message is sent, and nobody waits for its answer."""
            session.sendall(b"MAIL FROM:<x@peer.test>\r\n")
            said = session.recv(1000)
            if said.startswith(b"250"):
                session.sendall(b"RCPT TO:<jones@foo.com>\r\nDATA\r\n")
                while b"354" not in said:
                    said += session.recv(1000)
                session.sendall(b"From: x@peer.test\r\n\r\n%d\r\n.\r\n" % number)
                assert gate.waiting.acquire(timeout=30)
            return said

        connections = [sessions.enter_context(connect(gateway)) for _ in range(5)]
        said = [send(connection, number) for number, connection in enumerate(connections)]
        assert [each[:9] for each in said] == [b"250 2.1.0"] * 3 + [b"451 4.3.2"] * 2
        assert not gate.letters
        gate.may_go.set()
        assert [connection.recv(1000)[:9] for connection in connections[:3]] == [b"250 2.0.0"] * 3
        assert send(connections[3], 3).startswith(b"250")
        assert connections[3].recv(1000).startswith(b"250 2.0.0")
        assert len(gate.letters) == 4
