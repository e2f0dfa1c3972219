"""Every production of the grammar both ways: what a client writes, in any of its spellings, is what it means, and what is
meant has one spelling that is read as itself again. The other way round, what the server writes is read by a client.
"""

import random
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailproto.imap import commands as c
from mailproto.imap import reader as r
from mailproto.imap import responses
from mailproto.imap.message_set import compact
from mailproto.imap.names import Dialect, decode_name
from mailproto.imap.parse import PARSERS, parse

from tests.support.imap_answers import Status, String, read, split, written
from tests.support.imap_commands import COMMANDS, names, tags
from tests.support.imap_printer import Printer, printed


def test_every_command_is_made_and_printed() -> None:
    assert COMMANDS.keys() == set(get_args(c.Command))


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__name__)
@given(data=st.data(), dialect=st.sampled_from(Dialect))
def test_what_is_printed_is_what_was_meant(kind: type, dialect: Dialect, data: st.DataObject) -> None:
    command, tag = data.draw(COMMANDS[kind]), data.draw(tags)
    tagged = c.Tagged(tag, command)
    canonical = printed(tagged, dialect)
    assert parse(canonical, dialect) == tagged
    # Any other spelling means the same.
    other = Printer(dialect, random.Random(data.draw(st.integers(0, 1 << 32)))).tagged(tagged)
    read = parse(other, dialect)
    assert read == tagged, other
    assert printed(read, dialect) == canonical
    # And it is one command on the wire, whole, however its octets come.
    reader = r.Reader(literal_octets=100_000, append_octets=100_000)
    reader.feed(other + b"\r\n")
    assert reader.next_event() == r.Whole(other)
    assert reader.next_event() is None


def under_all_names(command: c.Command) -> list[c.Command]:
    """The command as each of the verbs that mean its kind."""
    match command:
        case c.Plain():
            return list(c.Plain)
        case c.Select():
            return [replace(command, access=access) for access in c.Access]
        case c.Replace() | c.Search() | c.Sort() | c.Thread() | c.Fetch() | c.Store() | c.Copy() | c.Move():
            return [replace(command, by=by) for by in c.By]
        case _:
            return [command]


def test_every_verb_is_printed() -> None:
    """So that no command is left out because another of the same class is printed."""
    written: list[bytes] = []

    @settings(max_examples=1, database=None)
    @given(st.tuples(*COMMANDS.values()))
    def write(one_each: tuple[c.Command, ...]) -> None:
        written.extend(Printer().command(each) for one in one_each for each in under_all_names(one))

    write()
    verbs = {b" ".join(words.split(b" ")[: 2 if words.startswith(b"UID ") else 1]) for words in written}
    assert verbs == {*PARSERS} | {name.encode() for name in c.Plain.__members__}


octets = (
    st.binary(max_size=20) | st.text(max_size=10).map(str.encode) | st.sampled_from([b"x" * 1200, b"{3}\r\n"])
)
ascending = st.lists(st.integers(1, 1 << 32), max_size=20, unique=True).map(sorted)
atoms = st.text("ABCXYZ019-", min_size=1, max_size=6)
sentences = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20).filter(
    lambda text: not text.startswith("[")
)


@given(octets)
def test_strings(value: bytes) -> None:
    said = b"* X (%b %b)\r\n" % (responses.quoted_or_literal(value), responses.literal(value))
    [response] = split(said)
    assert read(response) == [b"X", [String(value), String(value)]]


@given(names, st.sampled_from(Dialect), st.lists(atoms, max_size=3))
def test_a_listed_name(name: str, dialect: Dialect, attributes: list[str]) -> None:
    shown = responses.mailbox(name, dialect)
    if b"\r" in shown or b"\n" in shown or b"\0" in shown:
        return
    said = responses.listing(b"LIST", ["\\" + each for each in attributes], shown, b'"CHILDINFO" ("X")')
    answer = read(said)
    assert isinstance(answer, list)
    assert answer[:3] == [b"LIST", [b"\\" + each.encode() for each in attributes], String(b"/")]
    told = answer[3].octets if isinstance(answer[3], String) else answer[3]
    assert isinstance(told, bytes)
    assert decode_name(told, dialect) == name
    assert answer[4] == [String(b"CHILDINFO"), [String(b"X")]]


@given(
    tags,
    st.sampled_from(["OK", "NO", "BAD"]),
    sentences,
    st.just("") | atoms | atoms.map(lambda a: f"{a} 1:3,7"),
)
def test_how_a_command_ends(tag: str, status: str, text: str, code: str) -> None:
    said = responses.tagged(tag, status, text, code)
    answer = read(said)
    assert answer == Status(tag.encode(), status.encode(), code.encode(), text.encode())
    assert written(answer) == said
    assert read(responses.untagged(status, text, code)) == Status(
        b"*", status.encode(), code.encode(), text.encode()
    )


@given(ascending, st.none() | st.integers(1, 1 << 62), tags)
def test_numbers(numbers: list[int], modseq: int | None, tag: str) -> None:
    shown = [b"%d" % number for number in numbers]
    tail = [] if modseq is None else [[b"MODSEQ", b"%d" % modseq]]
    assert read(responses.search(numbers, modseq)) == [b"SEARCH", *shown, *tail]
    assert read(responses.sort(numbers)) == [b"SORT", *shown]
    said = responses.esearch(tag, True, [("COUNT", b"%d" % len(numbers))])
    assert read(said) == [b"ESEARCH", [b"TAG", String(tag.encode())], b"UID", b"COUNT", b"%d" % len(numbers)]
    if numbers:
        assert read(responses.vanished(numbers, earlier=True)) == [
            b"VANISHED",
            [b"EARLIER"],
            compact(numbers),
        ]
        assert read(responses.status(b"INBOX", [("UIDNEXT", numbers[0])])) == [
            *(b"STATUS", b"INBOX", [b"UIDNEXT", shown[0]]),
        ]
