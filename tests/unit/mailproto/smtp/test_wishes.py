"""REQUIRETLS, BY=, MT-PRIORITY=, HOLDFOR= and HOLDUNTIL=: what is one, and what it comes to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailproto.smtp.server_config import DeliverBy as Limits
from mailproto.smtp.server_config import FutureRelease, Priorities
from mailproto.smtp.wishes import (
    NO_WISHES,
    By,
    ByMode,
    DeliverBy,
    HoldFor,
    HoldUntil,
    Relayed,
    TlsWish,
    WishInvalid,
    date_time,
    parse_by,
    parse_hold_for,
    parse_hold_until,
    parse_priority,
    wishes_at,
)

from tests.unit.mailproto.smtp.memory import Driver

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MAIL = b"MAIL FROM:<a@x.test> "


@pytest.mark.parametrize(
    ("value", "by"),
    [
        ("120;R", By(120, ByMode.RETURN)),
        ("+120;nT", By(120, ByMode.NOTIFY, Relayed.TOLD)),
        ("0;N", By(0, ByMode.NOTIFY)),
        ("-7;NT", By(-7, ByMode.NOTIFY, Relayed.TOLD)),
        ("999999999;R", By(999_999_999, ByMode.RETURN)),
    ],
)
def test_a_time_to_deliver_in(value: str, by: By) -> None:
    assert parse_by(value) == by


@pytest.mark.parametrize(
    "value", ["", "120", "120;", "120;X", "120;TR", "1e3;R", "0;R", "-1;R", "1234567890;N", "1;R\n"]
)
def test_what_is_no_time_to_deliver_in(value: str) -> None:
    with pytest.raises(WishInvalid):
        parse_by(value)


@given(st.integers(-999_999_999, 999_999_999), st.sampled_from(ByMode), st.sampled_from(Relayed))
def test_what_is_said_is_read_again(seconds: int, mode: ByMode, relayed: Relayed) -> None:
    by = By(abs(seconds) + 1 if mode is ByMode.RETURN else seconds, mode, relayed)
    assert by.seconds > 999_999_999 or parse_by(by.value) == by


def test_priorities() -> None:
    assert [parse_priority(str(each)) for each in range(-9, 10)] == list(range(-9, 10))
    for value in ("", "10", "-10", "+1", "-0", "01", "1.0", "\u0661"):
        with pytest.raises(WishInvalid):
            parse_priority(value)


def test_holds() -> None:
    assert parse_hold_for("999999999") == HoldFor(999_999_999)
    assert parse_hold_until("2026-11-22t10:00:00.75+01:00") == HoldUntil(
        datetime(2026, 11, 22, 9, tzinfo=UTC)
    )
    assert parse_hold_until("2026-12-31T23:59:60Z") == HoldUntil(datetime(2027, 1, 1, tzinfo=UTC))
    for value in ("0", "-1", "1234567890", "1.5", "+3", "\u0661"):
        with pytest.raises(WishInvalid):
            parse_hold_for(value)
    for value in (
        "2026-11-22",
        "2026-11-22T10:00:00",
        "2026-02-30T10:00:00Z",
        "2026-11-22T25:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:60Z",
    ):
        with pytest.raises(WishInvalid):
            parse_hold_until(value)
    assert parse_hold_until(date_time(NOW)).at == NOW


def test_what_they_come_to_now() -> None:
    wishes = wishes_at(NOW, TlsWish.REQUIRED, By(600, ByMode.RETURN), 3, HoldFor(60))
    assert wishes.deliver_by == DeliverBy(NOW + timedelta(minutes=10), ByMode.RETURN)
    assert wishes.release_at == NOW + timedelta(minutes=1)
    assert (wishes.tls, wishes.priority) == (TlsWish.REQUIRED, 3)
    assert wishes.is_held(NOW)
    assert not wishes.is_held(NOW + timedelta(minutes=1))
    # A moment that is over is at once.
    assert wishes_at(NOW, TlsWish.USUAL, None, 0, HoldUntil(NOW - timedelta(days=1))) == NO_WISHES
    with pytest.raises(WishInvalid):
        wishes_at(NOW, TlsWish.USUAL, By(60, ByMode.NOTIFY), 0, HoldFor(60))


def test_the_time_that_is_left_is_rounded_down() -> None:
    limit = DeliverBy(NOW, ByMode.NOTIFY)
    assert limit.left(NOW - timedelta(seconds=1.9)).seconds == 1
    assert limit.left(NOW + timedelta(seconds=0.1)).seconds == -1


@pytest.mark.parametrize(
    ("parameter", "offered"),
    [
        (b"BY=60;R", {"deliver_by": Limits.OFFERED}),
        (b"MT-PRIORITY=1", {"priorities": Priorities.OFFERED}),
        (b"HOLDFOR=60", {"future_release": FutureRelease(60, NOW)}),
        (b"HOLDUNTIL=2026-11-21T12:00:00Z", {"future_release": FutureRelease(60, NOW)}),
    ],
)
def test_only_what_is_offered_is_taken(parameter: bytes, offered: dict[str, Any]) -> None:
    assert Driver().say(b"EHLO c\r\n", MAIL + parameter + b"\r\n") == [250, 555]
    assert Driver(**offered).say(b"EHLO c\r\n", MAIL + parameter + b"\r\n") == [250, 250]


def test_a_release_is_no_later_than_offered() -> None:
    driver = Driver(future_release=FutureRelease(60, NOW))
    said = driver.say(b"EHLO c\r\n", MAIL + b"HOLDFOR=61\r\n", MAIL + b"HOLDUNTIL=2026-11-21T12:00:01Z\r\n")
    assert said == [250, 501, 501]
    assert b"250-FUTURERELEASE 60 2026-11-21T12:00:00Z\r\n" in driver.said


def test_tls_is_required_only_in_tls() -> None:
    driver = Driver()
    assert driver.say(b"EHLO c\r\n", MAIL + b"REQUIRETLS\r\n") == [250, 555]
    assert b"REQUIRETLS" not in driver.said
    driver.say(b"STARTTLS\r\n")
    assert driver.say(b"EHLO c\r\n", MAIL + b"REQUIRETLS\r\n") == [250, 250]
    assert b"250-REQUIRETLS\r\n" in driver.said
