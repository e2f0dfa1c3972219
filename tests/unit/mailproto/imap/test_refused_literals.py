"""What is thrown away of refused commands has an end (RFC 7888 §5: what is on its way already must be let pass)."""

import pytest
from mailproto.imap import reader
from mailproto.imap.reader import Broken, Reader, Refused


def test_a_command_of_refused_literals_ends_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "SKIPPED_OCTETS", 1000)
    one = Reader(literal_octets=10, append_octets=10)
    for _ in range(3):
        one.feed(b"a SEARCH TEXT {400+}\r\n" + b"x" * 400 + b" TEXT {600+}\r\n" + b"x" * 600 + b"\r\n")
        assert isinstance(one.next_event() or one.next_event(), Refused)
        assert one.is_between_commands
    one.feed(b"a SEARCH TEXT {400+}\r\n" + b"x" * 400 + b" TEXT {601+}\r\n")
    assert isinstance(one.next_event() or one.next_event(), Broken)


def test_one_that_is_longer_than_all_that_may_pass_is_not_begun_with() -> None:
    one = Reader(literal_octets=10, append_octets=10)
    one.feed(b"a SEARCH TEXT {%d+}\r\n" % (reader.SKIPPED_OCTETS + 1))
    assert isinstance(one.next_event(), Broken)
