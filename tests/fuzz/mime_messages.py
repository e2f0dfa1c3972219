"""`python -m tests.fuzz.mime_messages [inputs] [seed]`: what reads messages, fed with pieces of them, altered.

Of each input: no exception; every part lies inside the message and inside the part around it; what IMAP is told is one
well-formed list; named and other fields make the whole header. Prints the slowest input; none may take a second.
"""

import random
import sys
import time
from collections.abc import Iterator

from mailmsg.address import parse_addresses
from mailmsg.facts import MessageFacts, examine
from mailmsg.header import Selection, fields, select_fields, unfold
from mailmsg.parts import decode_parts
from mailmsg.words import decode_words

PIECES = [
    *(b"Content-Type: ", b"multipart/mixed", b"multipart/digest", b"message/rfc822", b"text/plain", b"image/png"),
    *(b"; boundary=", b'; boundary="b"', b"; boundary*0=b; boundary*1=c", b"; charset=utf-8", b"; name*=utf-8''%e4"),
    *(b"Content-Transfer-Encoding: base64", b"Content-Disposition: attachment; filename=x", b"MIME-Version: 1.0"),
    *(b"\r\n", b"\r\n", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b"\r\n ", b"\r\n\t", b"\0", b"\xff\xfe", b"\xc3\xbc"),
    *(b"--b", b"--b\r\n", b"--b\r\n\r\n", b"\r\n--b--\r\n", b"--b--", b"--", b"--bc\r\n", b"b", b" ", b"\t", b"x" * 90),
    *(b"To: ", b"From: ", b"Subject: ", b"Date: ", b"Message-ID: ", b"References: ", b"List-Id: ", b"Cc: ", b":"),
    *(b"a@b.test", b"<a@b>", b'"A, B" <a@b.test>', b"group: a@b, c@d;", b"(comment (in one))", b"@r,@s:a@b", b","),
    *(b"=?utf-8?q?=c3=bc?=", b"=?utf-8?b?w7w=?=", b"=?x-none?b?//8=?=", b"=?utf-8*de?q?x?=", b"=?", b"?="),
    *(b"Tue, 1 Apr 1997 09:06:31 -0800", b"1 Jan", b"31 Feb 99999 99:99", b"<", b">", b"(", b")", b'"', b"\\", b";"),
]  # fmt: skip


def check(message: bytes) -> MessageFacts:
    """Raises AssertionError, or whatever the parsers raise."""
    facts = examine(message)
    for wire in (facts.envelope, facts.bodystructure, facts.body):
        check_wire(wire)
    index = decode_parts(facts.parts)
    for part in index.parts:
        assert 0 <= part.header_offset <= part.body_offset <= part.text_offset
        assert part.text_offset <= part.body_offset + part.body_octets <= len(message)
        if part.section:
            around = index.get(part.section[:-1])
            assert around is None or around.header_offset <= part.header_offset
            assert around is None or around.body_offset <= part.body_offset
    names = [b"to", b"content-type", b"x"]
    for block in (message[: facts.header_octets], message):
        named = select_fields(block, names, Selection.NAMED)
        others = select_fields(block, names, Selection.NOT_NAMED)
        assert len(list(fields(named))) + len(list(fields(others))) == len(list(fields(block)))
    for field in fields(message):
        parse_addresses(field.value)
        decode_words(unfold(field.value))
    return facts


def check_wire(wire: bytes) -> None:
    """One parenthesised list, its strings and literals well formed, and nothing after it."""
    position = depth = 0
    while position < len(wire):
        octet = wire[position : position + 1]
        if octet == b"(":
            depth += 1
        elif octet == b")":
            depth -= 1
        elif octet == b'"':
            position += 1
            while wire[position : position + 1] != b'"':
                assert wire[position] not in b"\r\n\0"
                assert wire[position] < 0x80
                position += 2 if wire[position : position + 1] == b"\\" else 1
        elif octet == b"{":
            end = wire.index(b"}\r\n", position)
            position = end + 2 + int(wire[position + 1 : end])
        position += 1
        if depth == 0:
            break
    assert depth == 0
    assert position == len(wire)


def messages(inputs: int, seed: int) -> Iterator[bytes]:
    """As many; half of them begin like a multipart."""
    chance = random.Random(seed)
    for _ in range(inputs):
        pieces = chance.choices(PIECES, k=chance.randrange(1, 24))
        if chance.random() < 0.5:
            pieces = [b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n", *pieces]
        message = bytearray(b"".join(pieces))
        for _ in range(chance.choice((0, 0, 0, 1, 3))):
            message[chance.randrange(len(message))] = chance.randrange(256)
        yield bytes(message)


def main(inputs: int, seed: int) -> None:
    """As many inputs."""
    slowest, slow, begun, parts = 0.0, b"", time.perf_counter(), 0
    for number, message in enumerate(messages(inputs, seed)):
        started = time.perf_counter()
        try:
            facts = check(message)
        except Exception:
            print(f"input {number} of seed {seed}: {message!r}")
            raise
        parts += b"(" in facts.bodystructure[1:]
        if (took := time.perf_counter() - started) > slowest:
            slowest, slow = took, message
    print(
        f"{inputs} inputs in {time.perf_counter() - begun:.0f} s, {parts} with parts or parameters; "
        f"slowest {slowest * 1000:.1f} ms: {slow[:60]!r}"
    )
    assert slowest < 1.0, "an input took a second"


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] + ["1000000", "1"][len(sys.argv) - 1 :])))
