"""An IMAP client that costs next to nothing: blocking sockets, octets in, no parsing but the end of the answer."""

import re
import socket
import ssl

CHUNK = 1 << 20
LITERAL_OR_FETCH = re.compile(rb"\{(\d+)\}\r\n|(?:^|\r\n)\* \d+ FETCH ")


class Client:
    """One connection."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), 60)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket: socket.socket = plain if tls is None else tls.wrap_socket(plain)
        self._buffer = bytearray(CHUNK)
        self._rest = b""
        self._tags = 0
        self.line()

    @classmethod
    def of(cls, port: int, login: str, password: str, mailbox: str = "") -> "Client":
        """Logged in, with a mailbox selected."""
        client = cls(port)
        client.login(login, password)
        if mailbox:
            client.ask(b"SELECT " + mailbox.encode())
        return client

    def login(self, login: str, password: str) -> None:
        """LOGIN."""
        self.ask(f'LOGIN "{login}" "{password}"'.encode())

    def line(self) -> bytes:
        """One line."""
        while b"\n" not in self._rest:
            self._rest += self._receive()
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _receive(self) -> bytes:
        count = self._socket.recv_into(self._buffer)
        if not count:
            raise ConnectionError("the server closed the connection")
        return bytes(memoryview(self._buffer)[:count])

    def ask(self, command: bytes, *, must: bool = True) -> bytes:
        """A command and its whole answer. Raises RuntimeError where that is not OK."""
        self._tags += 1
        tag = b"T%06d " % self._tags
        self._socket.sendall(tag + command + b"\r\n")
        pieces = [self._rest] if self._rest else []
        self._rest = b""
        while True:
            tail = pieces[-1][-1000:] if pieces else b""
            if len(pieces) > 1 and len(tail) < 1000:
                tail = (pieces[-2] + pieces[-1])[-1000:]
            start = 0 if tail.startswith(tag) and len(pieces) == 1 else tail.rfind(b"\r\n" + tag)
            if start >= 0 and tail.endswith(b"\r\n"):
                break
            pieces.append(self._receive())
        answer = b"".join(pieces)
        if must and tag + b"OK" not in tail:
            raise RuntimeError(f"{command[:80]!r}: {tail[-200:]!r}")
        return answer

    def append(self, mailbox: str, content: bytes) -> None:
        """APPEND with LITERAL+."""
        self.ask(b"APPEND %b {%d+}\r\n%b" % (mailbox.encode(), len(content), content))

    def idle(self) -> None:
        """IDLE, until the server has taken it."""
        self._socket.sendall(b"idle IDLE\r\n")
        while not self.line().startswith(b"+"):
            pass

    def done(self) -> None:
        """End IDLE."""
        self._socket.sendall(b"DONE\r\n")
        while not self.line().startswith(b"idle "):
            pass

    def count(self, mailbox: str) -> int:
        """MESSAGES of STATUS; 0 where there is none."""
        found = re.search(
            rb"MESSAGES (\d+)", self.ask(b"STATUS %b (MESSAGES)" % mailbox.encode(), must=False)
        )
        return int(found[1]) if found else 0

    def close(self) -> None:
        """Without LOGOUT."""
        self._socket.close()

    def logout(self) -> None:
        """LOGOUT."""
        self.ask(b"LOGOUT", must=False)
        self.close()


def fetched(answer: bytes) -> tuple[int, list[bytes]]:
    """How many FETCH responses an answer has, and the literals in it."""
    count, position, literals = 0, 0, []
    while found := LITERAL_OR_FETCH.search(answer, position):
        position = found.end()
        if found[1]:
            literals.append(answer[position : position + int(found[1])])
            position += int(found[1])
        else:
            count += 1
    return count, literals
