"""The golden dialogues of POP3, played against the machine in memory."""

from pathlib import Path

from tests.support import dialogue
from tests.unit.mailproto.pop3.memory import FIRST, SECOND, Memory

HERE = Path(__file__).parent


def test_rfc1939_section_10() -> None:
    assert (len(FIRST), len(SECOND)) == (120, 200)
    memory = Memory()
    dialogue.play(dialogue.load(HERE / "rfc1939-section-10.txt"), memory.exchange)
    assert memory.removed == (1, 2)
    assert memory.closed
