"""A tenant whose mail goes another way (a smarthost, a pool of sources) that is broken: that is no matter of others."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from mta_queue.core.attempt import Attempt
from mta_queue.core.route import parse_route
from mta_queue.core.rules import Rules
from mta_queue.core.shaping import OPEN, Passage
from mta_queue.core.tls import Minimum
from mta_queue.core.way import WayRule, way_of

from tests.unit.mta_queue.test_working import LATER, SCHEDULE, World

OWN, OTHER = str(uuid4()), str(uuid4())


class Ways(World):
    """Notes what the site is said to be, and whose turns are taken away."""

    def __init__(self, rule: WayRule, scope: tuple[str, str]) -> None:
        super().__init__()
        self.rules = Rules({}, {}, SCHEDULE, ways={scope: rule})
        self.current.now = self.rules
        self.asked: list[tuple[str, str]] = []
        self.stopped: list[tuple[str, str, list[str]]] = []
        self.until = datetime.now(UTC) + timedelta(minutes=1)
        self.replies, self.dead_until = {"big.test": LATER}, {"big.test": self.until}

    async def enter(self, rules: Rules, tenant_id: str, domain: str, route: str = "") -> Passage:
        self.asked.append((tenant_id, route))
        return OPEN

    def leave(self, passage: Passage) -> None:
        return

    async def heard(self, passage: Passage, domain: str, route: str, attempts: Sequence[Attempt]) -> bool:
        self.asked.append(("heard", route))
        return False

    async def pause(
        self, domain: str, until: datetime, tenant_id: str = "", but_of: Sequence[str] = ()
    ) -> None:
        self.stopped.append((domain, tenant_id, list(but_of)))

    async def sent(self, tenant_id: str) -> bool:
        """Whether it was tried."""
        before = len(self.tried)
        self.draining.clear()
        self.send("a@big.test", tenant_id=tenant_id)
        await self.firsts.run()
        return len(self.tried) > before


@pytest.mark.parametrize("rule", [WayRule(host="[2001:db8::7]:2525"), WayRule(egress="their-own")])
@pytest.mark.parametrize("about", ["", "big.test"])
async def test_what_is_away_on_ones_own_way_is_there_for_others(rule: WayRule, about: str) -> None:
    world = Ways(rule, (OWN, about))
    assert await world.sent(OWN)
    assert world.stopped == [("big.test", OWN, [])]
    assert not await world.sent(OWN), "it is known to be away"
    assert await world.sent(OTHER), "another's mail goes to the MX"
    # And what is away there says nothing of the own way.
    assert world.stopped[1:] == [("big.test", "", [OWN])]
    assert not await world.sent(OTHER)


async def test_what_is_away_on_everybodys_way_is_away_for_everybody() -> None:
    world = Ways(WayRule(host="smart.test"), (OWN, "elsewhere.test"))
    assert await world.sent(OWN)
    assert world.stopped == [("big.test", "", [])]
    assert not await world.sent(OTHER)


async def test_a_smarthosts_limits_and_replies_are_its_own() -> None:
    """A 421 of a tenant's smarthost must not stop everybody's mail to the domain that it was for."""
    world: Any = Ways(WayRule(host="[2001:db8::7]:2525"), (OWN, ""))
    await world.sent(OWN)
    assert world.asked == [(OWN, "[2001:db8::7]:2525"), ("heard", "[2001:db8::7]:2525")]
    await world.sent(OTHER)
    assert world.asked[2:] == [(OTHER, ""), ("heard", "")]


@pytest.mark.parametrize("text", ["smart.test", "smart.test:26", "192.0.2.7:26", "[2001:db8::7]", "[::1]:24"])
def test_a_route_is_written_as_it_is_read(text: str) -> None:
    assert parse_route(text).text == text


SMART = WayRule(host="smart.test", username="me", password_sealed=b"sealed")


@pytest.mark.parametrize(
    ("minimum", "holds"),
    [
        (None, Minimum.VERIFIED),
        (Minimum.OPPORTUNISTIC, Minimum.ENCRYPTED),
        (Minimum.ENCRYPTED, Minimum.ENCRYPTED),
        (Minimum.VERIFIED, Minimum.VERIFIED),
    ],
)
def test_no_rule_has_a_password_said_in_clear(minimum: Minimum | None, holds: Minimum) -> None:
    """Whatever scope says it: where TLS fails opportunistic mail goes on without."""
    assert way_of([replace(SMART, minimum=minimum)]).minimum is holds
    assert way_of([SMART, WayRule(minimum=minimum)]).minimum is holds
    assert way_of([WayRule(minimum=minimum), SMART]).minimum is holds


def test_who_we_are_at_the_usual_host_is_said_to_no_other() -> None:
    way = way_of([SMART])
    assert way.login == SMART
    rerouted = way.rerouted(parse_route("other.test:25"))
    assert rerouted.login is None
    assert rerouted.minimum is Minimum.VERIFIED
    # A nearer rule names another host: the password of the wider one is not its.
    assert way_of([WayRule(host="near.test"), SMART]).login is None
