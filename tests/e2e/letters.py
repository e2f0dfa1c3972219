"""Messages of every kind that must arrive as they were sent, and how to look at what arrived."""

import hashlib
import random
from base64 import encodebytes
from dataclasses import dataclass


@dataclass(frozen=True)
class Sent:
    """A message as it was handed over: CRLF lines, not dot-stuffed."""

    name: str
    content: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


def _head(name: str, sender: str, recipient: str, extra: bytes = b"") -> bytes:
    return (
        f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: {name}\r\n"
        f"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMessage-ID: <{name}@e2e.invalid>\r\n"
    ).encode() + extra


def plain(name: str, sender: str, recipient: str, text: bytes = b"hello\r\n") -> Sent:
    """An ordinary text message."""
    return Sent(name, _head(name, sender, recipient) + b"\r\n" + text)


def every_kind(sender: str, recipient: str) -> list[Sent]:
    """One of each kind that has been altered by a mail system somewhere."""
    random_octets = random.Random(7).randbytes
    attachment = encodebytes(random_octets(14 * 1024 * 1024)).replace(b"\n", b"\r\n")
    boundary = b"=_part_boundary_="
    big = (
        _head("twenty-megabytes", sender, recipient, b"MIME-Version: 1.0\r\n")
        + b'Content-Type: multipart/mixed; boundary="'
        + boundary
        + b'"\r\n\r\n'
        + b"--"
        + boundary
        + b"\r\nContent-Type: text/plain\r\n\r\nsee attachment\r\n"
        + b"--"
        + boundary
        + b"\r\nContent-Type: application/octet-stream\r\n"
        + b'Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename="big.bin"\r\n\r\n'
        + attachment
        + b"--"
        + boundary
        + b"--\r\n"
    )
    mime8 = (
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
    )
    binary = encodebytes(random_octets(3000)).replace(b"\n", b"\r\n")
    return [
        plain("plain", sender, recipient),
        Sent("eight-bit", _head("eight-bit", sender, recipient, mime8) + "\r\nGrüße, 日本, ½\r\n".encode()),
        plain("one-dot", sender, recipient, b"before\r\n.\r\nafter\r\n"),
        plain("dots", sender, recipient, b".\r\n..\r\n...\r\n.leading\r\n"),
        plain("empty-body", sender, recipient, b""),
        plain("blank-lines", sender, recipient, b"\r\n\r\n\r\n"),
        plain("trailing-spaces", sender, recipient, b"a  \r\n\tb\t\r\n \r\n"),
        plain("long-line", sender, recipient, b"x" * 998 + b"\r\n"),
        plain("from-line", sender, recipient, b"From here on\r\n>From there\r\n"),
        Sent(
            "binary-in-base64",
            _head(
                "binary-in-base64",
                sender,
                recipient,
                b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n",
            )
            + b"\r\n"
            + binary,
        ),
        Sent(
            "folded",
            _head("folded", sender, recipient, b"X-Long: one\r\n two\r\n\tthree\r\n") + b"\r\nfolded\r\n",
        ),
        Sent("twenty-megabytes", big),
    ]


def after_trace(arrived: bytes, sent: bytes) -> bytes:
    """What stands after the trace fields of the road; fails where something else was added or altered."""
    assert arrived.endswith(sent), "the message is not what was sent, to the last octet"
    trace = arrived[: len(arrived) - len(sent)]
    names = [line.split(b":")[0].lower() for line in trace.split(b"\r\n") if line and line[:1] not in b" \t"]
    assert trace.endswith(b"\r\n")
    ours = {b"return-path", b"delivered-to", b"received", b"authentication-results", b"x-posthouse-scan"}
    assert set(names) <= ours, names
    return arrived[len(trace) :]
