"""A small real DNS server on loopback, UDP and TCP, whose zone a test sets while it runs."""

import socket
import socketserver
import struct
import threading
from ipaddress import ip_address
from types import TracebackType

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


class DnsServer:
    """Answers from a dict; a name that it has nothing at or below is NXDOMAIN.

    Names in `failing` are answered SERVFAIL, those in `silent` not at all (over UDP). Names at or below one in
    `signed` are answered with AD where the question asks for it. A CNAME is followed as a resolver does. With
    `truncates` what is long is had over TCP only.
    """

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], list[str]] = {}
        self._lock = threading.Lock()
        self.failing: set[str] = set()
        self.silent: set[str] = set()
        self.signed: set[str] = set()
        self.truncates = False
        self.questions: list[tuple[str, str]] = []
        server = self

        class Udp(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, sock = self.request
                answer = server.answer(data)
                if server.truncates and len(answer) > 512:
                    truncated = dns.message.make_response(dns.message.from_wire(data))
                    truncated.flags |= dns.flags.TC
                    answer = truncated.to_wire()
                if not server.is_silent(data):
                    sock.sendto(answer, self.client_address)

        class Tcp(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                head = self.request.recv(2)
                if len(head) == 2:
                    answer = server.answer(self.request.recv(struct.unpack(">H", head)[0]))
                    self.request.sendall(struct.pack(">H", len(answer)) + answer)

        while True:
            self._udp = socketserver.ThreadingUDPServer(("127.0.0.1", 0), Udp)
            try:
                self._tcp = socketserver.ThreadingTCPServer(self._udp.server_address, Tcp)
                break
            except OSError:
                self._udp.server_close()
        for each in (self._udp, self._tcp):
            each.daemon_threads = True
        self.port = int(self._udp.server_address[1])

    @property
    def address(self) -> str:
        """host:port, as settings want it."""
        return f"127.0.0.1:{self.port}"

    def set(self, name: str, kind: str, *values: str) -> None:
        """Records of a name, in the form of a zone file."""
        with self._lock:
            self._records[(name.lower().rstrip("."), kind)] = list(values)

    def mx(self, domain: str, host: str, address: str = "127.0.0.1", preference: int = 10) -> None:
        """A domain whose mail goes to one host."""
        self.set(domain, "MX", f"{preference} {host.rstrip('.')}.")
        self.set(host, "A", address)

    def txt(self, name: str, text: str) -> None:
        """One TXT record, in strings of at most 255 octets (RFC 1035 §3.3)."""
        pieces = [text[start : start + 255] for start in range(0, len(text), 255)]
        self.set(name, "TXT", " ".join(f'"{piece}"' for piece in pieces))

    def ptr(self, address: str, host: str) -> None:
        """The name of an address, and that it leads back."""
        self.set(ip_address(address).reverse_pointer, "PTR", host.rstrip(".") + ".")
        self.set(host, "AAAA" if ":" in address else "A", address)

    def is_silent(self, data: bytes) -> bool:
        """Whether this question is one that gets no answer."""
        [asked] = dns.message.from_wire(data).question
        return asked.name.to_text().lower().rstrip(".") in self.silent

    def answer(self, data: bytes) -> bytes:
        """The answer to one question."""
        question = dns.message.from_wire(data)
        response = dns.message.make_response(question)
        response.flags |= dns.flags.AA | dns.flags.RA
        [asked] = question.question
        name = asked.name.to_text().lower().rstrip(".")
        kind = dns.rdatatype.to_text(asked.rdtype)
        with self._lock:
            self.questions.append((name, kind))
            seen = [name]
            while kind != "CNAME" and (alias := self._records.get((seen[-1], "CNAME"))) and len(seen) < 9:
                response.answer.append(dns.rrset.from_text(seen[-1] + ".", 5, "IN", "CNAME", alias[0]))
                seen.append(alias[0].lower().rstrip("."))
            values = self._records.get((seen[-1], kind))
            exists = any(known == seen[-1] or known.endswith("." + seen[-1]) for known, _ in self._records)
            failing = bool(self.failing & {*seen, f"{name} {kind}"})
            is_signed = all(
                any(each == zone or each.endswith("." + zone) for zone in self.signed) for each in seen
            )
        if is_signed and question.flags & dns.flags.AD:
            response.flags |= dns.flags.AD
        if failing:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif values:
            response.answer.append(dns.rrset.from_text(seen[-1] + ".", 5, "IN", kind, *values))
        elif not exists:
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()

    def __enter__(self) -> "DnsServer":
        for each in (self._udp, self._tcp):
            threading.Thread(target=each.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self._udp, self._tcp):
            each.shutdown()
            each.server_close()


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
