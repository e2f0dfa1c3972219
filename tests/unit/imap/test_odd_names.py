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
