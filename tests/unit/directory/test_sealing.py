"""Private keys at rest: what opens them, and what does not."""

import pytest
from directory.core.sealing import Sealer, SecretWeak, Unopened
from hypothesis import given
from hypothesis import strategies as st

OLD, NEW = "the old secret of this test", "the new secret of this test"
PLACE = ("example.org", "s1", "rsa-sha256")


@given(st.binary(max_size=2000), st.tuples(st.text(), st.text()))
def test_it_comes_back_as_it_was(private_key: bytes, place: tuple[str, str]) -> None:
    sealer = Sealer([OLD])
    sealed = sealer.seal(private_key, place)
    assert sealer.open(sealed, place) == private_key
    assert sealer.seal(private_key, place) != sealed


def test_every_secret_opens_and_the_first_one_seals() -> None:
    old, both, new = Sealer([OLD]), Sealer([NEW, OLD]), Sealer([NEW])
    assert both.open(old.seal(b"key", PLACE), PLACE) == b"key"
    assert new.open(both.seal(b"key", PLACE), PLACE) == b"key"
    with pytest.raises(Unopened):
        new.open(old.seal(b"key", PLACE), PLACE)


@pytest.mark.parametrize("place", [("example.net", *PLACE[1:]), ("example.org", "s2", PLACE[2]), PLACE[:2]])
def test_it_opens_at_its_own_place_only(place: tuple[str, ...]) -> None:
    sealer = Sealer([OLD])
    with pytest.raises(Unopened):
        sealer.open(sealer.seal(b"key", PLACE), place)


def test_what_was_altered_does_not_open() -> None:
    sealer = Sealer([OLD])
    sealed = sealer.seal(b"key", PLACE)
    for index in range(len(sealed)):
        altered = sealed[:index] + bytes([sealed[index] ^ 1]) + sealed[index + 1 :]
        with pytest.raises(Unopened):
            sealer.open(altered, PLACE)
    for length in range(len(sealed)):
        with pytest.raises(Unopened):
            sealer.open(sealed[:length], PLACE)


@pytest.mark.parametrize("secrets", [[], [""], ["too short"], [OLD, "x"]])
def test_a_weak_secret_is_none(secrets: list[str]) -> None:
    with pytest.raises(SecretWeak):
        Sealer(secrets)
