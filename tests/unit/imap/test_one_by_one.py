"""One message a command: what follows is read ahead, and what has gone is not told of once that was heard."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from imap.core import fetching
from mailmodel import AccountRef
from mailstore import BodyCorrupt, Columns, Prepared, StoredMessage, StoreUnavailable

from tests.support.imap_memory import Client, Imap


@pytest.fixture
def reads(imap: Imap, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The UIDs that the store was asked for."""
    asked: list[list[int]] = []
    fetch: Callable[..., AsyncIterator[list[StoredMessage]]] = imap.store.fetch

    def noted(
        account: AccountRef, mailbox_id: int, uids: Sequence[int], columns: Columns
    ) -> AsyncIterator[list[StoredMessage]]:
        asked.append(list(uids))
        return fetch(account, mailbox_id, uids, columns)

    monkeypatch.setattr(imap.store, "fetch", noted)
    return asked


def test_the_store_is_asked_once_for_many(imap: Imap, reads: list[list[int]]) -> None:
    client = imap.client()
    for number in range(1, 41):
        client.append(f"Subject: {number}\n\n{number}\n")
    client.say("SELECT INBOX")
    for number in range(1, 41):
        said = client.say(f"FETCH {number} BODY.PEEK[HEADER]")
        assert f"Subject: {number}" in said
    assert reads == [[1], list(range(2, 34)), list(range(34, 41))]
    # Other columns, or a leap: asked for anew.
    client.say("FETCH 3 ENVELOPE")
    client.say("UID FETCH 20 ENVELOPE")
    client.say("FETCH 21:22 ENVELOPE")
    assert reads[3:] == [[3], [20], [21, 22]]


def test_what_is_expunged_is_not_told_of_when_that_was_heard(imap: Imap, reads: list[list[int]]) -> None:
    one, two = imap.client(select="INBOX"), imap.client(select="INBOX")
    for number in range(1, 5):
        one.append(f"Subject: {number}\n\n{number}\n")
    two.say("NOOP")
    two.say("FETCH 1 BODY.PEEK[]")
    two.say("FETCH 2 BODY.PEEK[]")
    assert reads[-1] == [2, 3, 4]
    one.say("STORE 3 +FLAGS.SILENT (\\Deleted)")
    one.say("EXPUNGE")
    assert "* 3 EXPUNGE" in two.say("NOOP")
    assert "Subject: 4" in two.say("FETCH 3 BODY.PEEK[]")
    assert reads[-1] == [4]
    assert two.say("UID FETCH 3 BODY.PEEK[]") == ["OK FETCH completed"]


@pytest.fixture
def bodies(imap: Imap, monkeypatch: pytest.MonkeyPatch) -> list[list[int] | int]:
    """The UIDs whose octets the store was asked for: together, or one by itself."""
    asked: list[list[int] | int] = []
    alone: Callable[[StoredMessage, int, int], Awaitable[bytes]] = imap.store.read

    async def read_whole(messages: Sequence[StoredMessage]) -> list[bytes]:
        asked.append([message.uid for message in messages])
        return [await alone(message, 0, message.size_octets) for message in messages]

    async def read(message: StoredMessage, offset: int, length: int) -> bytes:
        asked.append(message.uid)
        return await alone(message, offset, length)

    monkeypatch.setattr(imap.store, "read_whole", read_whole)
    monkeypatch.setattr(imap.store, "read", read)
    return asked


def filled(imap: Imap, messages: int, octets: int = 10) -> Client:
    client = imap.client()
    for number in range(1, messages + 1):
        client.append(f"Subject: {number}\n\n{number}{'x' * octets}\n")
    client.say("SELECT INBOX")
    return client


def test_octets_are_read_together_with_those_that_follow(imap: Imap, bodies: list[list[int] | int]) -> None:
    client = filled(imap, 40)
    for number in range(1, 41):
        assert f"Subject: {number}" in client.say(f"FETCH {number} (UID BODY.PEEK[])")
    assert bodies == [1, list(range(2, 34)), list(range(34, 41))]
    # Not in order, or a second part of the same: only what is wanted.
    bodies.clear()
    for command in (
        "FETCH 3 BODY.PEEK[]",
        "FETCH 9 BODY.PEEK[TEXT]",
        "FETCH 10 BODY.PEEK[TEXT]",
        "FETCH 10 BODY.PEEK[]",
    ):
        client.say(command)
    assert bodies == [3, 9, list(range(10, 41)), 10]


