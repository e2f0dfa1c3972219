"""Something fails while a client is told what others did: it keeps its session, its numbers, and hears the rest."""

import pytest
from imap.core.answer import No
from imap.core.places import LATER
from imap.core.session import Session
from mailstore import BodyCorrupt, StoreUnavailable

from tests.support.imap_memory import Imap

UNKNOWN = "Subject: unknown\nContent-Type: text/plain\nContent-Transfer-Encoding: x-unheard-of\n\nx\n"
PLAIN = "Subject: plain\n\nx\n"
NEW = "NOTIFY SET (selected (MessageNew (UID BINARY.PEEK[1]) MessageExpunge))"


def test_numbers_are_told_where_recent_cannot_be_claimed(imap: Imap, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = imap.client(select="INBOX"), imap.client(select="INBOX")
    for subject in "abc":
        one.append(f"Subject: {subject}\n\nx\n")
    two.say("NOOP")

    async def away(*_: object) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(imap.store, "claim_recent", away)
    one.say("STORE 1 +FLAGS.SILENT (\\Deleted)")
    one.say("EXPUNGE")
    one.append(PLAIN)
    assert two.say("NOOP")[:2] == ["* 1 EXPUNGE", "* 3 EXISTS"]
    assert two.say("FETCH 1 UID")[0] == "* 1 FETCH (UID 2)"


def test_what_cannot_be_decoded_ends_no_session_that_is_told_of_it(imap: Imap) -> None:
    one, two = imap.client(select="INBOX"), imap.client(select="INBOX")
    assert two.say(NEW)[-1].startswith("OK")
    one.append(UNKNOWN)
    assert two.heard() == ["* 1 EXISTS", "* 1 RECENT"]
    # In a command of its own, and among others.
    two.exchange(b"x NO")
    for message in (PLAIN, UNKNOWN, PLAIN):
        one.append(message)
    said = two.exchange(b"OP\r\n").decode()
    assert [uid for uid in range(1, 5) if f"(UID {uid} BINARY[1]" in said] == [2, 4]
    assert said.endswith("x OK NOOP completed\r\n")


@pytest.mark.parametrize("error", [No(*LATER), BodyCorrupt("altered")])
def test_nobody_can_say_now_what_the_rights_are(
    imap: Imap, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    one, two = imap.client(select="INBOX"), imap.client(select="INBOX")
    look = Session.look

    async def away(self: Session) -> None:
        raise error

    monkeypatch.setattr(Session, "look", away)
    assert two.say("NOOP") == ["OK NOOP completed"]
    assert two.exchange(b"i IDLE\r\n") == b"+ idling\r\n"
    one.append(PLAIN)
    assert two.heard() == []
    assert two.exchange(b"DONE\r\n") == b"i OK IDLE completed\r\n"
    monkeypatch.setattr(Session, "look", look)
    assert two.say("NOOP")[0] == "* 1 EXISTS"
