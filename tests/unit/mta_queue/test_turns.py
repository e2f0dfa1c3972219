"""Whose turn it is, what rule holds, which host is known to be away: without I/O, in virtual time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mta_queue.core.dead_hosts import LONGEST_TIMES, DeadHosts
from mta_queue.core.rules import Rules, Suspension
from mta_queue.core.schedule import Schedule
from mta_queue.core.turns import Caps, Lane, UnderWay, share

NOW = datetime(2026, 11, 21, tzinfo=UTC)
CAPS = Caps(a_destination=4, a_tenant=8)
LANES = st.lists(
    st.builds(Lane, st.sampled_from("abcd"), st.sampled_from(["x", "y", "z", "w"])), unique=True, max_size=16
)


def test_tenants_take_turns_whatever_one_of_them_has() -> None:
    lanes = [*(Lane("big", f"d{number}") for number in range(50)), Lane("small", "x")]
    given_places = share(lanes, 4, UnderWay(), CAPS)
    assert given_places[Lane("small", "x")] == 2
    assert sum(given_places.values()) == 4


def test_a_tenants_destinations_take_turns() -> None:
    lanes = [Lane("a", "dead"), Lane("a", "one"), Lane("a", "two")]
    assert share(lanes, 3, UnderWay(), CAPS) == dict.fromkeys(lanes, 1)


def test_a_destination_that_is_full_gets_nothing_and_stops_nobody() -> None:
    under_way = UnderWay()
    for _ in range(4):
        under_way.enter(Lane("other", "dead"))
    given_places = share([Lane("a", "dead"), Lane("a", "alive")], 10, under_way, CAPS)
    assert given_places == {Lane("a", "dead"): 0, Lane("a", "alive"): 4}


def test_lanes_that_were_not_reached_keep_their_turn() -> None:
    lanes = [Lane("a", "one"), Lane("a", "two"), Lane("b", "one")]
    assert share(lanes, 2, UnderWay(), CAPS) == {Lane("a", "one"): 1, Lane("b", "one"): 1}


@given(LANES, st.integers(0, 40))
def test_caps_hold_and_no_place_is_wasted(lanes: list[Lane], room: int) -> None:
    given_places = share(lanes, room, UnderWay(), CAPS)
    assert sum(given_places.values()) <= room
    for domain in "xyzw":
        assert sum(n for lane, n in given_places.items() if lane.domain == domain) <= CAPS.a_destination
    for tenant_id in "abcd":
        assert sum(n for lane, n in given_places.items() if lane.tenant_id == tenant_id) <= CAPS.a_tenant
    if sum(given_places.values()) < room:
        assert set(given_places) == set(lanes), "with room left everybody was reached"


def test_counts_come_and_go() -> None:
    one = UnderWay()
    lane = Lane("a", "x")
    one.enter(lane)
    assert one.plus(one).by_domain["x"] == 2
    one.leave(lane)
    assert one == UnderWay()


def suspension(tenant_id: str, domain: str, minutes: int | None) -> Suspension:
    end = None if minutes is None else NOW + timedelta(minutes=minutes)
    return Suspension("id", tenant_id, domain, "why", "operator", NOW, end)


def test_the_nearest_schedule_counts() -> None:
    default, a_domain, a_tenant, both = (Schedule(n, 3600.0, 7200.0) for n in (1.0, 2.0, 3.0, 4.0))
    rules = Rules({}, {("", "x"): a_domain, ("t", ""): a_tenant, ("t", "x"): both}, default)
    assert rules.schedule_of("t", "x") is both
    assert rules.schedule_of("t", "y") is a_tenant
    assert rules.schedule_of("u", "x") is a_domain
    assert rules.schedule_of("u", "y") is default


def test_any_suspension_stops_and_ends_by_itself() -> None:
    each = [suspension("", "x", 5), suspension("t", "", None), suspension("t", "y", 1)]
    rules = Rules({(one.tenant_id, one.domain): one for one in each}, {}, Schedule(1.0, 1.0, 1.0))
    assert rules.suspension_of("u", "x", NOW) is each[0]
    assert rules.suspension_of("u", "x", NOW + timedelta(minutes=5)) is None
    assert rules.suspension_of("t", "y", NOW) is each[1], "the longest"
    assert rules.suspension_of("u", "y", NOW) is None


@pytest.mark.parametrize(
    "values",
    [(0.0, 1.0, 1.0), (2.0, 1.0, 9.0), (1.0, 1.0, 1e9), (1.0, 1.0, 9.0, 0.6), (1.0, 1.0, 9.0, 0.1, -1.0)],
)
def test_what_is_no_schedule(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError):
        Schedule(*values)


def test_a_warning_comes_before_the_end_or_not_at_all() -> None:
    assert Schedule(1.0, 1.0, 100.0, warn_seconds=40.0).warn_at(NOW) == NOW + timedelta(seconds=40)
    assert Schedule(1.0, 1.0, 100.0, warn_seconds=100.0).warn_at(NOW) is None
    assert Schedule(1.0, 1.0, 100.0).warn_at(NOW) is None


def test_a_host_that_is_away_is_asked_ever_less_often_until_it_answers() -> None:
    now = NOW
    hosts = DeadHosts(lambda: now, 60.0)
    key = ("mx.test", "192.0.2.1", 25, "")
    waits = []
    for _ in range(6):
        assert hosts.is_dead(key) is None
        dead = hosts.failed(key, "no connection")
        assert hosts.failed(key, "another that was under way") == hosts.is_dead(key) == dead
        waits.append((dead.until - now).total_seconds())
        now = dead.until
    assert waits[:3] == [60.0, 120.0, 240.0]
    assert waits[-1] == 60.0 * LONGEST_TIMES
    hosts.failed(key, "no connection")
    hosts.answered(key)
    assert hosts.is_dead(key) is None