def test_a_run_has_its_room(imap: Imap, bodies: list[list[int] | int]) -> None:
    client = filled(imap, 12, octets=50_000)
    for number in range(1, 13):
        client.say(f"FETCH {number} BODY.PEEK[]")
    # No more than 256 KiB at a time.
    assert bodies == [1, [2, 3, 4, 5, 6], [7, 8, 9, 10, 11], 12]
    imap.store.prepared = Prepared(100_000)
    bodies.clear()
    client.say("SELECT INBOX")
    for number in range(1, 13):
        assert f"Subject: {number}" in client.say(f"FETCH {number} BODY.PEEK[]")
    # Two of them have room.
    assert bodies == [*range(1, 11), [11, 12]]
    assert imap.store.prepared.left_octets == 100_000


def test_what_goes_wrong_with_others_is_not_this_messages_fault(
    imap: Imap, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = filled(imap, 6)
    client.say("FETCH 1 BODY.PEEK[]")
    left = imap.store.prepared.left_octets

    async def altered(messages: Sequence[StoredMessage]) -> list[bytes]:
        raise BodyCorrupt("one of them")

    async def away(messages: Sequence[StoredMessage]) -> list[bytes]:
        raise StoreUnavailable("away")

    monkeypatch.setattr(imap.store, "read_whole", altered)
    assert "Subject: 2" in client.say("FETCH 2 BODY.PEEK[]")
    monkeypatch.setattr(imap.store, "read_whole", away)
    assert client.say("FETCH 3 BODY.PEEK[]")[-1].startswith("NO [UNAVAILABLE]")
    assert imap.store.prepared.left_octets == left


@pytest.mark.parametrize(
    "items",
    [
        "BODY.PEEK[]",
        "RFC822",
        "BODY[]",
        "(UID FLAGS BODY.PEEK[] RFC822.SIZE INTERNALDATE)",
        "(BODY.PEEK[] UID)",
        "(ENVELOPE BODY.PEEK[] BODYSTRUCTURE FLAGS MODSEQ)",
        "(RFC822.SIZE BODY[])",
        "(BODY[] FLAGS)",
        "(BODY.PEEK[] BODY.PEEK[TEXT])",
        "(BODY.PEEK[]<2.7>)",
        "(BODY.PEEK[] EMAILID)",
    ],
)
@pytest.mark.parametrize("enable", ["", "CONDSTORE", "IMAP4rev2", "UIDONLY"])
@pytest.mark.parametrize("numbers", ["1:*", "2", "1,3"])
def test_what_is_made_ready_says_what_each_by_itself_says(
    items: str, enable: str, numbers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    for is_ready in (True, False):
        imap = Imap()
        client = imap.client()
        for number, flags in enumerate(("()", "(\\Seen)", "(\\Flagged $a)"), start=1):
            dated = f'{flags} "01-Jan-2026 00:00:0{number} +0000"'
            assert client.append(f"Subject: {number}\n\n{number} 100 %d %b\n", flags=dated).startswith("OK")
        if enable:
            client.say(f"ENABLE {enable}")
        client.say("SELECT INBOX")
        with monkeypatch.context() as patch:
            if not is_ready:
                patch.setattr(fetching, "wholes", lambda *_: None)
            said.append(
                [client.raw(f"UID FETCH {numbers} {items}"), client.raw(f"UID FETCH {numbers} {items}")]
            )
        imap.close()
    assert said[0] == said[1]
    assert b" OK " in said[0][1]


@pytest.mark.parametrize("is_altered", [False, True])
def test_large_ones_come_in_their_places(
    is_altered: bool, imap: Imap, bodies: list[list[int] | int], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = imap.client()
    sizes = [10, 100_000, 20, 30, 300_000, 40]
    for number, octets in enumerate(sizes, start=1):
        client.append(f"Subject: {number}\n\n{'x' * octets}\n")
    client.say("SELECT INBOX")

    async def altered(messages: Sequence[StoredMessage]) -> list[bytes]:
        raise BodyCorrupt("one of them")

    if is_altered:
        monkeypatch.setattr(imap.store, "read_whole", altered)
    said = client.raw("FETCH 1:* (FLAGS BODY.PEEK[])")
    assert said == b"".join(
        b"* %d FETCH (FLAGS (\\Recent) BODY[] {%d}\r\nSubject: %d\r\n\r\n%b\r\n)\r\n"
        % (number, octets + 16, number, b"x" * octets)
        for number, octets in enumerate(sizes, start=1)
    ) + (b"x OK FETCH completed\r\n")
    assert ([3, 4] in bodies) is not is_altered
