"""The golden dialogues of IMAP, played against sessions in memory. Those of the base protocol are also played live (e2e)."""

from pathlib import Path

import pytest

from tests.support import dialogue
from tests.support.imap_memory import PASSWORD, Imap

HERE = Path(__file__).parent
# The RFC's own sample needs 18 certain messages: it is played live.
ELSEWHERE = ("rfc3501-section-8.txt",)


@pytest.mark.parametrize("splits", [False, True], ids=["", "octet by octet"])
@pytest.mark.parametrize(
    "path", [path for path in sorted(HERE.glob("*.txt")) if path.name not in ELSEWHERE], ids=lambda p: p.stem
)
def test_dialogue(path: Path, splits: bool) -> None:
    imap = Imap()
    try:
        client = imap.connect(splits=splits)
        dialogue.play(
            dialogue.load(path),
            client.exchange,
            substitutions={
                "login": "alice",
                "password": PASSWORD,
                "user": "alice%40example.test",
                "flood": "x" * 70_000,
                "kilobyte": "x" * 1025,
            },
        )
    finally:
        imap.close()
