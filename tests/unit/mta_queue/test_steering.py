"""Filters, changes and routes: values that survive their way through JSON, and what is refused."""

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mta_queue.adapters.filtering import conditions
from mta_queue.core.change import (
    Bounce,
    Change,
    Delete,
    Expire,
    Hold,
    Notice,
    Release,
    Reroute,
    Retry,
    from_json,
    last_word,
    to_json,
)
from mta_queue.core.item_filter import FilterInvalid, ItemFilter, Status
from mta_queue.core.route import Route, RouteInvalid, parse_route

TEXT = st.text(max_size=20)
INSTANT = st.datetimes(timezones=st.just(UTC))
CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(Hold, TEXT, st.none() | INSTANT),
    st.just(Release()),
    st.just(Retry()),
    st.builds(Bounce, TEXT, st.sampled_from(Notice)),
    st.builds(Delete, TEXT),
    st.builds(Reroute, TEXT),
    st.builds(Expire, INSTANT),
)
FILTERS = st.builds(
    ItemFilter,
    tenant_id=TEXT,
    queue_ids=st.lists(TEXT, max_size=3).map(tuple),
    sender=TEXT,
    recipient=TEXT,
    domain=TEXT,
    status=st.none() | st.sampled_from(Status),
    reply=TEXT,
    entered_before=st.none() | INSTANT,
    entered_after=st.none() | INSTANT,
)


@given(CHANGES)
def test_a_change_comes_back_from_json(change: Change) -> None:
    assert from_json(to_json(change)) == change


@given(FILTERS)
def test_a_filter_comes_back_from_json(wanted: ItemFilter) -> None:
    assert ItemFilter.from_json(wanted.to_json()) == wanted


@pytest.mark.parametrize(
    "values", [{}, {"action": "explode"}, {"action": "hold"}, {"action": "reroute", "route": 1}]
)
def test_a_change_that_is_not_known_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        from_json(values)


def test_only_a_filter_that_sets_nothing_is_everything() -> None:
    assert ItemFilter().is_everything
    assert not ItemFilter(status=Status.HELD).is_everything


def test_values_travel_as_parameters() -> None:
    evil = "x'; DROP TABLE queue_item; --{}"
    made = conditions(ItemFilter(sender=evil, recipient=evil, domain=evil, reply=evil, queue_ids=(evil,)))
    assert "DROP" not in made.sql()
    assert sorted(f"${n}" for n in range(1, len(made.values) + 1)) == sorted(
        word.strip("(),")
        for word in made.sql().replace("(", " ").replace(")", " ").replace("::", " ").split()
        if "$" in word
    )


def test_a_tenant_that_is_no_id_is_refused() -> None:
    with pytest.raises(FilterInvalid):
        conditions(ItemFilter(tenant_id="demo"))


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("smart.test", Route("smart.test", None)),
        ("Smart.test:2525", Route("smart.test", 2525)),
        ("192.0.2.1:25", Route("192.0.2.1", 25)),
        ("[2001:db8::1]", Route("2001:db8::1", None)),
        ("[2001:db8::1]:587", Route("2001:db8::1", 587)),
    ],
)
def test_routes(text: str, route: Route) -> None:
    assert parse_route(text) == route


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":25",
        "a:",
        "a:0",
        "a:65536",
        "a:b",
        "2001:db8::1",
        "[x]",
        "[::1",
        "[::1]25",
        "a b",
        "a\r\nb",
        "-a",
        "a..b",
    ],
)
def test_what_is_no_route(text: str) -> None:
    with pytest.raises(RouteInvalid):
        parse_route(text)


def test_the_last_word_says_who_and_why() -> None:
    assert last_word(Bounce("abuse", Notice.SENT)).text == "Returned by the operator: abuse"
    assert last_word(Delete("")).text == "Deleted by the operator"
