"""Names and words that mean something to one reader and something else to the next."""

import random
import re

import pytest
from mailmodel.mailbox_name import canonical
from mailproto.imap.names import LONGEST_NAME, Pattern
from mailproto.imap.reader import Reader, Refused

from tests.support.imap_memory import Imap


def test_an_entry_that_looks_like_a_literal_is_quoted(imap: Imap) -> None:
    one, two = imap.client(), imap.client()
    quoted = '"/private/top/a \\"\\\\b {9999}"'
    assert two.say("ENABLE METADATA")[-1].startswith("OK")
    assert one.say(f'SETMETADATA INBOX ({quoted} "x")')[-1].startswith("OK")
    assert one.say(f"GETMETADATA INBOX {quoted}")[0] == f'* METADATA INBOX ({quoted} "x")'
    assert one.say("GETMETADATA INBOX (DEPTH infinity) /private/top")[0] == f'* METADATA INBOX ({quoted} "x")'
    assert f'* METADATA INBOX ({quoted} "x")' in one.say(f'LIST "" INBOX RETURN (METADATA ({quoted}))')
    # Who is told of it would take what follows for the literal.
    assert f"* METADATA INBOX {quoted}" in two.say("NOOP")


def test_inbox_is_inbox_in_ascii_alone() -> None:
    assert canonical("iNbOx/a") == "INBOX/a"
    assert canonical("\u0131nbox") == "\u0131nbox"
    assert not Pattern("\u0131nbox").matches("INBOX")
    assert Pattern("inbox/%").matches("INBOX/a")


def test_patterns_fit_as_expressions_do() -> None:
    dice = random.Random(3)
    for _ in range(3000):
        pattern = "".join(dice.choices("ab/*%*%", k=dice.randint(0, 8)))
        name = "".join(dice.choices("ab/", k=dice.randint(0, 8)))
        written = "".join({"*": ".*", "%": "[^/]*"}.get(each, each) for each in pattern)
        assert Pattern(pattern).matches(name) is (re.fullmatch(written, name) is not None), (pattern, name)


def test_a_pattern_longer_than_any_name_fits_none() -> None:
    assert Pattern("*a" * LONGEST_NAME).matches("a" * LONGEST_NAME)
    assert not Pattern("*a" * (LONGEST_NAME + 1) + "*").matches("a" * (LONGEST_NAME + 1))


@pytest.mark.parametrize(
    "date", ["01-Jan-0001 00:00:00 +1400", "31-Dec-9999 23:59:59 -1200", "01-Jan-0001 00:00:00 +0001"]
)
def test_a_date_that_is_none_in_utc_is_no_date(imap: Imap, date: str) -> None:
    alice = imap.client(select="INBOX")
    said = alice.say(f'APPEND INBOX "{date}" {{1+}}\r\nx')
    assert said == ["BAD There is no such date and time"]
    assert alice.say('APPEND INBOX "01-Jan-0001 00:00:00 -1400" {1+}\r\nx')[-1].startswith("OK")


def test_a_refused_command_is_not_over_with_its_literal() -> None:
    reader = Reader(literal_octets=10, append_octets=10)
    reader.feed(b"a SELECT {20+}\r\n")
    assert reader.next_event() is None
    reader.feed(b"x" * 20)
    # Its line goes on: what comes now is not the beginning of a command.
    assert reader.next_event() is None
    assert not reader.is_between_commands
    reader.feed(b" b FETCH 1 UID\r\n")
    assert isinstance(reader.next_event(), Refused)
    assert reader.is_between_commands


@pytest.mark.parametrize(
    "words",
    ["LOGIN {1+}\r\n\0 x", "LOGIN x {2+}\r\n\0x"],
)
def test_no_login_and_no_password_has_a_nul_in_it(imap: Imap, words: str) -> None:
    stranger = imap.connect()
    stranger.exchange(b"")
    assert stranger.say(words) == ["BAD A text holds no NUL"]


@pytest.mark.parametrize(
    "words",
    [
        "SEARCH BODY {2+}\r\nx\0",
        "SEARCH SUBJECT {1+}\r\n\0",
        "SETACL INBOX {1+}\r\n\0 lr",
        "GETQUOTA {1+}\r\n\0",
    ],
)
def test_nothing_that_is_sought_or_named_has_one(imap: Imap, words: str) -> None:
    """PostgreSQL knows no such text: it would have been our fault."""
    alice = imap.client(select="INBOX")
    assert alice.say(words) == ["BAD A text holds no NUL"]
