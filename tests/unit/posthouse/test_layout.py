"""Secrets of an installation: what is kept with them is lost without them."""

import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from posthouse.commands import keys
from posthouse.errors import Problem
from posthouse.stack.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path)
    made.secrets.mkdir()
    return made


def test_a_secret_is_on_the_disk_before_anything_is_kept_with_it(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    sync = os.fsync

    def noted(number: int) -> None:
        synced.append(Path(f"/proc/self/fd/{number}").readlink().name)
        sync(number)

    monkeypatch.setattr(os, "fsync", noted)
    layout.secret("key")
    assert synced == ["key.draft", "secrets"]


def test_a_secret_that_got_lost_is_not_an_empty_one(layout: Layout) -> None:
    (layout.secrets / "key").write_text("\n")
    with pytest.raises(Problem, match="backup"):
        layout.secret("key")


def test_keys_that_are_begun_at_once_are_all_in_the_keyring(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = layout.secrets / keys.KEYRING
    ring.write_text(secrets.token_urlsafe(32) + "\n")
    with ThreadPoolExecutor(8) as at_once:
        list(at_once.map(lambda _: keys.begin(layout.root, True), range(8)))
    assert len(set(ring.read_text().splitlines())) == 9
