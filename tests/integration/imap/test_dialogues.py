"""Golden dialogues of several clients that only the real store can play."""

from pathlib import Path

import pytest

from tests.support import dialogue_of_many
from tests.support.imap_memory import PASSWORD, Imap

GOLDEN = Path(__file__).parent.parent.parent / "conformance" / "imap" / "many"


@pytest.mark.parametrize(
    "path", [GOLDEN / "acl.txt", GOLDEN / "qresync.txt", GOLDEN / "move.txt"], ids=lambda p: p.stem
)
def test_dialogue_of_many(imap: Imap, path: Path) -> None:
    # Who has never been here is nobody to grant rights to.
    for name in ("alice@a.test", "bob@a.test"):
        imap.client(name)
    dialogue_of_many.play(
        path,
        lambda: imap.connect().exchange,
        substitutions={"login": "alice@a.test", "password": PASSWORD, "other": "bob@a.test"},
        patience=2000,
    )
