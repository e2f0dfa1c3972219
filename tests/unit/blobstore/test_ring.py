"""The cache of bodies: what it gives is what was put, whatever is overwritten, altered or full."""

import errno
import os
import random
from pathlib import Path

import pytest
from blobstore.ring import CHUNK_OCTETS, RingCache


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


def test_a_range_within_what_is_kept_is_found(tmp_path: Path) -> None:
    ring = RingCache(str(tmp_path), 4_000_000)
    chance = random.Random(5)
    objects = {f"mail/t/{number}": chance.randbytes(200_000) for number in range(4)}
    kept: list[tuple[str, int, int]] = []
    found = 0
    for _ in range(3000):
        name = chance.choice(list(objects))
        start = chance.randrange(199_000)
        length = min(chance.choice((1, 700, 5000, CHUNK_OCTETS, 90_000)), 200_000 - start)
        got = ring.get((name, start, length))
        assert got in (None, objects[name][start : start + length])
        found += got is not None
        if got is None and len(kept) < 20:
            kept.append((name, start, length))
            ring.put(kept[-1], objects[name][start : start + length])
    assert found > 500
    assert len(ring) == len(kept)
    name, start, length = max(kept, key=lambda each: each[2])
    for part in (
        (0, 1),
        (length - 1, 1),
        (1, length - 2),
        (CHUNK_OCTETS - 1, 2),
        (CHUNK_OCTETS, CHUNK_OCTETS),
    ):
        wanted = objects[name][start + part[0] : start + part[0] + part[1]]
        assert ring.get((name, start + part[0], part[1])) == wanted
    # What reaches beyond is not made up.
    assert ring.get((name, start, length + 1)) is None
    assert ring.get((name, start, 0)) is None


def test_a_part_is_not_kept_again(tmp_path: Path) -> None:
    ring = RingCache(str(tmp_path), 8000)
    ring.put(("mail/a", 0, 900), b"x" * 900)
    ring.put(("mail/a", 100, 50), b"x" * 50)
    assert len(ring) == 1


def test_an_altered_octet_is_noticed_by_whoever_reads_its_chunk(tmp_path: Path) -> None:
    octets = bytes(range(256)) * 256
    for position in (0, CHUNK_OCTETS - 1, CHUNK_OCTETS, 3 * CHUNK_OCTETS + 5, len(octets) - 1):
        ring = RingCache(str(tmp_path), 1 << 20)
        ring.put(("mail/a", 10, len(octets)), octets)
        os.pwrite(ring._file, bytes([octets[position] ^ 1]), position)
        # Of another chunk nothing is wrong.
        other = (position + CHUNK_OCTETS) % len(octets) // CHUNK_OCTETS * CHUNK_OCTETS
        assert ring.get(("mail/a", 10 + other, 100)) == octets[other : other + 100]
        chunk = position // CHUNK_OCTETS * CHUNK_OCTETS
        assert ring.get(("mail/a", 10 + chunk, 100)) is None
        assert len(ring) == 0
        assert ring.get(("mail/a", 10, len(octets))) is None


def test_what_is_forgotten_is_not_found_by_its_parts(tmp_path: Path) -> None:
    ring = RingCache(str(tmp_path), 80_000)
    for number in range(100):
        ring.put(("mail/a", number * 2000, 2000), bytes([number]) * 2000)
    held = [number for number in range(100) if ring.get(("mail/a", number * 2000 + 5, 10)) is not None]
    assert held == list(range(held[0], 100))
    assert 20 <= len(held) <= 40
    assert all(ring.get(("mail/a", number * 2000 + 5, 10)) == bytes([number]) * 10 for number in held)
    assert sum(map(len, ring._ranges.values())) == len(ring)
