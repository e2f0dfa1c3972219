"""The golden dialogues of IMAP, played against sessions in memory. Those of the base protocol are also played live (e2e)."""

from pathlib import Path

import pytest

from tests.support import dialogue
from tests.support.imap_answers import read, split, written
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
    said = bytearray()
    try:
        client = imap.connect(splits=splits)

        def exchange(octets: bytes) -> bytes:
            answer = client.exchange(octets)
            said.extend(answer)
            return answer

        dialogue.play(
            dialogue.load(path),
            exchange,
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
    # Whatever was said is a response of the grammar, and is written as it was read.
    for response in split(bytes(said).replace(b"+ Go ahead\r\n", b"")):
        if not response.startswith(b"+ "):
            assert written(read(response)) == response
