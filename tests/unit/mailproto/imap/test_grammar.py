"""IMAP's grammar: every split of the input, bounds, names both ways, patterns."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailproto.imap import commands as c
from mailproto.imap import reader as r
from mailproto.imap.fetch_items import Attribute, Section, Seen, Text
from mailproto.imap.message_set import SAVED, STAR, MessageSet, Spans, compact
from mailproto.imap.names import NameInvalid, Pattern, decode_name, encode_name
from mailproto.imap.parse import CommandInvalid, parse
from mailproto.imap.parse_search import CharsetUnknown
from mailproto.imap.search_returns import Partial

SESSION = (
    b'a1 LOGIN "al\\"ice" {6+}\r\nse cr\r\r\na2 APPEND INBOX (\\Seen $x) "01-Jan-2026 00:00:00 +0100" {5+}\r\nab\r\nc\r\n'
    b"a3 UID FETCH 1:*,7 (FLAGS BODY.PEEK[1.2.HEADER.FIELDS (To {2+}\r\ncc)]<0.10>)\r\n"
    b"a4 SEARCH OR FROM x NOT (SEEN LARGER 10)\r\na5 NOOP\r\n"
)


def events(chunks: list[bytes]) -> list[r.Event]:
    reader = r.Reader(literal_octets=1000, append_octets=1000)
    found: list[r.Event] = []
    for chunk in chunks:
        reader.feed(chunk)
        while (event := reader.next_event()) is not None:
            found.append(event)
            if isinstance(event, r.Broken):
                return found
    return found


def test_every_octet_split_gives_the_same_commands() -> None:
    whole = events([SESSION])
    assert len(whole) == 5
    assert events([SESSION[n : n + 1] for n in range(len(SESSION))]) == whole
    for cut in range(len(SESSION)):
        assert events([SESSION[:cut], SESSION[cut:]]) == whole


def test_the_commands_are_what_was_meant() -> None:
    parsed = [parse(event.octets).command for event in events([SESSION]) if isinstance(event, r.Whole)]
    assert parsed[0] == c.Login('al"ice', "se cr\r")
    append = parsed[1]
    assert isinstance(append, c.Append)
    [text] = append.messages
    assert (text.flags, text.content) == (("\\Seen", "$x"), b"ab\r\nc")
    fetch = parsed[2]
    assert isinstance(fetch, c.Fetch)
    assert fetch.numbers == MessageSet(((1, STAR), (7, 7)))
    assert fetch.items[0] is Attribute.FLAGS
    section = fetch.items[1]
    assert isinstance(section, Section)
    assert (section.part, section.text, section.fields) == ((1, 2), Text.HEADER_FIELDS, (b"To", b"cc"))
    assert (section.partial, section.seen) == ((0, 10), Seen.PEEK)
    assert section.label == b"BODY[1.2.HEADER.FIELDS (To cc)]"


def test_a_synchronising_literal_waits_for_a_go_ahead() -> None:
    reader = r.Reader(literal_octets=100, append_octets=100)
    reader.feed(b"a LOGIN {3}\r\n")
    assert reader.next_event() == r.Go()
    assert reader.next_event() is None
    reader.feed(b"abc {2}\r\n")
    assert reader.next_event() == r.Go()
    reader.feed(b"de\r\n")
    assert reader.next_event() == r.Whole(b"a LOGIN {3}\r\nabc {2}\r\nde")


def test_literals_over_the_limit_are_refused_and_the_next_command_is_served() -> None:
    assert events([b"a LOGIN {2000}\r\n", b"b NOOP\r\n"]) == [
        r.Refused("a", "A literal has at most 1000 octets here"),
        r.Whole(b"b NOOP"),
    ]
    flood = b"a LOGIN {2000+}\r\n" + b"x" * 2000 + b"\r\nb NOOP\r\n"
    for cut in (1, 17, 18, 500, 2017, 2019):
        assert events([flood[:cut], flood[cut:]]) == [
            r.Refused("a", "A literal has at most 1000 octets here"),
            r.Whole(b"b NOOP"),
        ]


def test_ten_thousand_literals_are_no_way_round_the_limit() -> None:
    reader = r.Reader(literal_octets=100_000, append_octets=100_000)
    held = 0
    reader.feed(b"a SEARCH")
    for _ in range(10_000):
        reader.feed(b" {1+}\r\nx")
        assert reader.next_event() is None
        held = max(held, len(reader._buffer))
    assert held < 4096
    reader.feed(b"\r\nb NOOP\r\n")
    assert reader.next_event() == r.Refused("a", f"A command has at most {r.LITERALS} literals")
    assert reader.next_event() == r.Whole(b"b NOOP")
    # Who waits for a go-ahead is told at once.
    reader.feed(b"c SEARCH")
    for number in range(r.LITERALS + 1):
        reader.feed(b" {1}\r\n")
        event = reader.next_event()
        assert isinstance(event, r.Go) is (number < r.LITERALS)
        reader.feed(b"x" * isinstance(event, r.Go))
    assert isinstance(event, r.Refused)
    assert event.tag == "c"


@pytest.mark.parametrize("cut", [1, 7, 1000, r.LINE_OCTETS, 100_000])
def test_a_line_that_is_too_long_is_refused_when_it_is_over(cut: int) -> None:
    line = b"a SEARCH SUBJECT " + b"x" * 100_000
    refused = r.Refused("a", "The line is too long")

    def cut_up(octets: bytes) -> list[bytes]:
        return [octets[n : n + cut] for n in range(0, len(octets), cut)]

    assert events(cut_up(line + b"\r\nb NOOP\r\n")) == [refused, r.Whole(b"b NOOP")]
    # What of it is on its way as a literal is no command; for what is not, nobody is told to go ahead.
    assert events(cut_up(line + b" {12+}\r\nz DELETE a\r\n\r\nb NOOP\r\n")) == [refused, r.Whole(b"b NOOP")]
    assert events(cut_up(line + b" {11}\r\nb NOOP\r\n")) == [refused, r.Whole(b"b NOOP")]
    # After a literal too; and without a tag.
    assert events(cut_up(b"a X {2+}\r\nab" + line + b"\nb NOOP\r\n")) == [refused, r.Whole(b"b NOOP")]
    assert events(cut_up(b"(" + line + b"\nb NOOP\r\n"))[0] == r.Refused("*", "The line is too long")


def test_an_endless_line_is_not_kept_and_not_read_for_ever() -> None:
    reader = r.Reader(literal_octets=100, append_octets=100)
    fed = 0
    while (event := reader.next_event()) is None:
        reader.feed(b"x" * 4096)
        fed += 4096
        assert len(reader._buffer) <= r.LINE_OCTETS + 4096
        assert fed < 2 << 20
    assert event == r.Broken("That is too much")


@pytest.mark.parametrize("cut", [1, 1000, 100_000])
def test_an_answer_that_is_too_long_is_none(cut: int) -> None:
    reader = r.Reader(literal_octets=100, append_octets=100)
    octets = b"x" * 100_000 + b"\r\nDONE\r\n"
    taken = []
    for n in range(0, len(octets), cut):
        reader.feed(octets[n : n + cut])
        while (line := reader.take_line()) is not None:
            taken.append(line)
    assert taken == [r.Refused("*", "The line is too long"), b"DONE"]
    for _ in range(500):
        reader.feed(b"x" * 4096)
        if (line := reader.take_line()) is not None:
            break
    assert line == r.Broken("That is too much")


@pytest.mark.parametrize(
    "line",
    [
        *(
            b"",
            b"a",
            b"a ",
            b"+ NOOP",
            b"a FETCH",
            b"a FETCH 0 FLAGS",
            b"a FETCH 1 BODY[MIME]",
            b"a FETCH 1 BODY[1.]",
        ),
        *(
            b"a FETCH 1 (FLAGS",
            b"a FETCH 1 FLAGS)",
            b"a STORE 1 FLAGS",
            b"a SEARCH",
            b"a SEARCH NOSUCH",
            b"a SEARCH OR 1",
        ),
        *(
            b"a SEARCH ON 40-Jan-2026",
            b"a UID",
            b"a UID NOOP 1",
            b"a NOOP x",
            b"a LIST a",
            b'a LOGIN "x y',
            b"a STATUS x ()",
        ),
        *(
            b"a APPEND INBOX x",
            b'a APPEND INBOX "99-Jan-2026 00:00:00 +0000" {1}\r\nx',
            b"a SELECT &Jjo",
            b"a ID (x)",
        ),
    ],
)
def test_what_is_no_command_is_bad(line: bytes) -> None:
    with pytest.raises(CommandInvalid):
        parse(line)


def test_a_search_is_bounded_in_depth_and_in_number() -> None:
    with pytest.raises(CommandInvalid, match="complex"):
        parse(b"a SEARCH " + b"NOT " * 10_000 + b"ALL")
    with pytest.raises(CommandInvalid, match="complex"):
        parse(b"a SEARCH " + b"(" * 10_000 + b"ALL" + b")" * 10_000)
    with pytest.raises(CommandInvalid, match="complex"):
        parse(b"a SEARCH " + b"ALL " * 5000 + b"ALL")
    with pytest.raises(CharsetUnknown):
        parse(b"a SEARCH CHARSET KOI8-R ALL")


@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc"))))
def test_mailbox_names_survive_modified_utf7(name: str) -> None:
    assert decode_name(encode_name(name)) == name


def test_the_rfcs_own_mailbox_name() -> None:
    # RFC 3501 §5.1.3
    assert decode_name(b"~peter/mail/&U,BTFw-/&ZeVnLIqe-") == "~peter/mail/台北/日本語"
    assert encode_name("~peter/mail/台北/日本語") == b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"
    assert encode_name("a & b") == b"a &- b"
    with pytest.raises(NameInvalid):
        decode_name(b"&Jjo!")


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        *(
            ("*", "a/b/c", True),
            ("%", "a", True),
            ("%", "a/b", False),
            ("a/%", "a/b", True),
            ("a/%", "a/b/c", False),
        ),
        *(("%/%", "a/b", True), ("inbox", "INBOX", True), ("INB*", "INBOX", True), ("a*c", "abbc", True)),
        *(
            ("a*c", "abcd", False),
            ("*b%", "a/b", True),
            ("", "a", False),
            ("%%", "a/b", False),
            ("**", "a/b", True),
        ),
        *(("a%b", "a/b", False), ("a*b", "a/b", True), ("inbox/%", "INBOX/x", True)),
    ],
)
def test_list_patterns(pattern: str, name: str, fits: bool) -> None:
    assert Pattern(pattern).matches(name) is fits


def test_a_hostile_pattern_takes_no_longer_than_its_length_times_the_names() -> None:
    pattern = Pattern("*a" * 200 + "b")
    assert not pattern.matches("a" * 1000)
    # Wildcards that stand together are one.
    assert len(Pattern("*" * 10_000 + "%" * 10_000)._steps) == 1


@given(st.lists(st.integers(1, 100_000), unique=True, max_size=60).map(sorted))
def test_compact_sets_hold_the_same_numbers(numbers: list[int]) -> None:
    if not numbers:
        return
    shown = parse(b"a FETCH " + compact(numbers) + b" FLAGS").command
    assert isinstance(shown, c.Fetch)
    assert [n for low, high in shown.numbers.spans(10**6) for n in range(low, high + 1)] == numbers


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_junk_is_a_command_an_error_or_the_end(junk: bytes) -> None:
    for event in events([junk + b"\r\n"]):
        if isinstance(event, r.Whole):
            try:
                parse(event.octets)
            except (CommandInvalid, CharsetUnknown):
                continue


def test_no_octet_of_a_refused_command_is_a_command() -> None:
    # A message that is appended may have been written by somebody else.
    flood = (
        b"a APPEND INBOX {2000+}\r\n"
        + b"x" * 2000
        + b" {17+}\r\nzz DELETE INBOX\r\n {4+}\r\nabcd\r\nb NOOP\r\n"
    )
    expected = [r.Refused("a", "A literal has at most 1000 octets here", is_too_big=True), r.Whole(b"b NOOP")]
    for cut in range(len(flood)):
        assert events([flood[:cut], flood[cut:]]) == expected
    waits = b"a APPEND INBOX {2000+}\r\n" + b"x" * 2000 + b" {16}\r\nb NOOP\r\n"
    assert events([waits]) == expected


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)).map(lambda p: (p[0], p[0] + p[1])), max_size=12)
)
def test_merged_spans_hold_what_the_spans_held(spans: list[tuple[int, int]]) -> None:
    merged = Spans(spans)
    assert [n for n in range(80) if n in merged] == [
        n for n in range(80) if any(low <= n <= high for low, high in spans)
    ]


@given(st.lists(st.integers(), max_size=20), st.integers(1, 25), st.integers(1, 25))
def test_a_part_of_the_results(results: list[int], first: int, last: int) -> None:
    low, high = sorted((first, last))
    expected = [value for place, value in enumerate(results, start=1) if low <= place <= high]
    assert Partial(first, last).of(results) == expected
    backwards = list(reversed(results))
    assert Partial(-first, -last).of(backwards) == list(reversed(expected))


def test_the_saved_result_stands_where_a_set_stands() -> None:
    fetch = parse(b"a UID FETCH $ FLAGS").command
    assert isinstance(fetch, c.Fetch)
    assert fetch.numbers is SAVED
    assert fetch.numbers.encode() == b"$"


@pytest.mark.parametrize(
    "items",
    [
        b"BODY.PEEK[]",
        b"(UID FLAGS BODY[1.2]<0.10>)",
        b"(BODY[HEADER.FIELDS (To Cc)])",
        b"FAST",
        b"(FLAGS) (CHANGEDSINCE 7)",
        b'(BODY[HEADER.FIELDS ("a{3}b")])',
        b"(" + b" ".join([b"BODY[%d]" % number for number in range(1, 60)]) + b")",
        b"BODY[HEADER.FIELDS ({2+}\r\nTo)]",
    ],
)
def test_items_asked_for_again_are_the_same(items: bytes) -> None:
    line = b"a FETCH 3 " + items
    first = parse(line).command
    assert parse(line).command == first
    other = parse(b"b UID FETCH 1:* " + items).command
    assert isinstance(first, c.Fetch)
    assert isinstance(other, c.Fetch)
    assert other.items == first.items
    for broken in (line + b")", line + b" ", line[:-1] + b"%"):
        for _ in range(2):
            with pytest.raises(CommandInvalid):
                parse(broken)
