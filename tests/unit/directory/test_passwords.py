"""The hash of a password: right, wrong, nobody's, and whether it was made with less than is wanted now."""

from directory.core.passwords import Hasher, Verdicts


def test_right_wrong_and_nobody() -> None:
    hasher = Hasher(8, 1)
    encoded = hasher.hash("right")
    assert hasher.verify(encoded, "right")
    assert not hasher.verify(encoded, "wrong")
    assert not hasher.verify(None, "right")
    assert not hasher.verify("no hash", "right")


def test_a_hash_with_less_than_is_wanted_now_is_weak() -> None:
    old = Hasher(16, 2).hash("right")
    assert not Hasher(16, 2).is_weak(old)
    assert not Hasher(8, 1).is_weak(old)
    assert Hasher(32, 2).is_weak(old)
    assert Hasher(16, 3).is_weak(old)


def test_a_right_password_is_remembered_for_its_time_and_with_its_hash() -> None:
    verdicts = Verdicts(60.0)
    verdicts.remember("hash", "right", 0.0)
    assert verdicts.knows("hash", "right", 59.0)
    assert not verdicts.knows("hash", "right", 60.0)
    assert not verdicts.knows("hash", "wrong", 0.0)
    assert not verdicts.knows("another hash", "right", 0.0)
