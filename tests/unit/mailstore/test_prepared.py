"""Messages that were read before somebody asks: bounded, given once, and not for long."""

import gc
import weakref

from mailstore import Prepared


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def keep(prepared: Prepared, owner: object, number: int, octets: bytes) -> bool:
    if not prepared.reserve(len(octets)):
        return False
    prepared.put((owner, number), octets)
    return True


def test_each_is_given_once_and_to_its_owner() -> None:
    prepared, alice, bob = Prepared(100), object(), object()
    assert keep(prepared, alice, 1, b"hers")
    assert prepared.take((bob, 1)) is None
    assert prepared.take((alice, 1)) == b"hers"
    assert prepared.take((alice, 1)) is None
    assert prepared.left_octets == 100


def test_the_oldest_makes_room() -> None:
    prepared, owner = Prepared(10), object()
    for number in range(1, 4):
        assert keep(prepared, owner, number, b"12345")
    assert prepared.left_octets == 0
    assert [prepared.take((owner, number)) for number in (1, 2, 3)] == [None, b"12345", b"12345"]


def test_what_is_reserved_is_nobody_elses() -> None:
    prepared, owner = Prepared(10), object()
    assert prepared.reserve(8)
    assert not keep(prepared, owner, 1, b"123")
    assert not prepared.reserve(11)
    prepared.release(8)
    assert keep(prepared, owner, 1, b"123")
    assert prepared.reserve(10)
    assert prepared.take((owner, 1)) is None


def test_nothing_is_given_late() -> None:
    clock = Clock()
    prepared, owner = Prepared(10, 30.0, clock), object()
    for number in (1, 2):
        keep(prepared, owner, number, b"12345")
    clock.now += 29.9
    assert prepared.take((owner, 1)) == b"12345"
    clock.now += 0.1
    assert prepared.take((owner, 2)) is None
    assert prepared.left_octets == 10


def test_what_nobody_took_goes_and_with_it_whose_it_was() -> None:
    class Session:
        """Of somebody who left."""

    clock = Clock()
    prepared, session = Prepared(1000, 30.0, clock), Session()
    left = weakref.ref(session)
    for number in (1, 2):
        keep(prepared, session, number, b"12345")
    del session
    clock.now += 29.9
    assert keep(prepared, owner := object(), 1, b"12345")
    gc.collect()
    assert left() is not None
    clock.now += 0.2
    assert keep(prepared, owner, 2, b"12345")
    gc.collect()
    assert left() is None
    assert prepared.left_octets == 1000 - 10
    assert prepared.take((owner, 1)) == b"12345"


def test_one_in_place_of_another_has_its_room_only() -> None:
    prepared, owner = Prepared(10), object()
    for _ in range(2):
        keep(prepared, owner, 1, b"12345")
    assert prepared.left_octets == 5
    prepared.drop((owner, 1))
    prepared.drop((owner, 1))
    assert prepared.left_octets == 10


def test_all_is_forgotten_and_what_is_reserved_stays_so() -> None:
    prepared, owner = Prepared(20), object()
    for number in (1, 2):
        keep(prepared, owner, number, b"12345")
    assert prepared.reserve(6)
    prepared.clear()
    assert prepared.take((owner, 1)) is None
    assert prepared.left_octets == 14
