"""Messages that say which they are, made from nothing but their number: whoever sees one can check every octet."""

import random
import re
from base64 import encodebytes

MARK = re.compile(rb"\r\nX-Stress: (\d+)\r\n")


def letter(number: int) -> bytes:
    """The message of that number, always the same."""
    chance = random.Random(number)
    head = (
        f"From: Client {number % 7} <c{number % 7}@stress.invalid>\r\nTo: <all@stress.invalid>\r\n"
        f"Subject: letter {number}\r\nX-Stress: {number}\r\nMessage-ID: <{number}@stress.invalid>\r\n"
        "Date: Sat, 21 Nov 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    ).encode()
    match chance.randrange(4):
        case 0:
            return head + b"\r\n" + b"%d\r\n" % number * chance.randrange(1, 400)
        case 1:
            text = "Grüße, ½, 日本\r\n" * chance.randrange(1, 200)
            return (
                head
                + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                + text.encode()
            )
        case 2:
            octets = encodebytes(chance.randbytes(chance.randrange(1, 30_000))).replace(b"\n", b"\r\n")
            return (
                head
                + b"Content-Type: multipart/mixed; boundary=cut\r\n\r\n--cut\r\n\r\ntext\r\n--cut\r\n"
                + b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                + octets
                + b"--cut--\r\n"
            )
        case _:
            # Without a CRLF at the end, and with what looks like IMAP.
            return head + b"\r\n* 1 EXPUNGE\r\n. {3}\r\nt1 OK\r\n)"


def number_of(content: bytes) -> int:
    """Which one it is. Raises ValueError where it is none, or not to the last octet."""
    found = MARK.search(content[:1000])
    if found is None:
        raise ValueError(f"no letter: {content[:200]!r}")
    number = int(found[1])
    if letter(number) != content:
        raise ValueError(f"letter {number} is altered")
    return number
