"""SRS: forwarding and the way back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from senderauth.srs import MAX_AGE_DAYS, Srs, SrsFault

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
OURS = Srs("fwd.example", [b"secret"])
NEXT = Srs("next.example", [b"other"])
THIRD = Srs("third.example", [b"third"])


def rewritten(srs: Srs, path: str) -> str:
    found = srs.rewrite(path, now=NOW)
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize(
    "path",
    [
        "joe@sender.example",
        "a.b+c=d@x.example",
        '"a b"@x.example',
        "jürgen@x.example",
        "x@[192.0.2.1]",
        "SRS0@x.example",
    ],
)
def test_there_and_back(path: str) -> None:
    forwarded = rewritten(OURS, path)
    assert forwarded.endswith("@fwd.example")
    assert OURS.reverse(forwarded, now=NOW) == path
    unquoted = forwarded.removesuffix("@fwd.example")
    assert OURS.reverse(f"{unquoted}@FWD.example", now=NOW) == path


def test_the_form() -> None:
    forwarded = rewritten(OURS, "joe@Sender.Example")
    assert forwarded.startswith("SRS0=")
    _, letters, day, domain, rest = forwarded.split("=")
    assert (len(letters), len(day), domain, rest) == (6, 2, "sender.example", "joe@fwd.example")


def test_what_stays() -> None:
    assert OURS.rewrite("", now=NOW) == ""
    assert OURS.rewrite("joe@fwd.example", now=NOW) == "joe@fwd.example"


def test_a_second_and_a_third_forwarder() -> None:
    first = rewritten(OURS, "joe@sender.example")
    second = rewritten(NEXT, first)
    third = rewritten(THIRD, second)
    assert second.startswith("SRS1=")
    assert "=fwd.example==" in second
    assert "=fwd.example==" in third
    assert len(third) - len(second) == len("third") - len("next")
    # The bounce goes to whoever rewrote it first, and from there home.
    assert THIRD.reverse(third, now=NOW) == first
    assert NEXT.reverse(second, now=NOW) == first
    assert OURS.reverse(first, now=NOW) == "joe@sender.example"


def test_other_separators_are_kept() -> None:
    foreign = "SRS0+abcd=EF=sender.example=joe@old.example"
    forwarded = rewritten(OURS, foreign)
    assert "=old.example=+abcd" in forwarded
    assert OURS.reverse(forwarded, now=NOW) == foreign


def test_lower_cased_on_the_way() -> None:
    forwarded = rewritten(OURS, "Joe@sender.example").lower()
    assert OURS.reverse(forwarded, now=NOW) == "joe@sender.example"


@pytest.mark.parametrize("days", [0, 1, MAX_AGE_DAYS])
def test_young_enough(days: int) -> None:
    forwarded = rewritten(OURS, "joe@sender.example")
    assert OURS.reverse(forwarded, now=NOW + timedelta(days=days)) == "joe@sender.example"


@pytest.mark.parametrize("days", [-1, MAX_AGE_DAYS + 1, 500, 1023])
def test_too_old_or_from_the_future(days: int) -> None:
    forwarded = rewritten(OURS, "joe@sender.example")
    assert OURS.reverse(forwarded, now=NOW + timedelta(days=days)) is SrsFault.EXPIRED


def test_secrets_change() -> None:
    forwarded = rewritten(OURS, "joe@sender.example")
    assert Srs("fwd.example", [b"new", b"secret"]).reverse(forwarded, now=NOW) == "joe@sender.example"
    assert Srs("fwd.example", [b"new"]).reverse(forwarded, now=NOW) is SrsFault.FORGED


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("joe@fwd.example", SrsFault.NOT_OURS),
        ("SRS0=x=y=z=joe@other.example", SrsFault.NOT_OURS),
        ("", SrsFault.NOT_OURS),
        ("SRS0+abc=de=x.example=joe@fwd.example", SrsFault.NOT_OURS),
        ("SRS0=@fwd.example", SrsFault.MALFORMED),
        ("SRS0=abcdef@fwd.example", SrsFault.MALFORMED),
        ("SRS0=ABCDEF=AA=bank.example=joe@fwd.example", SrsFault.FORGED),
        ("SRS1=ABCDEF=bank.example==x@fwd.example", SrsFault.FORGED),
        ("SRS0=ÄBCDEF=AA=bank.example=joe@fwd.example", SrsFault.FORGED),
    ],
)
def test_nobody_else_is_let_through(path: str, fault: SrsFault) -> None:
    assert OURS.reverse(path, now=NOW) is fault


def test_no_letter_may_change() -> None:
    forwarded = rewritten(OURS, "joe@sender.example")
    local_part = forwarded.removesuffix("@fwd.example")
    for position in range(5, len(local_part)):
        changed = local_part[:position] + "9" + local_part[position + 1 :]
        if changed != local_part:
            assert isinstance(OURS.reverse(changed + "@fwd.example", now=NOW), SrsFault)


def test_too_long() -> None:
    assert OURS.rewrite("j" * 40 + "@sender.example", now=NOW) is SrsFault.TOO_LONG


@given(st.text(max_size=60), st.text(max_size=20))
def test_nothing_raises(local_part: str, domain: str) -> None:
    OURS.rewrite(f"{local_part}@{domain}", now=NOW)
    OURS.reverse(f"{local_part}@fwd.example", now=NOW)
    OURS.reverse(f"SRS0={local_part}@fwd.example", now=NOW)


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(OURS)
