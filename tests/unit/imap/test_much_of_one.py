"""FETCH of the same octets many times over: the answer is what was asked for, and never held as a whole."""

from collections.abc import Sequence

import pytest
from imap.core import fetching, rendering
from imap.core.passing import Piece, say_pieces
from imap.core.rendering import held_octets
from imap.core.session import Session

from tests.support.imap_memory import Imap

HEADER = b"Subject: x\r\nX-Long: " + b"h" * 3000 + b"\r\n\r\n"
TEXT = b"z" * 40_000
# Large ones and small ones.
MESSAGES = [HEADER + TEXT, HEADER + b"short", HEADER + TEXT[:5000]] * 2


@pytest.mark.parametrize("what", ["BODY.PEEK[]", "BODY.PEEK[TEXT]", "BODY.PEEK[HEADER]", "BINARY.PEEK[1]"])
def test_it_is_said_as_it_is_made(imap: Imap, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    alice = imap.client(select="INBOX")
    for message in MESSAGES:
        alice.append(message)
    alice.say("NOOP")
    command = f"FETCH 1:* ({' '.join(f'{what}<{n}.50000>' for n in range(60))})"
    expected = alice.raw(command)
    assert expected.count(b"* ") >= len(MESSAGES)
    most = 0

    async def watched(session: Session, pieces: Sequence[Piece]) -> None:
        nonlocal most
        most = max(most, held_octets(pieces))
        await say_pieces(session, pieces)

    monkeypatch.setattr(fetching, "say_pieces", watched)
    monkeypatch.setattr(fetching, "SAID_OCTETS", 10_000)
    monkeypatch.setattr(rendering, "HELD_OCTETS", 50_000)
    assert alice.raw(command) == expected
    # The headers are in their rows already: sixty times three thousand octets at most.
    assert 0 < most < 300_000
