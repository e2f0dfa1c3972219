"""What is taken for something else."""

import pytest
from directory.core.confusable import skeleton
from directory.core.names import NameInvalid, address


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("paypal", "paypa1"),
        ("paypal", "p\u0430yp\u0430l"),
        ("root", "r00t"),
        ("modern", "modem"),
        ("vvendy", "wendy"),
        ("alice", "\u0430l\u0456\u0441\u0435"),
        ("sales", "\u0455ales"),
    ],
)
def test_what_looks_the_same(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("alice", "alicia"), ("jose", "jos\u00e9"), ("bob", "rob"), ("a.b", "ab"), ("n2", "nz")],
)
def test_what_people_tell_apart(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


def test_it_stays_what_it_is() -> None:
    for each in ("paypa1", "modern", "\u0430l\u0456\u0441\u0435", "j\u00fcrgen"):
        assert skeleton(skeleton(each)) == skeleton(each)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("\uff21lice@example.test", "alice@example.test"),
        ("J\u00dcRGEN@B\u00dcCHER.example", "j\u00fcrgen@xn--bcher-kva.example"),
        ("ju\u0308rgen@example.test", "j\u00fcrgen@example.test"),
        ("\u0430\u043d\u043d\u0430@example.test", "\u0430\u043d\u043d\u0430@example.test"),
        ("yuki\u7530\u4e2d\u3055\u3093@example.test", "yuki\u7530\u4e2d\u3055\u3093@example.test"),
        ("\u7530\u4e2d@example.test", "\u7530\u4e2d@example.test"),
    ],
)
def test_one_form_of_a_name(written: str, kept: str) -> None:
    assert address(written) == kept
    assert address(kept) == kept


@pytest.mark.parametrize(
    "bad",
    [
        "\u0430lice@e.test",
        "\u03b1bc@e.test",
        "\u2163@e.test",
        "a\u00a0\u00fc@e.test",
        "\u00fc..a@e.test",
        "\U0001f600@e.test",
        "\u00fc",
    ],
)
def test_what_is_no_name(bad: str) -> None:
    with pytest.raises(NameInvalid):
        address(bad)
