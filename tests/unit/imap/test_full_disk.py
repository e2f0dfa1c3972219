"""Long messages that are appended while the disk is full: they are refused, and what was taken for them is given back."""

from contextlib import closing
from typing import IO

import pytest
from imap.adapters import spooling
from imap.adapters.spooling import Spooling

from tests.support.imap_memory import Imap

OCTETS = 300 * 1024
MESSAGE = b"Subject: x\r\n\r\n" + b"z" * (OCTETS - 14)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(dir: str | None = None) -> IO[bytes]:
        return open("/dev/full", "r+b")

    monkeypatch.setattr(spooling, "TemporaryFile", nowhere)


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(
    "words",
    [
        b"APPEND INBOX {%d+}\r\n%b" % (OCTETS, MESSAGE),
        b"APPEND INBOX CATENATE (TEXT {%d+}\r\n%b TEXT {1+}\r\nz)" % (OCTETS, MESSAGE),
        b"APPEND INBOX CATENATE (%b)"
        % b" ".join(b"TEXT {%d+}\r\n%b" % (20_000, MESSAGE[:20_000]) for _ in range(20)),
    ],
)
def test_it_is_refused(imap: Imap, words: bytes) -> None:
    alice = imap.client(select="INBOX")
    assert alice.say(words) == ["NO [LIMIT] There is no room for a message of that size now"]
    assert alice.say("NOOP") == ["OK NOOP completed"]


@pytest.mark.usefixtures("full")
def test_who_leaves_in_the_middle_leaves_nothing_behind() -> None:
    with closing(Imap(connections_a_user=1)) as imap:
        for _ in range(3):
            alice = imap.client(select="INBOX")
            alice.exchange(b"a APPEND INBOX {%d+}\r\n%b" % (OCTETS, MESSAGE[: OCTETS // 2]))
            alice.exchange(b"")
            alice._wire.end()
            imap.settle()
            assert alice.is_over


@pytest.mark.usefixtures("full")
def test_the_room_is_given_back() -> None:
    room = Spooling("", OCTETS)
    for _ in range(2):
        text = room.take(OCTETS)
        assert text is not None
        text.write(b"begun")
        assert not text.is_kept()
        text.write(MESSAGE)
        text.close()
    assert room.taken_octets == 0


def test_what_the_disk_has_taken_is_kept() -> None:
    text = Spooling("", OCTETS).take(OCTETS)
    assert text is not None
    text.write(MESSAGE)
    assert text.is_kept()
    assert b"".join(text.pieces()) == MESSAGE
    text.close()
