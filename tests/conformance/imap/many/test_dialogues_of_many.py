"""The golden dialogues of several clients, against sessions in memory. They are played live over two processes too (e2e)."""

from contextlib import closing
from pathlib import Path

import pytest

from tests.support import dialogue_of_many
from tests.support.imap_memory import PASSWORD, Imap

HERE = Path(__file__).parent
# What others may do is known to the real store alone (tests/integration/imap).
ELSEWHERE = ("acl",)


@pytest.mark.parametrize("splits", [False, True], ids=["", "octet by octet"])
@pytest.mark.parametrize(
    "path", [path for path in sorted(HERE.glob("*.txt")) if path.stem not in ELSEWHERE], ids=lambda p: p.stem
)
def test_dialogue_of_many(path: Path, splits: bool) -> None:
    with closing(Imap(store=None, keeps_texts=False, **dialogue_of_many.settings(path))) as imap:
        dialogue_of_many.play(
            path,
            lambda: imap.connect(splits=splits).exchange,
            substitutions={
                "login": "alice",
                "password": PASSWORD,
                "other": "bob",
                "user": "alice%40example.test",
            },
        )
