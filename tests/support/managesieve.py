"""A ManageSieve client that says what it is told and gives back whole answers (RFC 5804)."""

import base64
import re
import socket
import ssl
from types import TracebackType

from tests.support.scram import ScramClient

END = re.compile(rb"^(OK|NO|BYE)\b")


class ManageSieve:
    """One connection, with TLS and a login."""

    def __init__(
        self, port: int, login: str, password: str = "", context: ssl.SSLContext | None = None
    ) -> None:
        """Without a password: nobody is logged in yet."""
        self._socket: socket.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._file = self._socket.makefile("rb")
        self.greeting = self.answer()
        assert self.say(b"STARTTLS").startswith(b"OK")
        if context is None:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._socket = context.wrap_socket(self._socket)
        self._file = self._socket.makefile("rb")
        self.capabilities = self.answer()
        initial = base64.b64encode(f"\0{login}\0{password}".encode())
        self.logged_in = self.say(b'AUTHENTICATE "PLAIN" "%s"' % initial) if password else b""

    def answer(self) -> bytes:
        """Everything up to OK, NO or BYE."""
        out = b""
        while True:
            line = self._file.readline()
            assert line, out
            out += line
            if END.match(line):
                return out
            if literal := re.search(rb"\{(\d+)\}\r\n$", line):
                out += self._file.read(int(literal[1]))

    def say(self, line: bytes) -> bytes:
        """One command and its answer."""
        self._socket.sendall(line + b"\r\n")
        return self.answer()

    def scram(self, mechanism: bytes, client: ScramClient) -> bytes:
        """AUTHENTICATE by SCRAM; the last answer. The server's proof is checked where it lets in."""
        self._socket.sendall(b'AUTHENTICATE "%s" "%s"\r\n' % (mechanism, client.first()))
        said = self._file.readline()
        if said.startswith(b'"'):
            said = self.say(b'"%s"' % client.answer(said.strip(b'"\r\n')))
        if said.startswith(b"OK"):
            client.check(said.split(b'"')[1])
        return said

    @property
    def certificate(self) -> bytes:
        """The server's (DER)."""
        assert isinstance(self._socket, ssl.SSLSocket)
        return self._socket.getpeercert(binary_form=True) or b""

    def put(self, name: str, script: str) -> bytes:
        """PUTSCRIPT."""
        content = script.encode()
        return self.say(b'PUTSCRIPT "%s" {%d+}\r\n' % (name.encode(), len(content)) + content)

    def run(self, script: str) -> None:
        """Put a script and let it run."""
        answer = self.put("main", script)
        assert answer.startswith(b"OK"), answer
        assert self.say(b'SETACTIVE "main"').startswith(b"OK")

    def __enter__(self) -> "ManageSieve":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
