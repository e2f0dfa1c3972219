"""`python -m tests.fuzz.imap_parser [inputs] [seed]`: the IMAP reader and parser, fed with commands that were altered.

The commands are those of the golden dialogues, cut, doubled, mixed with one another and with junk. Of each input: no
exception but the two that mean a refusal, the same commands however the octets are cut, at most one answer for a line,
bounded memory, and the session can go on: a NOOP after it is understood unless the connection was given up. Prints the
slowest input; none may take a second.
"""

import random
import sys
import time
from pathlib import Path

from mailproto.imap import commands as c
from mailproto.imap import reader as r
from mailproto.imap.names import Dialect
from mailproto.imap.parse import CommandInvalid, parse
from mailproto.imap.parse_search import CharsetUnknown

from tests.support import dialogue

DIALOGUES = Path(__file__).parents[1] / "conformance" / "imap"
LITERAL_OCTETS, APPEND_OCTETS = 4096, 20_000
JUNK = [
    *(
        b"(",
        b")",
        b'"',
        b"\\",
        b"{",
        b"}",
        b"{3}\r\n",
        b"{3+}\r\n",
        b"{0+}\r\n",
        b"{99999999999+}\r\n",
        b"~{2+}\r\n",
    ),
    *(
        b"{5@0}",
        b"{5@0}\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"*",
        b"%",
        b"$",
        b",",
        b":",
        b"1:*",
        b"0",
        b"4294967296",
    ),
    *(
        b"NIL",
        b"[",
        b"]",
        b"<0.10>",
        b"BODY.PEEK[",
        b"HEADER.FIELDS (",
        b"UID ",
        b"RETURN (",
        b"NOT ",
        b"OR ",
        b"\xff\xfe",
    ),
    *(
        b"&",
        b"&-",
        b"&AOk-",
        b"\xc3\xa9",
        b"INBOX",
        b"99999999999999999999",
        b"-1:-5",
        b"CHARSET x ",
        b"UTF8 (~{1+}\r\nx)",
    ),
]
LAST = b"\r\nlast NOOP\r\n"


def known() -> list[bytes]:
    """What the clients of the golden dialogues say, a session a piece and a line a piece."""
    pieces: list[bytes] = []
    for path in sorted(DIALOGUES.glob("*.txt")):
        said = [
            line.text.encode() + (b"" if line.who is dialogue.Who.CLIENT_RAW else b"\r\n")
            for line in dialogue.load(path).lines
            if line.who in (dialogue.Who.CLIENT, dialogue.Who.CLIENT_RAW)
        ]
        pieces += said
    return [piece for piece in pieces if 0 < len(piece) < 2000]


def altered(chance: random.Random, pieces: list[bytes]) -> bytes:
    """One to three commands with something done to them."""
    data = bytearray(b"".join(chance.choice(pieces) for _ in range(chance.randint(1, 3))))
    for _ in range(chance.randint(0, 4)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0:
                data[place:place] = chance.choice(JUNK)
            case 1:
                del data[place : place + chance.randint(1, 8)]
            case 2 if place < len(data):
                data[place] = chance.randrange(256)
            case 3:
                data[place:place] = data[max(0, place - chance.randint(1, 12)) : place] * chance.randint(1, 3)
            case 4:
                other = chance.choice(pieces)
                data[place:place] = other[chance.randrange(len(other)) :]
            case 5:
                data[place:place] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 5)))
    return bytes(data)


def outcome(data: bytes, cuts: list[int], dialect: Dialect) -> list[object]:
    """What a server makes of it: commands and refusals."""
    reader = r.Reader(literal_octets=LITERAL_OCTETS, append_octets=APPEND_OCTETS)
    results: list[object] = []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        reader.feed(data[start:end])
        while (event := reader.next_event()) is not None:
            if isinstance(event, r.Broken):
                return [*results, "given up"]
            if isinstance(event, r.Whole):
                results.append(_parsed(bytes(event.octets), dialect))
            elif isinstance(event, r.Refused):
                results.append((event.tag, event.text))
    return results


def _parsed(octets: bytes, dialect: Dialect) -> object:
    if not octets:
        return None
    try:
        return parse(octets, dialect)
    except CommandInvalid as error:
        return (error.tag, str(error), error.code)
    except CharsetUnknown as error:
        return ("charset", str(error))


def check(chance: random.Random, pieces: list[bytes]) -> bytes:
    """One input; raises where it shows a fault."""
    data = altered(chance, pieces)
    dialect = chance.choice([Dialect.REV1, Dialect.REV2, Dialect.UTF8])
    # What was begun is ended: a literal that was announced, a line.
    whole = data + LAST
    at_once = outcome(whole, [], dialect)
    cuts = sorted(chance.randrange(len(whole) + 1) for _ in range(chance.randint(1, 5)))
    assert outcome(whole, cuts, dialect) == at_once, (data, cuts)
    lines = whole.count(b"\n")
    assert len(at_once) <= lines, data
    if b"{" not in data and "given up" not in at_once:
        last = at_once[-1]
        assert isinstance(last, c.Tagged), data
        assert last.command is c.Plain.NOOP, data
    return data


def run(inputs: int, seed: int) -> tuple[float, bytes]:
    """The longest an input took, in seconds, and that input."""
    chance = random.Random(seed)
    pieces = known()
    longest, slowest = 0.0, b""
    for _ in range(inputs):
        started = time.perf_counter()
        data = check(chance, pieces)
        took = time.perf_counter() - started
        if took > longest:
            longest, slowest = took, data
    return longest, slowest


def main() -> None:
    inputs = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print(f"{inputs} inputs, seed {seed}", flush=True)
    started = time.perf_counter()
    longest, slowest = run(inputs, seed)
    print(f"{time.perf_counter() - started:.0f} s; the slowest took {longest * 1000:.1f} ms: {slowest!r}")
    if longest > 1:
        sys.exit(1)


if __name__ == "__main__":
    main()
