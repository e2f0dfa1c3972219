"""An SMTP server for tests that answers as it is told and keeps what it got, octet for octet.

`script` maps a stage (greeting, EHLO, STARTTLS, MAIL, RCPT, DATA, content) to what is
said there: a reply line, a list of them taken one by one, CLOSE, or STALL.
"""

import socket
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

CLOSE = "close"
STALL = "stall"

Answer = str | list[str]

DEFAULTS = {
    "greeting": "220 sink.test ESMTP",
    "EHLO": "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 60000000",
    "HELO": "250 sink.test",
    "LHLO": "250-sink.test\r\n250 PIPELINING",
    "AUTH": "235 2.7.0 welcome",
    "STARTTLS": "220 2.0.0 go",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go",
    "content": "250 2.0.0 taken",
    "RSET": "250 2.0.0 ok",
    "NOOP": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye",
}


@dataclass
class Taken:
    """One message that was answered 250."""

    mail: str
    recipients: list[str]
    raw: bytes
    over_tls: bool

    @property
    def content(self) -> bytes:
        """Dot-unstuffed."""
        body = self.raw.removesuffix(b".\r\n")
        return (b"\r\n" + body).replace(b"\r\n.", b"\r\n")[2:]


@dataclass
class SmtpSink:
    """Listens on loopback in threads."""

    script: dict[str, Answer] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    port: int = 0

    def __post_init__(self) -> None:
        self.taken: list[Taken] = []
        # What EHLO offers, in TLS where there is any.
        self.hello_extensions: tuple[str, ...] = ()
        self.sessions: list[list[str]] = []
        self.lock = threading.Lock()
        self._stalled = threading.Event()
        sink = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                try:
                    sink._serve(self.request)
                except (OSError, ssl.SSLError):
                    return

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        # More at once are dropped half-open: whoever connected waits for a greeting that nobody sends.
        socketserver.ThreadingTCPServer.request_queue_size = 256
        self._server = socketserver.ThreadingTCPServer((self.host, self.port), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    def _say(self, stage: str) -> str:
        with self.lock:
            answer = self.script.get(stage, DEFAULTS.get(stage, "502 5.5.1 what?"))
            if isinstance(answer, list):
                return answer.pop(0) if len(answer) > 1 else answer[0]
            return answer

    def _serve(self, sock: socket.socket) -> None:
        log: list[str] = []
        with self.lock:
            self.sessions.append(log)
        sock.settimeout(30)
        stream = sock.makefile("rwb")
        over_tls, is_lmtp = False, False
        mail = ""
        recipients: list[str] = []

        def send(text: str) -> None:
            if text == CLOSE:
                sock.shutdown(socket.SHUT_RDWR)
                raise OSError("closed by the script")
            if text == STALL:
                self._stalled.wait(60)
                raise OSError("stalled")
            stream.write(text.encode() + b"\r\n")
            stream.flush()

        def reply(stage: str) -> str:
            text = self._say(stage)
            send(text)
            return text

        reply("greeting")
        while line := stream.readline():
            text = line.decode("latin-1").rstrip("\r\n")
            log.append(text)
            verb = text.split(" ")[0].upper()
            is_lmtp = is_lmtp or verb == "LHLO"
            if verb == "EHLO" and self.tls is not None and not over_tls and "EHLO" not in self.script:
                stream.write(b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 STARTTLS\r\n")
                stream.flush()
                continue
            if verb == "EHLO" and self.hello_extensions:
                lines = ["sink.test", "PIPELINING", *self.hello_extensions]
                text = "".join(f"250-{line}\r\n" for line in lines) + "250 8BITMIME\r\n"
                stream.write(text.encode())
                stream.flush()
                continue
            if (verb == "RCPT" and not mail) or (verb == "DATA" and not recipients):
                # As a real server does after a refused MAIL whose group was sent in one go.
                stream.write(b"503 5.5.1 out of order\r\n")
                stream.flush()
                continue
            said = reply(verb)
            if verb == "STARTTLS" and said.startswith("220") and self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
                stream = sock.makefile("rwb")
                over_tls = True
            elif verb == "MAIL" and said.startswith("2"):
                mail, recipients = text, []
            elif verb == "RCPT" and said.startswith("2"):
                recipients.append(text)
            elif verb == "DATA" and said.startswith("354"):
                raw = bytearray()
                while not (raw.endswith(b"\r\n.\r\n") or raw == b".\r\n"):
                    chunk = stream.readline()
                    if not chunk:
                        return
                    raw += chunk
                # LMTP answers for each recipient.
                answers = [self._say("content") for _ in (recipients if is_lmtp else [""])]
                # Before the answer: who has heard it may look.
                if any(each.startswith("2") for each in answers):
                    with self.lock:
                        self.taken.append(Taken(mail, recipients, bytes(raw), over_tls))
                for answer in answers:
                    send(answer)
                mail, recipients = "", []
            elif verb in ("RSET", "EHLO", "HELO"):
                mail, recipients = "", []
            elif verb == "QUIT":
                return

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stalled.set()
        self._server.shutdown()
        self._server.server_close()
