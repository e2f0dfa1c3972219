"""What is sealed with a tenant's key opens in its own place and nowhere else."""

import pytest
from blobstore.cipher import (
    CHUNK_OCTETS,
    SEALED_CHUNK_OCTETS,
    TAG_OCTETS,
    Altered,
    DataKey,
    ObjectCipher,
    open_piece,
    read_name,
    seal_piece,
    sealed_name,
    sealed_octets,
    sealed_range,
)
from hypothesis import given, settings
from hypothesis import strategies as st

SECRET = bytes(range(32))
KEY = DataKey(1, SECRET)
TENANT = "11111111-1111-1111-1111-111111111111"
NAME = f"mail/{TENANT}/20261121/01J.k1.{{octets}}.{'ab' * 16}"


def content_of(octets: int) -> bytes:
    return bytes(i * 7 % 251 for i in range(octets))


def cipher(octets: int, *, secret: bytes = SECRET, name: str = NAME) -> ObjectCipher:
    return ObjectCipher(secret, name.format(octets=octets), octets)


@pytest.mark.parametrize(
    "octets", [0, 1, CHUNK_OCTETS - 1, CHUNK_OCTETS, CHUNK_OCTETS + 1, 3 * CHUNK_OCTETS, 50_000]
)
def test_every_length_comes_back(octets: int) -> None:
    content = content_of(octets)
    sealed = cipher(octets).seal(content)
    assert len(sealed) == sealed_octets(octets)
    assert cipher(octets).open(sealed) == content


@settings(deadline=None)
@given(octets=st.integers(1, 4 * CHUNK_OCTETS), data=st.data())
def test_a_range_is_the_range_of_the_plaintext(octets: int, data: st.DataObject) -> None:
    content = content_of(octets)
    sealed = cipher(octets).seal(content)
    edges = [edge for near in range(0, octets + 1, CHUNK_OCTETS) for edge in (near - 1, near, near + 1)]
    places = st.one_of(st.integers(0, octets), st.sampled_from([e for e in edges if 0 <= e <= octets]))
    one, other = sorted((data.draw(places), data.draw(places)))
    start, length = sealed_range(octets, one, other - one)
    assert 0 <= start <= start + length <= len(sealed) or one == other == octets
    if one < other:
        found = cipher(octets).open_range(sealed[start : start + length], one, other - one)
        assert found == content[one:other]
        # No more is read than the chunks that it lies in.
        assert length <= (other - one) + 2 * SEALED_CHUNK_OCTETS


@settings(deadline=None)
@given(
    pieces=st.lists(st.integers(0, CHUNK_OCTETS * 2), max_size=6),
)
def test_pieces_may_have_any_size(pieces: list[int]) -> None:
    octets = sum(pieces)
    content = content_of(octets)
    cut, position = [], 0
    for piece in pieces:
        cut.append(content[position : position + piece])
        position += piece
    assert b"".join(cipher(octets).seal_stream(cut)) == cipher(octets).seal(content)


def test_every_altered_octet_is_noticed() -> None:
    octets = CHUNK_OCTETS + 40
    sealed = cipher(octets).seal(content_of(octets))
    for place in [*range(0, len(sealed), 997), CHUNK_OCTETS, SEALED_CHUNK_OCTETS, len(sealed) - 1]:
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(Altered):
            cipher(octets).open(bytes(altered))


def test_chunks_cannot_be_swapped_cut_off_or_added() -> None:
    octets = 3 * CHUNK_OCTETS
    sealed = cipher(octets).seal(content_of(octets))
    chunks = [sealed[i : i + SEALED_CHUNK_OCTETS] for i in range(0, len(sealed), SEALED_CHUNK_OCTETS)]
    for wrong in (
        [chunks[1], chunks[0], chunks[2]],
        [chunks[0], chunks[2], chunks[1]],
        [chunks[0], chunks[1], chunks[1]],
        chunks[:2],
        [*chunks, chunks[2]],
    ):
        with pytest.raises(Altered):
            cipher(octets).open(b"".join(wrong))


def test_the_end_is_marked() -> None:
    """What was cut at a chunk's border, and renamed to fit, does not pass for the whole."""
    whole = cipher(2 * CHUNK_OCTETS).seal(content_of(2 * CHUNK_OCTETS))
    with pytest.raises(Altered):
        ObjectCipher(SECRET, NAME.format(octets=2 * CHUNK_OCTETS), CHUNK_OCTETS).open(
            whole[:SEALED_CHUNK_OCTETS]
        )


def test_another_name_tenant_length_or_key_does_not_open() -> None:
    sealed = cipher(100).seal(content_of(100))
    others = [
        cipher(100, secret=b"x" * 32),
        cipher(100, name=NAME.replace("01J", "01K")),
        cipher(100, name=NAME.replace(TENANT, TENANT.replace("1", "2"))),
        cipher(100, name=NAME.replace("k1", "k2")),
        cipher(100, name=NAME.replace("ab", "ac")),
        ObjectCipher(SECRET, NAME.format(octets=101), 100),
    ]
    for other in others:
        with pytest.raises(Altered):
            other.open(sealed)


def test_a_content_is_as_long_as_its_name_says() -> None:
    for octets in (99, 101, 0, CHUNK_OCTETS * 2):
        with pytest.raises(ValueError, match="as long as"):
            cipher(100).seal(content_of(octets))


def test_names_say_what_is_needed_and_never_come_twice() -> None:
    name = sealed_name("mail/t/20261121/append-1", 12, 345)
    found = read_name(name)
    assert found is not None
    assert (found.name, found.version, found.octets) == (name, 12, 345)
    assert sealed_name("mail/t/20261121/append-1", 12, 345) != name


@pytest.mark.parametrize(
    "name", ["mail/t/20261121/01J", "mail/t/20261121/append-1f", "a.k0.1." + "0" * 32, "a.k1.1." + "0" * 31]
)
def test_other_names_are_not_sealed(name: str) -> None:
    assert read_name(name) is None


@pytest.mark.parametrize("octets", [0, 1, CHUNK_OCTETS, 64 * 1024, CHUNK_OCTETS * 4 + 1])
def test_a_piece_opens_in_its_place_only(octets: int) -> None:
    content = content_of(octets)
    sealed = seal_piece(KEY, "staged/t/1", content)
    assert sealed != seal_piece(KEY, "staged/t/1", content)
    assert open_piece(KEY, "staged/t/1", sealed) == content
    for key, place, data in (
        (KEY, "staged/t/2", sealed),
        (DataKey(2, SECRET), "staged/t/1", sealed),
        (DataKey(1, b"y" * 32), "staged/t/1", sealed),
        (KEY, "staged/t/1", sealed[:-1]),
        (KEY, "staged/t/1", sealed + b"x"),
        (KEY, "staged/t/1", b"\0" + sealed[1:] if sealed[0] else b"\1" + sealed[1:]),
    ):
        with pytest.raises(Altered):
            open_piece(key, place, data)


@given(st.binary(max_size=100))
def test_junk_is_no_piece(junk: bytes) -> None:
    with pytest.raises(Altered):
        open_piece(KEY, "staged/t/1", junk)


def test_a_sealed_content_looks_like_nothing() -> None:
    sealed = cipher(3 * TAG_OCTETS).seal(b"A" * 3 * TAG_OCTETS)
    assert b"AAAA" not in sealed
    assert SECRET not in sealed


def test_a_secret_is_not_shown() -> None:
    assert "secret" not in repr(KEY)
