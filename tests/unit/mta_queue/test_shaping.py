"""Rules of shaping: which one counts, which site is counted, what a reply does; patterns cannot be a trap."""

import time

import pytest
from mta_queue.core.rules import Rules
from mta_queue.core.schedule import Schedule
from mta_queue.core.shaping import (
    DEFAULT,
    Action,
    Reaction,
    Shape,
    ShapeInvalid,
    Shapes,
    candidates,
    is_site,
    parse_matches,
    site_of,
)
from mta_queue.core.turns import Caps, Lane, UnderWay, share

GOOGLE = ("gmail-smtp-in.l.google.com", "alt1.gmail-smtp-in.l.google.com.")
MIXED = ("mx1.one.test", "mx.two.test")


def shape(connections: int) -> Shape:
    return Shape(connections=connections)


def test_what_matches_goes_from_narrow_to_wide() -> None:
    assert list(candidates("x.test", GOOGLE)) == [
        "domain:x.test",
        "mx:gmail-smtp-in.l.google.com",
        "mx:l.google.com",
        "mx:google.com",
        "mx:com",
        "*",
    ]
    # A name counts only where all hosts are below it.
    assert list(candidates("x.test", MIXED)) == ["domain:x.test", "mx:test", "*"]
    assert list(candidates("[192.0.2.1]", ())) == ["domain:[192.0.2.1]", "*"]


def test_the_tenants_rule_goes_before_the_installations() -> None:
    shapes = Shapes(
        {
            "": {"*": shape(9), "mx:google.com": shape(5), "domain:x.test": shape(3)},
            "t1": {"*": shape(2)},
            "t2": {"mx:google.com": shape(7)},
        }
    )
    found = shapes.rule_for("t1", "x.test", GOOGLE)
    assert (found.tenant_id, found.shape.connections) == ("t1", 2)
    found = shapes.rule_for("t2", "y.test", GOOGLE)
    assert (found.tenant_id, found.site, found.shape.connections) == ("t2", "mx:google.com", 7)
    found = shapes.rule_for("t2", "x.test", MIXED)
    assert (found.tenant_id, found.site, found.shape.connections) == ("", "domain:x.test", 3)
    found = shapes.rule_for("t3", "y.test", GOOGLE)
    assert (found.tenant_id, found.site) == ("", "mx:google.com")
    found = shapes.rule_for("t3", "y.test", MIXED)
    assert (found.site, found.shape.connections) == ("hosts:mx.two.test,mx1.one.test", 9)
    assert Shapes().rule_for("t3", "y.test", MIXED).shape is DEFAULT


def test_a_site_is_its_set_of_hosts_whatever_their_order() -> None:
    assert site_of(MIXED, "x.test") == site_of(("MX.two.test.", "mx1.one.test"), "y.test")
    many = tuple(f"mx{number}.a-long-name.test" for number in range(50))
    assert len(site_of(many, "x.test")) < 250
    assert site_of(many, "x.test") != site_of(many[:-1], "x.test")
    assert is_site(site_of(MIXED, "x.test"))
    assert is_site("mx:google.com")
    assert not is_site("google.com")


@pytest.mark.parametrize("text", ["*", "domain:example.com", "MX:Google.com.", "domain:[192.0.2.1]"])
def test_what_a_rule_may_be_about(text: str) -> None:
    assert parse_matches(text) == text.lower().rstrip(".")


@pytest.mark.parametrize(
    "text", ["", "google.com", "mx:", "mx:a..b", "host:x", "domain:a b", "mx:" + "a" * 64]
)
def test_what_a_rule_may_not_be_about(text: str) -> None:
    with pytest.raises(ShapeInvalid):
        parse_matches(text)


def test_the_first_reaction_that_fits_counts() -> None:
    made = Shape(
        reactions=(
            Reaction(r"^421[ -]4\.7\.28", Action.SUSPEND, 3600),
            Reaction("rate limit|too many", Action.BACK_OFF, 60),
        )
    )
    first = made.reaction_to("421 4.7.28 Our system has detected an unusual RATE LIMIT")
    assert first is not None
    assert first.action is Action.SUSPEND
    second = made.reaction_to("450 4.2.1 The user is receiving mail at a Rate Limit")
    assert second is not None
    assert second.action is Action.BACK_OFF
    assert made.reaction_to("451 4.7.1 Greylisted") is None
    assert Shape.from_json(made.to_json()) == made


def test_by_default_only_a_421_about_policy_makes_a_pause() -> None:
    assert DEFAULT.reaction_to("421 4.7.0 Too many messages, slow down") is not None
    assert DEFAULT.reaction_to("451 4.7.1 Greylisting in action, come back later") is None
    assert DEFAULT.reaction_to("421 4.3.2 Shutting down") is None


@pytest.mark.parametrize(
    "values",
    [
        {"connections": -1},
        {"messages_an_hour": "many"},
        {"reactions": [{"pattern": "(", "action": "suspend", "seconds": 1}]},
        {"reactions": [{"pattern": r"(a)\1", "action": "suspend", "seconds": 1}]},
        {"reactions": [{"pattern": "a", "action": "explode", "seconds": 1}]},
        {"reactions": [{"pattern": "a", "action": "suspend", "seconds": 0}]},
        {"reactions": [{"pattern": "a{1000}{1000}", "action": "suspend", "seconds": 1}]},
        {"reactions": [{"pattern": "a", "action": "suspend"}]},
        {"reactions": [{"pattern": "a", "action": "suspend", "seconds": 1}] * 51},
    ],
)
def test_what_is_no_shape(values: dict[str, object]) -> None:
    with pytest.raises(ShapeInvalid):
        Shape.from_json(values)


def test_no_pattern_takes_long() -> None:
    # With backtracking this is 2**30 steps.
    trap = Reaction("^(a+)+$", Action.BACK_OFF, 60)
    begun = time.process_time()
    assert not trap.fits("a" * 5000 + "!")
    assert time.process_time() - begun < 5


def test_suspensions_of_sites_are_known_as_such() -> None:
    schedule = Schedule(300.0, 3600.0, 432_000.0)
    assert not Rules({}, {}, schedule).suspends_sites
    assert not Rules({("", "x.test"): None}, {}, schedule).suspends_sites  # type: ignore[dict-item]
    assert Rules({("", "mx:x.test"): None}, {}, schedule).suspends_sites  # type: ignore[dict-item]


def test_a_destination_with_few_connections_gets_few_places() -> None:
    lanes = [Lane("t", "few.test"), Lane("t", "other.test")]
    given = share(lanes, 10, UnderWay(), Caps(4, 8, {"few.test": 1}))
    assert given == {lanes[0]: 1, lanes[1]: 4}
