"""`python -m tests.fuzz.doubling [octets]`: twice the message takes about twice the time, up to 50 MB.

For headers, parts, addresses and encoded words, of well-formed and of hostile kinds. The processor's time is taken, the
least of some tries; where the factor is above 2.3 it is measured again, for the machine may have been busy. What takes
less than a few milliseconds is not compared: it is mostly the clock.
"""

import sys
import time
from collections.abc import Callable

from mailmsg.address import parse_addresses
from mailmsg.facts import examine
from mailmsg.header import fields, unfold
from mailmsg.words import decode_words

LARGEST = 50_000_000
SMALLEST = 800_000
MOST = 2.3
COMPARED_SECONDS = 0.004
TRIES = 3
MULTIPART = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"


def _walk(block: bytes) -> None:
    for field in fields(block):
        unfold(field.value)


def _times(piece: bytes, begin: bytes = b"") -> Callable[[int], bytes]:
    return lambda octets: begin + piece * (octets // len(piece))


SHAPES: dict[str, tuple[Callable[[bytes], object], Callable[[int], bytes]]] = {
    "headers: short fields": (examine, _times(b"X-A: v\r\n")),
    "headers: one folded field": (examine, _times(b" folded\r\n", b"Subject: x\r\n")),
    "headers: no colon": (examine, _times(b"word\r\n")),
    "headers: fields one by one": (_walk, _times(b"X-A: v\r\n w\r\n")),
    "headers: bare line ends": (_walk, _times(b"a:b\r\rc:d\n")),
    "parts: flat": (examine, _times(b"--b\r\n\r\nx\r\n", MULTIPART)),
    "parts: with headers": (examine, _times(b"--b\r\nContent-Type: text/plain\r\n\r\ntext\r\n", MULTIPART)),
    "parts: almost boundaries": (examine, _times(b"text \r\n--not\r\n--b-\r\n", MULTIPART + b"--b\r\n\r\n")),
    "parts: ever deeper": (examine, _times(MULTIPART + b"--b\r\n")),
    "parts: messages in messages": (examine, _times(b"Content-Type: message/rfc822\r\n\r\n")),
    "parts: one long body": (examine, _times(b"a line of text\r\n", b"Subject: x\r\n\r\n")),
    "addresses: plain": (parse_addresses, _times(b"a@b.test, ")),
    "addresses: with names": (parse_addresses, _times(b'"A, B" (c) <a@b.test>, ')),
    "addresses: groups": (parse_addresses, _times(b"g: a@b, c@d; ")),
    "addresses: comments never closed": (parse_addresses, _times(b"(a ")),
    "addresses: quotes never closed": (parse_addresses, _times(b'"\\')),
    "addresses: routes": (parse_addresses, _times(b"@a,", b"<")),
    "addresses: angles": (parse_addresses, _times(b"a<")),
    "encoded words: q": (decode_words, _times(b"=?utf-8?q?=c3=bc?= ")),
    "encoded words: b": (decode_words, _times(b"=?utf-8?b?w7w=?= x ")),
    "encoded words: beginnings": (decode_words, _times(b"=?utf-8?q?")),
    "encoded words: unknown charsets": (decode_words, _times(b"=?x-none?b?//8=?= ")),
    "encoded words: question marks": (decode_words, _times(b"=?")),
}


def seconds(work: Callable[[bytes], object], message: bytes, tries: int) -> float:
    """The least time of some tries."""
    best = float("inf")
    for _ in range(tries):
        started = time.process_time()
        work(message)
        best = min(best, time.process_time() - started)
    return best


def main(largest: int) -> None:
    """Prints the worst factor of each shape."""
    failed = []
    for name, (work, make) in SHAPES.items():
        worst, at, octets, before = 0.0, 0, largest, None
        sizes = []
        while octets >= min(SMALLEST, largest):
            sizes.append(octets)
            octets //= 2
        for octets in reversed(sizes):
            now = seconds(work, make(octets), 1 if octets > 4_000_000 else TRIES)
            if before is not None and before > COMPARED_SECONDS:
                factor = now / before
                for _ in range(TRIES):
                    if factor <= MOST:
                        break
                    before = seconds(work, make(octets // 2), TRIES)
                    now = min(now, seconds(work, make(octets), TRIES))
                    factor = now / before
                if factor > worst:
                    worst, at = factor, octets
            before = now
        assert before is not None
        print(f"{name}: at most {worst:.2f} (at {at} octets); {largest} octets in {before:.2f} s", flush=True)
        if worst > MOST:
            failed.append(name)
    assert not failed, failed


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else LARGEST)
