"""Searches of headers: folded, encoded, long, and the look at the whole block that spares most of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imap.core.matching import any_field_holds, header_holds
from mailstore import StoreUnavailable

from tests.support.imap_memory import Imap

HEADER = (
    b"Subject: one\r\n two\tthree\r\nX-Empty:\r\nFrom: =?utf-8?q?J=C3=B6rg?= <j@x.test>\r\n"
    b"To: \xc3\xa9ric@x.test\r\n\r\n"
)
PLAIN = b"Subject: one\r\n two\tthree\r\nX-Empty:\r\nTo: eric@x.test\r\n\r\n"


@pytest.mark.parametrize(
    ("name", "text", "held"),
    [
        (b"Subject", "ONE TWO", True),
        (b"subject", "two\tthree", True),
        (b"Subject", "onetwo", False),
        (b"To", "one", False),
        (b"X-Empty", "", True),
        (b"X-None", "", False),
        (b"X-Empty", "x", False),
    ],
)
def test_fields(name: bytes, text: str, held: bool) -> None:
    assert header_holds(PLAIN, name, text) is held
    assert header_holds(HEADER, name, text) is held


def test_encoded_and_raw() -> None:
    assert header_holds(HEADER, b"From", "jörg <J@")
    assert header_holds(HEADER, b"To", "Éric")
    assert any_field_holds(HEADER, "x-emp")
    assert not any_field_holds(HEADER, "nowhere")


@given(
    st.lists(
        st.tuples(st.sampled_from(["A", "Subject"]), st.text(alphabet="abAB \t", max_size=8)), max_size=4
    ),
    st.text(alphabet="abAB ", min_size=1, max_size=4),
)
def test_the_look_at_the_block_spares_nothing_that_is_there(fields: list[tuple[str, str]], text: str) -> None:
    header = "".join(f"{name}: {value}\r\n x\r\n" for name, value in fields).encode() + b"\r\n"
    expected = any(
        name == "Subject" and text.lower() in (value + " x").strip(" \t").lower() for name, value in fields
    )
    assert header_holds(header, b"subject", text) is expected


def test_a_long_header_is_read(imap: Imap) -> None:
    client = imap.client(select="INBOX")
    client.append("Subject: short\n\nx\n")
    client.append("X-Long: " + "word " * 8000 + "\nSubject: the end\n\nx\n")
    client.say("NOOP")
    assert client.say('SEARCH SUBJECT "the end"')[0] == "* SEARCH 2"
    assert client.say("SEARCH NOT SUBJECT end LARGER 5")[0] == "* SEARCH 1"
    assert client.say("SEARCH TEXT word")[0] == "* SEARCH 2"


@pytest.mark.parametrize("failing", ["SEARCH", "ESEARCH"])
def test_a_search_that_fails_saves_nothing(imap: Imap, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    """RFC 5182 §2.1: NO empties `$`, whatever it is for; BAD leaves it."""
    client = imap.client(select="INBOX")
    client.append("Subject: x\n\nx\n")
    client.say("NOOP")
    for why in ("FILTER nobody", "CHARSET KOI8-R ALL", "BODY x", "CHARSET UTF-8 BOGUS"):
        client.say("SEARCH RETURN (SAVE) ALL")
        with monkeypatch.context() as patch:
            patch.setattr(imap.store, "fetch", _away)
            said = client.say(f"{failing} RETURN (SAVE) {why}")[-1]
        left = ["* 1 FETCH (UID 1)"] if why.endswith("BOGUS") else []
        assert said.startswith("BAD" if left else "NO"), said
        assert client.say("FETCH $ UID") == [*left, "OK FETCH completed"]


def test_a_filter_in_a_charset_that_is_not_known(imap: Imap) -> None:
    """RFC 5466 §3.1: BAD, which leaves what was saved."""
    client = imap.client(select="INBOX")
    client.append("Subject: x\n\nx\n")
    client.say("NOOP")
    client.say("SEARCH RETURN (SAVE) ALL")
    for words in ("RETURN (SAVE) CHARSET KOI8-R FILTER x", "CHARSET KOI8-R OR SEEN (NOT FILTER x)"):
        assert client.say(f"SEARCH {words}")[-1].startswith("BAD [BADCHARSET (UTF-8 US-ASCII)]")
    assert client.say("SEARCH CHARSET KOI8-R SUBJECT FILTER")[-1].startswith("NO [BADCHARSET")
    assert client.say("FETCH $ UID")[0] == "* 1 FETCH (UID 1)"


def _away(*_args: object) -> object:
    raise StoreUnavailable("away")


def test_a_filter_with_numbers_is_none_for_who_has_only_uids(imap: Imap) -> None:
    client = imap.client()
    client.say('SETMETADATA "" (/private/filters/values/first "1:2" /private/filters/values/low "UID 1:2")')
    client.say("ENABLE UIDONLY")
    client.say("SELECT INBOX")
    assert client.say("UID SEARCH FILTER first")[-1].startswith("BAD [UIDREQUIRED]")
    assert client.say("UID SEARCH NOT FILTER low")[-1].startswith("OK")


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("Sat, 21 Nov 2026 01:00:00 +0900", "21-Nov-2026"),
        ("Sat, 21 Nov 2026 23:30:00 -0800 (a comment)", "21-Nov-2026"),
        ("21 Nov 26 12:00 EST", "21-Nov-2026"),
        ("Sat, 21 Nov 2026 00:00:00 +9959", "21-Nov-2026"),
    ],
)
def test_the_day_it_was_sent_is_the_one_that_is_written(imap: Imap, written: str, day: str) -> None:
    """RFC 3501 §6.4.4: disregarding time and timezone."""
    client = imap.client(select="INBOX")
    client.append(f"Date: {written}\nSubject: x\n\nx\n")
    client.append("Subject: no date\n\nx\n")
    client.append("Date: tomorrow\nSubject: none either\n\nx\n")
    client.say("NOOP")
    assert client.say(f"SEARCH SENTON {day}")[0] == "* SEARCH 1"
    assert client.say(f"SEARCH SENTSINCE {day}")[0] == "* SEARCH 1"
    assert client.say(f"SEARCH SENTBEFORE {day}")[0] == "* SEARCH"
    assert client.say("SEARCH SENTBEFORE 22-Nov-2026")[0] == "* SEARCH 1"
    assert client.say("SEARCH OR SENTON 20-Nov-2026 SENTON 22-Nov-2026")[0] == "* SEARCH"
    assert client.say(f"SEARCH NOT SENTON {day}")[0] == "* SEARCH 2 3"
