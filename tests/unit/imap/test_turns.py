"""Nobody keeps the others waiting: what needs nothing but computing gives way in between, and takes time in proportion."""

import asyncio
import zlib
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from imap.core import finding, turns
from imap.core.updating import SortedContext
from mailmodel import Entry, Flags
from mailmodel.view import Expunged, MayExpunge, SessionView, merged
from mailproto.imap.commands import By
from mailproto.imap.search_keys import PlainKey

from tests.support.imap_memory import Imap

LINES = 500


@pytest.fixture
def shortest_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.0)
    monkeypatch.setattr(finding, "LOOKED_AT", 1)


def turns_of_others(imap: Imap, work: Callable[[], object]) -> int:
    """How often somebody else came to the loop while this was done."""
    came = 0

    async def other() -> None:
        nonlocal came
        while True:
            await asyncio.sleep(0)
            came += 1

    async def begin() -> "asyncio.Task[None]":
        return asyncio.create_task(other())

    task = imap.wait_for(begin())
    try:
        work()
    finally:
        task.cancel()
    return came


@pytest.mark.usefixtures("shortest_turns")
@pytest.mark.parametrize("line", [b"\r\n", b"\n", b"x ID NIL\r\n", b"x CAPABILITY\r\n"])
def test_commands_in_one_segment_give_way_to_others(imap: Imap, line: bytes) -> None:
    stranger = imap.connect()
    assert turns_of_others(imap, lambda: stranger.exchange(line * LINES)) > LINES


@pytest.mark.usefixtures("shortest_turns")
@pytest.mark.parametrize("octets", [b"\r\n" * LINES, b"x SELECT {99999999+}\r\n" + b"z" * 64 * 1024 * LINES])
def test_so_do_those_that_come_compressed(imap: Imap, octets: bytes) -> None:
    alice = imap.client()
    assert alice.say("COMPRESS DEFLATE")[-1].startswith("OK")
    deflater = zlib.compressobj(wbits=-15)
    packed = deflater.compress(octets) + deflater.flush(zlib.Z_SYNC_FLUSH)
    assert turns_of_others(imap, lambda: alice.exchange(packed)) > LINES


@pytest.mark.usefixtures("shortest_turns")
@pytest.mark.parametrize(
    "command",
    [
        "SEARCH NOT KEYWORD one NOT KEYWORD two",
        "SEARCH SUBJECT x",
        "FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (X)])",
        "FETCH 1:* (UID BODY.PEEK[TEXT]<0.1>)",
        "THREAD REFERENCES UTF-8 ALL",
    ],
)
def test_one_command_about_many_messages_gives_way_to_others(imap: Imap, command: str) -> None:
    alice = imap.client(select="INBOX")
    for _ in range(60):
        alice.append("Subject: x\n\nx\n")
    alice.say("NOOP")
    without = turns_of_others(imap, lambda: alice.say("NOOP"))
    assert turns_of_others(imap, lambda: alice.say(command)) > without + 50


@pytest.mark.usefixtures("shortest_turns")
@pytest.mark.parametrize(
    "command", ['LIST "" (*a* %)', 'LSUB "" *', "ESEARCH IN (mailboxes (a b c) subtree (m d e)) ALL"]
)
def test_so_does_one_about_many_mailboxes(imap: Imap, command: str) -> None:
    alice = imap.client()
    for number in range(60):
        alice.say(f"CREATE m{number}")
        alice.say(f"SUBSCRIBE m{number}")
    without = turns_of_others(imap, lambda: alice.say("NOOP"))
    assert turns_of_others(imap, lambda: alice.say(command)) > without + 50


def test_all_messages_many_times_over_are_all_messages() -> None:
    assert merged([(1, 9)] * 10_000) == [(1, 9)]
    assert merged([(5, 6), (1, 2), (3, 3), (9, 9), (2, 5)]) == [(1, 6), (9, 9)]


def test_many_are_gone_at_once() -> None:
    view = SessionView(
        range(1, 11),
        [0] * 10,
        {2: frozenset({"a"})},
        [1] * 10,
        highest_modseq=1,
        uid_next=11,
        recent_from_uid=11,
    )
    view.apply([Entry(11, 3, Flags())], [2, 3, 5, 10], 3, 12)
    said = [(each.number, each.uid) for each in view.flush(MayExpunge.YES) if isinstance(each, Expunged)]
    assert said == [(10, 10), (5, 5), (3, 3), (2, 2)]
    assert [row[:2] for row in view.rows()] == list(enumerate((1, 4, 6, 7, 8, 9, 11), 1))
    assert view.all_keywords() == frozenset()
    assert [view.number_of(uid) for uid in (2, 4, 11)] == [None, 2, 7]


def test_many_go_from_a_sorted_result_at_once() -> None:
    order = [7, 3, 9, 1, 5]
    context = SortedContext(
        "t", PlainKey.ALL, By.UID, [SimpleNamespace(uid=uid) for uid in order], lambda row: row.uid
    )
    assert b"REMOVEFROM (1 7 2 9 3 5)" in context.removed([5, 7, 9, 100], lambda uid: uid)
    assert context.members == {1, 3}
    assert b"REMOVEFROM (2 1)" in context.removed([1, 5], lambda uid: uid)
    assert context.removed([5], lambda uid: uid) == b""


@pytest.mark.parametrize(
    "command",
    [
        "FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject)]",
        "SEARCH HEADER X-Odd nothing",
        "SEARCH TEXT zzz",
        "THREAD REFERENCES UTF-8 ALL",
        'APPEND INBOX CATENATE (URL "/INBOX/;UID=1/;SECTION=HEADER.FIELDS%20(Subject)")',
    ],
)
def test_a_header_of_many_fields_is_looked_through_in_a_thread(
    imap: Imap, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(turns, "LONG_OCTETS", 1000)
    apart: list[object] = []
    to_thread = asyncio.to_thread

    async def counted(work: Callable[..., object], *given: object) -> object:
        apart.append(work)
        return await to_thread(work, *given)

    monkeypatch.setattr(asyncio, "to_thread", counted)
    alice = imap.client(select="INBOX")
    alice.append("X-Odd: something\n" * 100 + "Subject: x\n\nx\n")
    alice.say("NOOP")
    apart.clear()
    assert alice.say(command)[-1].startswith("OK")
    assert apart


def test_so_is_a_long_text(imap: Imap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LONG_OCTETS", 1000)
    apart: list[object] = []
    to_thread = asyncio.to_thread

    async def counted(work: Callable[..., object], *given: object) -> object:
        apart.append(work)
        return await to_thread(work, *given)

    monkeypatch.setattr(asyncio, "to_thread", counted)
    alice = imap.client(select="INBOX")
    alice.append("Subject: x\nContent-Type: text/html\n\n" + "<p>a stork</p>\n" * 100)
    alice.append("Subject: x\nContent-Type: text/html\n\n<p>no heron</p>\n")
    alice.say("NOOP")
    assert alice.say("SEARCH BODY stork")[0] == "* SEARCH 1"
    # Its markup is taken off, and it is made ready to be compared; the short one is looked through at once.
    assert len(apart) == 2
