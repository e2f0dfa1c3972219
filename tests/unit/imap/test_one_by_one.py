"""One message a command: what follows is read ahead, and what has gone is not told of once that was heard."""

from collections.abc import AsyncIterator, Callable, Sequence

import pytest
from mailmodel import AccountRef
from mailstore import Columns, StoredMessage

from tests.support.imap_memory import Imap


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
