"""A slice of the fuzz run (`python -m tests.fuzz.imap_parser` does a million)."""

from mailproto.imap.names import Dialect

from tests.fuzz.imap_parser import outcome, run


def test_altered_commands_are_refused_and_nothing_breaks() -> None:
    run(5_000, seed=9051)


def test_what_follows_a_refused_literal_does_not_raise_its_limit() -> None:
    """Found by the million: the next command was taken for the one that announced the literal."""
    said = b"{99999}\r\na APPEND INBOX {1+}\r\nx\r\n"
    at_once = outcome(said, [], Dialect.REV1)
    assert at_once == outcome(said, [9], Dialect.REV1)
    assert at_once[0] == ("*", "A literal has at most 4096 octets here")
