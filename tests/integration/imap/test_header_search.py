"""SEARCH of header fields leaves most messages to PostgreSQL, and finds what a look at every message finds."""

import random
from collections.abc import Callable
from email.header import Header
from typing import Any

import pytest

from tests.support.imap_memory import Client, Imap

SEED = 20261121
WORDS = [
    "Report",
    "report",
    "straße",
    "STRASSE",
    "Über",
    "back\\slash",
    "100%",
    "under_score",
    "a'b",
    '"c"',
    "=?x",
]
SOUGHT = [
    *(
        "report",
        "REPORT",
        "strasse",
        "ß",
        "über",
        "uber",
        "\\",
        "%",
        "_",
        "'",
        "=?",
        "port Rep",
        "t  r",
        "x",
        "zzz",
    ),
    *("", "anne", "@", "sub", "sla", "\\s", "port report", "r\tr"),
]
NAMES = ("Subject", "From", "X-Thing", "Received", "Nothing")


def message(chance: random.Random, number: int) -> bytes:
    """Fields plain, folded, encoded, raw, many; one in some is too long for its column."""
    words = chance.choices(WORDS, k=3)
    text = " ".join(words)
    form = chance.choice(("plain", "folded", "encoded", "raw", "ascii", "ascii", "tabs"))
    ascii_words = [word for word in chance.choices(WORDS, k=4) if word.isascii()] or ["report"]
    subject = {
        "plain": text.encode(),
        "raw": text.encode("latin-1", "replace"),
        "encoded": Header(text, "utf-8").encode().replace("\n", "\r\n").encode(),
        "folded": "\r\n ".join(ascii_words).encode(),
        "tabs": "\r\n\t".join(ascii_words).encode(),
        "ascii": " ".join(ascii_words).encode(),
    }[form]
    lines = [b"Subject: " + subject, b"From: Anne <anne@a.test>", b"Message-ID: <%d@a.test>" % number]
    if chance.random() < 0.5:
        lines.append(b"X-Thing: " + chance.choice(ascii_words).encode())
    if chance.random() < 0.1:
        lines += [b"X-Long: " + b"y" * 900] * 80
    chance.shuffle(lines)
    return b"\r\n".join(lines) + b"\r\n\r\nreport in the body\r\n"


def key_of(chance: random.Random, depth: int = 0) -> str:
    """A search of header fields, among other things."""
    kind = chance.choice(("field",) * 6 + ("or", "not", "and", "flag", "set") * (depth < 2))
    if kind == "or":
        return f"OR {key_of(chance, depth + 1)} {key_of(chance, depth + 1)}"
    if kind == "not":
        return f"NOT {key_of(chance, depth + 1)}"
    if kind == "and":
        return f"({key_of(chance, depth + 1)} {key_of(chance, depth + 1)})"
    if kind == "flag":
        return chance.choice(("FLAGGED", "UNSEEN", "UNFLAGGED"))
    if kind == "set":
        return chance.choice(("2:9", "5:*", "UID 1:30"))
    sought = chance.choice(SOUGHT)
    literal = f"{{{len(sought.encode())}+}}\r\n{sought}"
    return f"HEADER {chance.choice(NAMES)} {literal}"


def searched(client: Client, keys: str) -> str:
    said = client.say(b"UID SEARCH CHARSET UTF-8 " + keys.encode())
    assert said[-1].startswith("OK"), said
    return said[0]


@pytest.fixture
def both(server: Callable[..., Imap]) -> tuple[Client, Client, Imap]:
    """Two servers on one mailbox; the first looks at every message."""
    chance = random.Random(SEED)
    plain, narrowing = server(), server()

    async def every(_account: object, _mailbox_id: int, _texts: object, uids: list[int] | None) -> list[int]:
        return list(range(1, 1000)) if uids is None else uids

    plain.store.headers_may_hold = every
    client = plain.client("alice@a.test")
    for number in range(60):
        client.append(message(chance, number), flags="(\\Flagged)" if number % 3 else "(\\Seen)")
    return client, narrowing.client("alice@a.test", select="INBOX"), narrowing


def test_the_same_is_found(both: tuple[Client, Client, Imap]) -> None:
    client, narrowing, _ = both
    client.say("SELECT INBOX")
    chance = random.Random(SEED + 1)
    sizes = set()
    for _ in range(70):
        key = key_of(chance)
        found = searched(client, key)
        assert searched(narrowing, key) == found, key
        sizes.add(len(found.split()) - 2)
    # They were worth asking: none, some, all.
    assert {0, 60} < sizes
    assert len(sizes) > 8


