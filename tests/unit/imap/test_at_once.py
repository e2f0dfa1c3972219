"""What is answered as it arrives is what would have been answered otherwise, and nothing is kept from anybody."""

import random
from collections.abc import Callable

import pytest
from imap.core import at_once
from imap.core.session import Session

from tests.support.imap_memory import Imap

MESSAGES = 40
COMMANDS = [
    "FETCH {n} BODY.PEEK[]",
    "fetch {n} (UID BODY.PEEK[])",
    "UID FETCH {n} BODY.PEEK[]",
    "UID FETCH {n} (FLAGS BODY.PEEK[] RFC822.SIZE)",
    "FETCH {n} BODY[]",
    "FETCH {n} RFC822",
    "FETCH {n} (BODY.PEEK[] MODSEQ)",
    "FETCH {n} (ENVELOPE BODY.PEEK[])",
    "FETCH {n} BODY.PEEK[TEXT]",
    "FETCH {n} BODY.PEEK[]<1.5>",
    "FETCH {n} FLAGS",
    "FETCH {n} (BODY.PEEK[",
    "FETCH {n} BODY.PEEK[])",
    "FETCH {n} BODY.PEEK[] ",
    "NOOP",
]


@pytest.fixture
def hits(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the short cut has answered."""
    answered: list[bytes] = []
    answer: Callable[[Session, bytes], bytes | None] = at_once.answer

    def noted(session: Session, data: bytes) -> bytes | None:
        said = answer(session, data)
        if said is not None:
            answered.append(data)
        return said

    monkeypatch.setattr(at_once, "answer", noted)
    return answered


def nothing(session: Session, data: bytes) -> None:
    return None


def filled(**settings: object) -> Imap:
    imap = Imap(**settings)  # type: ignore[arg-type]
    client = imap.client()
    for number in range(1, MESSAGES + 1):
        flags = "(\\Seen)" if number % 3 else "()"
        dated = f'{flags} "01-Jan-2026 00:00:{number:02} +0000"'
        assert client.append(f"Subject: {number}\n\n{number} %d\n", flags=dated).startswith("OK")
    return imap


def played(lines: list[str], *, shares: bool) -> list[bytes]:
    """What one client is told while another changes things."""
    imap = filled()
    one, other = imap.client(select="INBOX"), imap.client(select="INBOX")
    said = []
    for line in lines:
        if line.startswith("other "):
            other.say(line.removeprefix("other "))
        else:
            said.append(one.raw(line))
    if shares:
        said.append("".join(one.heard()).encode())
    imap.close()
    return said


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "enable", ["", "ENABLE CONDSTORE", "ENABLE IMAP4rev2", "ENABLE UIDONLY", "LANGUAGE de"]
)
def test_it_says_what_every_command_says(
    seed: int, enable: str, hits: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    lines = [enable or "NOOP", chance.choice(["SELECT INBOX", "EXAMINE INBOX"])]
    number, command = 1, COMMANDS[2]
    for step in range(100):
        # At first nothing but a download.
        if step > 8 and chance.random() < 0.1:
            command = chance.choice(COMMANDS)
        lines.append(command.format(n=number))
        number = (
            number % (MESSAGES + 2) + 1
            if step < 8 or chance.random() < 0.95
            else chance.randrange(1, MESSAGES + 3)
        )
        if chance.random() < 0.03:
            lines.append(f"other UID STORE {chance.randrange(1, MESSAGES)} +FLAGS (\\Deleted $k)")
        if chance.random() < 0.02:
            lines.append("other EXPUNGE")
    quick = played(lines, shares=True)
    with monkeypatch.context() as patch:
        patch.setattr(at_once, "answer", nothing)
        assert played(lines, shares=True) == quick
    assert hits or enable == "LANGUAGE de"


def test_most_of_a_download_is_answered_at_once(hits: list[bytes]) -> None:
    imap = filled()
    client = imap.client(select="INBOX")
    for number in range(1, MESSAGES + 1):
        assert f"Subject: {number}" in client.say(f"UID FETCH {number} (FLAGS BODY.PEEK[])")
    assert len(hits) == MESSAGES - 3
    imap.close()


def test_what_others_did_is_told_with_the_next_command(hits: list[bytes]) -> None:
    imap = filled()
    one, other = imap.client(select="INBOX"), imap.client(select="INBOX")
    for number in range(1, 6):
        one.say(f"FETCH {number} BODY.PEEK[]")
    before = len(hits)
    assert before == 3
    other.say("STORE 20 +FLAGS (\\Flagged)")
    said = one.say("FETCH 6 BODY.PEEK[]")
    assert "* 20 FETCH (UID 20 FLAGS (\\Seen \\Flagged \\Recent))" in said
    # An expunge may not be told now, and the client hears that there is one.
    one.say("FETCH 7 BODY.PEEK[]")
    assert len(hits) == before + 1
    other.say("STORE 30 +FLAGS.SILENT (\\Deleted)")
    other.say("EXPUNGE")
    one.say("FETCH 8 BODY.PEEK[]")
    assert "[EXPUNGEISSUED]" in one.say("FETCH 9 BODY.PEEK[]")[-1]
    assert "* 30 EXPUNGE" in one.say("NOOP")
    imap.close()


def test_a_message_that_is_marked_is_marked(hits: list[bytes]) -> None:
    imap = filled()
    client = imap.client(select="INBOX")
    for number in range(1, 10):
        client.say(f"FETCH {number} BODY[]")
    assert hits == []
    assert client.say("SEARCH UNSEEN 1:9") == ["* SEARCH", "OK SEARCH completed"]
    imap.close()


def test_octets_within_a_command_are_not_a_command(hits: list[bytes]) -> None:
    imap = filled()
    client = imap.client(select="INBOX")
    for number in range(1, 5):
        client.say(f"FETCH {number} BODY.PEEK[]")
    before = len(hits)
    line = b"x FETCH 5 BODY.PEEK[]\r\n"
    assert client.exchange(b"x APPEND INBOX {%d}\r\n" % len(line)).startswith(b"+ ")
    assert b"APPENDUID" in client.exchange(line + b"\r\n")
    assert client.exchange(b"x IDLE\r\n").startswith(b"+ ")
    assert client.exchange(line).startswith(b"x BAD DONE expected") or len(hits) == before
    assert len(hits) == before
    # Two that come together go the way of every command, and both are answered.
    assert client.exchange(line + line.replace(b"x ", b"y ")).count(b"OK FETCH completed") == 2
    assert len(hits) == before
    imap.close()
