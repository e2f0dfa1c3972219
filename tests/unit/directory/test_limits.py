"""Who must wait, and how long. Time is an argument."""

from datetime import UTC, datetime, timedelta

import pytest
from directory.core.limits import Rule, Rules, Standing, Tally, is_own_machine, minute_of, prefix_of

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
RULES = Rules()


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def test_delays_double_up_to_a_limit() -> None:
    rule = Rule(free=2, first_seconds=3.0, most_seconds=20.0, forgotten_seconds=3600.0)
    assert [rule.delay_seconds(failures) for failures in range(8)] == [0, 0, 0, 3, 6, 12, 20, 20]
    assert rule.delay_seconds(10**9) == 20


def test_a_tally_blocks_until_its_delay_is_over_and_is_forgotten() -> None:
    rule = Rule(free=0, first_seconds=8.0, most_seconds=8.0, forgotten_seconds=100.0)
    assert Tally(1, ago(0)).blocked_until(NOW, rule) == NOW + timedelta(seconds=8)
    assert Tally(1, ago(7.9)).blocked_until(NOW, rule) == NOW + timedelta(seconds=0.1)
    assert Tally(1, ago(8)).blocked_until(NOW, rule) is None
    assert Tally(5, ago(99)).current(NOW, 100.0) == 5
    assert Tally(5, ago(100)).current(NOW, 100.0) == 0
    assert Tally().blocked_until(NOW, rule) is None


def test_nobody_waits_who_has_not_failed() -> None:
    assert Standing().wait_seconds(NOW, RULES) == 0
    assert Standing(lately_everywhere=10**6).wait_seconds(NOW, RULES) == 0


def test_a_pair_waits_even_where_it_is_familiar() -> None:
    pair = Tally(RULES.pair.free + 1, NOW)
    assert Standing(pair=pair).wait_seconds(NOW, RULES) == RULES.pair.first_seconds
    assert Standing(pair=pair, succeeded_at=ago(1)).wait_seconds(NOW, RULES) == RULES.pair.first_seconds
    assert Standing(pair=Tally(RULES.pair.free, NOW)).wait_seconds(NOW, RULES) == 0


def test_whom_we_know_does_not_wait_for_what_others_do_at_his_address() -> None:
    prefix = Tally(RULES.prefix.free + 1, NOW)
    assert Standing(prefix=prefix).wait_seconds(NOW, RULES) == RULES.prefix.first_seconds
    assert Standing(prefix=prefix, succeeded_at=ago(29 * 86_400)).wait_seconds(NOW, RULES) == 0
    assert Standing(prefix=prefix, succeeded_at=ago(30 * 86_400)).wait_seconds(NOW, RULES) > 0


def test_while_very_many_fail_less_is_free() -> None:
    pressed = RULES.everywhere_a_minute
    one = Tally(RULES.pressed_prefix.free + 1, NOW)
    assert Standing(prefix=one, lately_everywhere=pressed - 1).wait_seconds(NOW, RULES) == 0
    assert Standing(prefix=one, lately_everywhere=pressed).wait_seconds(NOW, RULES) == 8
    assert Standing(prefix=one, lately_everywhere=pressed, succeeded_at=ago(1)).wait_seconds(NOW, RULES) == 0


def test_the_longest_wait_counts() -> None:
    standing = Standing(pair=Tally(10, NOW), prefix=Tally(21, NOW))
    assert standing.wait_seconds(NOW, RULES) == RULES.pair.delay_seconds(10)


def test_a_guesser_gets_few_guesses_a_day() -> None:
    """From one address at one account, trying again as soon as he may."""
    tally, now, guesses = Tally(), NOW, 0
    while now < NOW + timedelta(days=1):
        wait = Standing(pair=tally).wait_seconds(now, RULES)
        if wait:
            now += timedelta(seconds=wait)
            continue
        guesses += 1
        tally = Tally(tally.current(now, RULES.pair.forgotten_seconds) + 1, now)
        now += timedelta(seconds=0.1)
    assert guesses < 120


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unknown", ""),
        ("192.0.2.7:25", ""),
    ],
)
def test_prefixes(address: str, prefix: str) -> None:
    assert prefix_of(address) == prefix


def test_our_own_machine() -> None:
    assert all(is_own_machine(each) for each in ("127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"))
    assert not any(is_own_machine(each) for each in ("192.0.2.1", "10.0.0.1", "", "::"))


def test_minutes() -> None:
    assert minute_of(NOW) == "2026-11-21T08:00"
    assert minute_of(NOW + timedelta(seconds=59.9)) == minute_of(NOW)