def test_most_headers_are_left_where_they_are(both: tuple[Client, Client, Imap]) -> None:
    client, narrowing, imap = both
    client.append(b"Subject: needle here\r\n\r\nx\r\n")
    narrowing.say("NOOP")
    read: list[int] = []
    plain: Callable[..., Any] = imap.store.fetch

    def fetch(account: object, mailbox_id: int, uids: list[int], columns: object) -> Any:
        read.extend(uids)
        return plain(account, mailbox_id, uids, columns)

    imap.store.fetch = fetch
    assert searched(narrowing, "SUBJECT needle") == "* SEARCH 61"
    everything = list(range(1, 62))
    assert 61 in read
    assert len(read) < len(everything)
    of_all = list(read)
    read.clear()
    # After what flags decide: of these only.
    assert searched(narrowing, "UNFLAGGED SUBJECT needle") == "* SEARCH 61"
    assert set(read) < set(of_all)
    read.clear()
    assert searched(narrowing, "SUBJECT needle UID 1:40") == "* SEARCH"
    assert 61 not in read


MEASURES = [
    *("BEFORE 3-Jan-2026", "ON 3-Jan-2026", "SINCE 3-Jan-2026", "SINCE 1-Jan-0001", "BEFORE 31-Dec-9999"),
    *("SAVEDON 3-Jan-2026", "SAVEDSINCE 1-Jan-2026", "SAVEDBEFORE 1-Jan-2026", "OLDER 3600", "YOUNGER 3600"),
    *("LARGER 60", "SMALLER 60", "LARGER 9999999999999999999", "OLDER 9999999999"),
    *("EMAILID M00", "NOT SINCE 3-Jan-2026", "OR ON 3-Jan-2026 LARGER 100", "SINCE 3-Jan-2026 SUBJECT n1"),
    "NOT (OR LARGER 70 BEFORE 4-Jan-2026) FLAGGED",
]


def test_dates_and_sizes_are_compared_where_they_lie(
    server: Callable[..., Imap], monkeypatch: pytest.MonkeyPatch
) -> None:
    imap = server()
    client = imap.client("alice@a.test", select="INBOX")
    for number in range(50):
        at = f'"{number % 6 + 1:02d}-Jan-2026 {number % 24:02d}:30:00 {("+0000", "-0900", "+1300")[number % 3]}"'
        text = f"Subject: n{number}\r\n\r\n{'x' * number * 3}\r\n".encode()
        flags = b"(\\Flagged) " if number % 2 else b""
        client.say(b"APPEND INBOX %b%b {%d+}\r\n%b" % (flags, at.encode(), len(text), text))
    client.say("NOOP")
    [own] = [line.split("EMAILID (")[1].rstrip(")") for line in client.say("FETCH 7 EMAILID")[:-1]]
    keys = [*MEASURES, f"EMAILID {own}", f"NOT EMAILID {own}"]
    asked = {key: searched(client, key) for key in keys}
    # The same with every message read.
    monkeypatch.setattr("imap.core.finding.measured", lambda _key, _now: {})
    assert {key: searched(client, key) for key in keys} == asked
    assert asked[f"EMAILID {own}"] == "* SEARCH 7"
    assert len({*asked.values()}) > 10
    monkeypatch.undo()
    monkeypatch.setattr(imap.store, "fetch", None)
    for key in keys:
        if "SUBJECT" not in key and "M00" not in key:
            assert searched(client, key) == asked[key]


def test_the_day_a_message_was_sent_is_not_that_of_another_zone(server: Callable[..., Imap]) -> None:
    """RFC 3501 §6.4.4: as it is written, though an instant is kept."""
    client = server().client("alice@a.test")
    client.append("Date: Sat, 21 Nov 2026 01:00:00 +0900\nSubject: east\n\nx\n")
    client.append("Date: Sat, 21 Nov 2026 23:00:00 -0800\nSubject: west\n\nx\n")
    client.say("SELECT INBOX")
    assert searched(client, "SENTON 21-Nov-2026") == "* SEARCH 1 2"
    assert searched(client, "OR SENTBEFORE 21-Nov-2026 SENTSINCE 22-Nov-2026") == "* SEARCH"
