"""POP3 beside Dovecot: how fast a client is in and out, and how fast messages come.

Both systems hold the same messages of 4 KiB in one INBOX. Every measure checks its answer.
"""

import socket
import time
from collections.abc import Callable

from tests.bench import imap
from tests.bench.imap import Mailboxes, Measure, together

# Its INBOX holds the messages; no other measure delivers to it.
OWNER = 7
LOGINS_FROM = 8


class Client:
    """One connection, logged in."""

    def __init__(self, system: Mailboxes, account: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", system.pop3_port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb", buffering=1 << 16)
        self._line()
        login, password = system.accounts[account]
        self.ask(b"USER " + login.encode())
        self.ask(b"PASS " + password.encode())

    def _line(self) -> bytes:
        line = self._file.readline()
        assert line.startswith(b"+OK"), line
        return line

    def send(self, *commands: bytes) -> None:
        self._socket.sendall(b"".join(command + b"\r\n" for command in commands))

    def ask(self, command: bytes) -> bytes:
        self.send(command)
        return self._line()

    def many(self) -> list[bytes]:
        """The lines of an answer of many."""
        self._line()
        lines = []
        while (line := self._file.readline()) != b".\r\n":
            assert line
            lines.append(line)
        return lines

    def quit(self) -> None:
        self.ask(b"QUIT")
        self._file.close()
        self._socket.close()


def fill(system: Mailboxes) -> None:
    """Put the messages into the owner's INBOX."""
    imap.fill(system, "INBOX", OWNER)


def logins(cycles: int, at_once: int) -> Callable[[Mailboxes], float]:
    """Login, STAT, QUIT on small maildrops, a different account for each client at a time."""

    def take(system: Mailboxes) -> float:
        others = len(system.accounts) - LOGINS_FROM
        at_a_time = min(at_once, others)

        def client(first: int) -> None:
            for _ in range(cycles // at_a_time):
                session = Client(system, LOGINS_FROM + first)
                session.ask(b"STAT")
                session.quit()

        jobs = [lambda n=number: client(n) for number in range(at_a_time)]
        return cycles / together(jobs, at_a_time)

    return take


def opening(system: Mailboxes) -> float:
    """The large maildrop: from connecting to the end of UIDL and LIST."""
    started = time.perf_counter()
    client = Client(system, OWNER)
    for command in (b"UIDL", b"LIST"):
        client.send(command)
        assert len(client.many()) == system.messages
    seconds = time.perf_counter() - started
    client.quit()
    return seconds * 1000


def retrieving(ahead: int) -> Callable[[Mailboxes], float]:
    """RETR of all messages, so many commands ahead of the answers (RFC 2449 §6.6)."""

    def take(system: Mailboxes) -> float:
        client = Client(system, OWNER)
        started = time.perf_counter()
        for first in range(1, system.messages + 1, ahead):
            numbers = range(first, min(first + ahead, system.messages + 1))
            client.send(*(b"RETR %d" % number for number in numbers))
            for number in numbers:
                text = b"".join(client.many()).replace(b"\r\n..", b"\r\n.")
                assert text.endswith(imap.letter(number - 1)), number
        seconds = time.perf_counter() - started
        client.quit()
        return system.messages / seconds

    return take


MEASURES = (
    Measure("POP3 login, STAT, QUIT", "cycles/s", logins(100, 1)),
    Measure("the same, 12 at once", "cycles/s", logins(300, 12)),
    Measure("POP3 open, UIDL, LIST", "ms", opening),
    Measure("RETR one by one", "messages/s", retrieving(1)),
    Measure("RETR, 20 ahead", "messages/s", retrieving(20)),
)
