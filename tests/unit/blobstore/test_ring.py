"""The cache of bodies: what it gives is what was put, whatever is overwritten, altered or full."""

import errno
import os
import random
from pathlib import Path

import pytest
from blobstore.ring import RingCache


def key(number: int) -> tuple[str, int, int]:
    return (f"mail/t/{number}", number, number)


def test_it_gives_what_was_put_or_nothing(tmp_path: Path) -> None:
    ring = RingCache(str(tmp_path), 100_000)
    chance = random.Random(3)
    truth: dict[int, bytes] = {}
    for number in range(3000):
        truth[number] = chance.randbytes(chance.choice((1, 500, 3000, 12_000)))
        ring.put(key(number), truth[number])
        for _ in range(3):
            other = chance.randrange(number + 1)
            assert ring.get(key(other)) in (None, truth[other])
        assert ring.get(key(number)) == truth[number]
    held = [number for number in truth if ring.get(key(number)) is not None]
    # The newest without a gap, and no more than there is room for.
    assert held == list(range(held[0], 3000))
    assert 50_000 < sum(len(truth[number]) for number in held) <= 100_000
    assert os.listdir(tmp_path) == [], "the file has no name"


def test_it_is_bounded_in_entries_too(tmp_path: Path) -> None:
    ring = RingCache(str(tmp_path), 100 * 1024)
    for number in range(5000):
        ring.put(key(number), b"x")
    assert len(ring) <= 100


def test_what_is_large_is_not_kept(tmp_path: Path) -> None:
    ring = RingCache(str(tmp_path), 8000)
    ring.put(key(1), b"x" * 1001)
    ring.put(key(2), b"")
    assert len(ring) == 0


def test_what_was_altered_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = RingCache(str(tmp_path), 8000)
    ring.put(key(1), b"abc")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", lambda *_: b"abX")
        assert ring.get(key(1)) is None
    assert ring.get(key(1)) is None


def test_a_full_disk_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = RingCache(str(tmp_path), 8000)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        ring.put(key(1), b"abc")
    assert ring.get(key(1)) is None
    ring.put(key(1), b"abc")
    assert ring.get(key(1)) == b"abc"
