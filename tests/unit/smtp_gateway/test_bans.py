"""Offences, the tarpit, bans: counted by prefix and over processes, growing, never for our own, never against an owner."""

import asyncio
import json
import math
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_network

import pytest
from directoryclient.policies import TenantPolicy
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from smtp_gateway.core import bans
from smtp_gateway.core.bans import Ban, BannedBy, Bans
from smtp_gateway.core.limits import Limited
from smtp_gateway.core.networks import Networks
from smtp_gateway.core.offences import Offence, Rules
from smtp_gateway.core.prefixes import prefix_of
from smtp_gateway.core.roles import Role
from smtp_gateway.edge.allowance import Controls
from smtp_gateway.edge.banning import Banning
from smtp_gateway.edge.judged import Judged
from smtp_gateway.edge.screens import Screens
from smtp_gateway.edge.sharing import Sharing
from smtp_gateway.ports import Asked, Judgement

from tests.support.fake_gateway import FakeLedger, converse, settings

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
STRANGER = "192.0.2.7"
HELLO = b"EHLO c.test\r\n"
MAIL = b"MAIL FROM:<x@peer.test>\r\n"
RCPT = b"RCPT TO:<jones@foo.com>\r\n"
UNKNOWN = b"RCPT TO:<nobody@foo.com>\r\n"
LOGIN = b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"
WRONG = b"AUTH PLAIN AGpvbmVzQGZvby5jb20Ad3Jvbmc=\r\n"
MESSAGE = b"DATA\r\n", b"From: a@b.test\r\n\r\nx\r\n.\r\n"


class World:
    """One process or more, over the same ledgers; time stands still until it is moved."""

    def __init__(self, **values: object) -> None:
        self.settings = settings(offence_points_per_hour=10, **values)
        self.automatic, self.operators = FakeLedger(), FakeLedger()
        self.today = START
        self.now = 1000.0
        self.waits: list[float] = []

    def process(self) -> tuple[Controls, Screens]:
        controls = Controls.of(self.settings)
        exempt = Networks(map(str, self.settings.never_banned_networks))
        rules = self.settings.offence_rules()
        banning = Banning(controls.limits, rules, exempt, self.automatic, self.operators, lambda: self.today)
        self.automatic.followers.append(partial(banning.heard, BannedBy.OFFENCES))
        self.operators.followers.append(partial(banning.heard, BannedBy.OPERATOR))

        async def pause(seconds: float) -> None:
            self.waits.append(seconds)

        return controls, Screens(banning=banning, exempt=Networks(("0.0.0.0/0", "::/0")), pause=pause)

    def move(self, seconds: float) -> None:
        self.now += seconds
        self.today += timedelta(seconds=seconds)

    def say(
        self,
        process: tuple[Controls, Screens],
        *chunks: bytes,
        role: Role = Role.MX,
        client: str = STRANGER,
        in_tls: bool = False,
    ) -> bytes:
        controls, screens = process
        said, _, _ = converse(
            role,
            chunks,
            controls=controls,
            screens=screens,
            client=client,
            clock=lambda: self.now,
            offence_points_per_hour=10,
            in_tls=in_tls,
        )
        return said


def test_whoever_names_nobody_we_know_is_slowed_down_and_then_banned() -> None:
    world = World()
    here = world.process()
    assert world.say(here, HELLO, MAIL, *[UNKNOWN] * 3).count(b"550 5.1.1") == 3
    assert not world.waits
    world.say(here, HELLO, MAIL, *[UNKNOWN] * 7)
    assert world.waits == sorted(world.waits)
    assert 0 < world.waits[0] < world.waits[-1] <= 10.0
    assert world.say(here).startswith(b"220 ")
    world.say(here, HELLO, MAIL, UNKNOWN)
    assert world.say(here).startswith(b"554 5.7.1 Your network is banned until 2026-11-21 12:10 UTC")
    # Others are let in, and this one when its time is over.
    assert world.say(here, client="192.0.2.8").startswith(b"220 ")
    world.move(601)
    assert world.say(here).startswith(b"220 ")


def test_the_tarpit_holds_so_many_and_no_more() -> None:
    for places, waits in ((0, False), (1, True)):
        world = World()
        controls, screens = world.process()
        chunks = [HELLO, MAIL, *[UNKNOWN] * 7]
        converse(Role.MX, chunks, controls=controls, screens=screens, client=STRANGER, tarpit_clients=places)
        assert bool(world.waits) is waits


def test_what_strangers_did_to_a_mail_system_of_the_site_is_not_held_against_it() -> None:
    world = World(never_banned_networks=())
    here = world.process()
    for _ in range(3):
        world.say(here, b"LHLO mta.test\r\n", MAIL, *[UNKNOWN] * 15, role=Role.LMTP, client="127.0.0.5")
    assert not world.waits
    assert world.say(here, client="127.0.0.5").startswith(b"220 ")


def test_each_ban_is_longer_than_the_last_up_to_a_bound() -> None:
    rules = Rules(60, 600.0, 86_400.0, 10.0)
    assert [rules.ban_seconds(times) for times in (1, 2, 3, 4, 5, 10**6)] == [
        *(600.0, 2400.0, 9600.0, 38_400.0, 86_400.0, 86_400.0)
    ]
    world = World()
    here = world.process()
    lengths = []
    for _ in range(3):
        world.say(here, HELLO, MAIL, *[UNKNOWN] * 11)
        [ban] = here[1].banning.listing()
        assert ban.until is not None
        lengths.append((ban.until - world.today).total_seconds())
        world.move(lengths[-1] + 1)
    assert lengths == [600.0, 2400.0, 9600.0]


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_a_worse_client_never_waits_less_and_none_waits_for_ever(one: float, two: float) -> None:
    rules = Rules(60, 600.0, 86_400.0, 10.0)
    low, high = sorted((one, two))
    assert 0.0 <= rules.wait_seconds(low) <= rules.wait_seconds(high) <= 10.0 + 1e-9
    assert math.isclose(rules.wait_seconds(60), 10.0)
    assert rules.wait_seconds(19.9) == 0.0


def test_offences_in_one_process_count_in_the_others_and_so_does_the_ban() -> None:
    world = World()
    here, there = world.process(), world.process()
    told: list[bytes] = []
    one, two = (
        Sharing(each[0].limits, lambda _subject, payload: told.append(payload), lambda: world.now)
        for each in (here, there)
    )
    world.say(here, HELLO, MAIL, *[UNKNOWN] * 8)
    one.tell()
    for payload in told:
        two.heard("limits.spent", payload)
    world.say(there, HELLO, MAIL, *[UNKNOWN] * 3)
    for process in (here, there, world.process()):
        if process in (here, there):
            assert world.say(process).startswith(b"554 5.7.1 ")
    assert list(world.automatic.kept) == [f"{STRANGER}/32"]


def test_a_whole_ipv6_network_of_a_customer_is_one_client() -> None:
    world = World()
    here = world.process()
    for number in range(11):
        world.say(here, HELLO, MAIL, UNKNOWN, client=f"2001:db8:0:1::{number:x}")
    assert world.say(here, client="2001:db8:0:1:ffff::1").startswith(b"554 ")
    assert world.say(here, client="2001:db8:0:2::1").startswith(b"220 ")
    assert prefix_of("::ffff:192.0.2.7") == "192.0.2.7/32"


def test_nothing_is_held_against_our_own_networks() -> None:
    world = World(never_banned_networks=("192.0.2.0/24", "127.0.0.0/8"))
    here = world.process()
    for _ in range(5):
        world.say(here, HELLO, MAIL, *[UNKNOWN] * 11)
    assert not world.waits
    assert world.say(here).startswith(b"220 ")
    banning = here[1].banning
    for network in ("192.0.2.7", "192.0.0.0/16", "0.0.0.0/0"):
        with pytest.raises(ValueError, match="never banned"):
            asyncio.run(banning.ban(network, "x", None))


def test_an_owner_comes_in_from_where_strangers_offended() -> None:
    world = World()
    here = world.process()
    world.say(here, HELLO, MAIL, *[UNKNOWN] * 11)
    assert world.say(here).startswith(b"554 ")
    # Nobody is refused at the MSA door for it.
    said = world.say(here, HELLO, LOGIN, role=Role.MSA, in_tls=True)
    assert said.startswith(b"220 ")
    assert b"235 2.7.0" in said


def test_whoever_guesses_passwords_has_one_guess_a_session_at_last() -> None:
    controls_and_screens = World(never_banned_networks=())
    here = controls_and_screens.process()

    def guess(*passwords: bytes) -> bytes:
        said, _, _ = converse(
            Role.MSA,
            [HELLO, *passwords],
            controls=here[0],
            screens=here[1],
            client="127.0.0.1",
            clock=lambda: controls_and_screens.now,
        )
        return said

    assert guess(*[WRONG] * 4).count(b"535 5.7.8") == 4
    assert guess(WRONG).endswith(b"535 5.7.8 The login or the password is wrong\r\n")
    last = guess(WRONG, WRONG, WRONG)
    assert last.count(b"535 5.7.8") == 1
    assert last.endswith(b"421 4.7.0 Too many wrong passwords from your network\r\n")
    # The owner, from there, with the right one.
    assert b"235 2.7.0" in guess(LOGIN)


def test_broken_sessions_and_unwanted_content_are_offences_and_good_mail_makes_up_for_some() -> None:
    world = World()
    here = world.process()
    world.say(here, *[b"FOO\r\n"] * 30)
    level = here[0].limits.level
    assert level(Limited.CLIENT_OFFENCES, f"{STRANGER}/32", world.now) == pytest.approx(5)
    said = world.say(here, HELLO, MAIL, b"RCPT TO:<jones@foo.com>\r\n", *MESSAGE)
    assert b"250 2.0.0 Accepted" in said
    assert level(Limited.CLIENT_OFFENCES, f"{STRANGER}/32", world.now) == pytest.approx(4)


def test_an_operators_ban_closes_every_door_and_is_lifted_with_what_was_held_against_the_client() -> None:
    world = World()
    here, there = world.process(), world.process()
    banning = here[1].banning
    asyncio.run(banning.ban("192.0.2.128/25", "spam all day", None))
    asyncio.run(banning.ban("192.0.2.7", "for an hour", START + timedelta(hours=1)))
    for role in Role:
        assert world.say(there, role=role).startswith(b"554 5.7.1 Your network is banned until")
        assert world.say(there, role=role, client="192.0.2.200").startswith(
            b"554 5.7.1 Your network is banned;"
        )
    assert [ban.network for ban in there[1].banning.listing()] == ["192.0.2.7/32", "192.0.2.128/25"]
    assert asyncio.run(there[1].banning.lift("192.0.2.7/32")) == 1
    assert asyncio.run(there[1].banning.lift("192.0.2.7/32")) == 0
    assert world.say(here).startswith(b"220 ")
    world.say(here, HELLO, MAIL, *[UNKNOWN] * 11)
    assert asyncio.run(there[1].banning.lift(STRANGER)) == 1
    world.waits.clear()
    assert world.say(here, HELLO).startswith(b"220 ")
    assert not world.waits
    for wrong in ("", "foo", "1.2.3.4/33", "::1/129"):
        with pytest.raises(ValueError):
            asyncio.run(banning.ban(wrong, "x", None))
    with pytest.raises(ValueError, match="in the past"):
        asyncio.run(banning.ban("198.51.100.1", "x", START - timedelta(seconds=1)))


def test_a_ban_holds_here_while_nats_is_away() -> None:
    world = World()
    here = world.process()
    world.automatic.away = True
    world.say(here, HELLO, MAIL, *[UNKNOWN] * 11)
    assert world.say(here).startswith(b"554 ")


def test_points_of_zero_ban_nobody() -> None:
    controls = Controls.of(settings(offence_points_per_hour=0))
    ledger = FakeLedger()
    banning = Banning(controls.limits, Rules(0, 600, 600, 10), Networks(()), ledger, ledger)

    async def offend() -> None:
        for _ in range(1000):
            await banning.offended(STRANGER, Offence.SPOKE_EARLY, 0.0)

    asyncio.run(offend())
    assert not banning.listing()
    assert banning.wait_seconds(STRANGER, 0.0) == 0.0


@given(st.ip_addresses(), st.integers(0, 128), st.booleans())
def test_an_address_is_banned_exactly_where_a_network_holds_it(
    address: object, length: int, same: bool
) -> None:
    other = address if same else "198.51.100.77"
    network = ip_network((str(other), min(length, ip_network(str(other)).max_prefixlen)), strict=False)
    known = Bans()
    known.put(Ban(str(network), BannedBy.OPERATOR, "", START, None))
    parsed = ip_network(str(address))
    inside = parsed.version == network.version and parsed.subnet_of(network)  # type: ignore[arg-type]
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is None:
        assert (known.holding(str(address), BannedBy.OPERATOR, START) is not None) is inside
    known.remove(str(network), BannedBy.OPERATOR)
    assert known.holding(str(address), BannedBy.OPERATOR, START) is None


def test_who_has_a_large_network_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bans, "NETWORKS_MOST", 3)
    known = Bans()
    for number in (1, 2, 3, 1, 4, 5):
        until = START + timedelta(hours=1)
        known.put(Ban(f"2001:db8:0:{number}::/64", BannedBy.OFFENCES, "x", START, until))
    assert sorted(ban.network for ban in known.listing(START)) == [
        f"2001:db8:0:{number}::/64" for number in (1, 4, 5)
    ]
    assert known.holding("2001:db8:0:1::7", BannedBy.OFFENCES, START) is not None
    assert known.holding("2001:db8:0:2::7", BannedBy.OFFENCES, START) is None


def test_what_was_over_long_ago_is_forgotten() -> None:
    known = Bans()
    over = Ban("192.0.2.7/32", BannedBy.OFFENCES, "", START - timedelta(days=30), START - timedelta(days=20))
    known.put(over)
    assert known.known(ip_network("192.0.2.7/32"), BannedBy.OFFENCES) == over
    known.forget_past(START - timedelta(days=14))
    assert known.known(ip_network("192.0.2.7/32"), BannedBy.OFFENCES) is None


@pytest.mark.parametrize(
    "value", [b"{}", b"[1]", b"x", b'["a", "b", "c", "d"]', b"[" * 5000, b'["", 1e400, null, 1]']
)
def test_an_entry_that_is_none_of_ours_bans_nobody(value: bytes) -> None:
    with pytest.raises(ValueError):
        bans.decode("192.0.2.7/32", BannedBy.OFFENCES, value)
    world = World()
    here = world.process()
    here[1].banning.heard(BannedBy.OFFENCES, "192.0.2.7/32", value)
    assert world.say(here).startswith(b"220 ")


@given(st.text(), st.integers(0, 10**9), st.one_of(st.none(), st.integers(0, 4 * 10**9)), st.integers(1, 99))
def test_an_entry_is_read_back(reason: str, since: int, until: int | None, times: int) -> None:
    end = None if until is None else datetime.fromtimestamp(until, UTC)
    ban = Ban("2001:db8::/64", BannedBy.OFFENCES, reason, datetime.fromtimestamp(since, UTC), end, times)
    assert bans.decode(ban.network, ban.by, bans.encode(ban)) == ban


# -- what was found in mail


class Found:
    """A judge that finds everything to be the same, for tenants that want to hear it before 250."""

    def __init__(self, judgement: Judgement) -> None:
        self._judgement = judgement

    async def of(self, tenant_id: str) -> TenantPolicy:
        return TenantPolicy(scan_before_accepting=True)

    async def judge(self, asked: Asked, content: bytes) -> Judgement:
        return self._judgement


@pytest.mark.parametrize(
    ("judgement", "points", "level"),
    [
        (Judgement.REFUSE, {}, 3),
        (Judgement.INFECTED, {}, 10),
        (Judgement.REFUSE, {"spam": 7}, 7),
        (Judgement.INFECTED, {"virus": 0}, 0),
        (Judgement.INFECTED, {"unwanted_content": 9, "virus": 4}, 4),
    ],
)
def test_spam_and_viruses_refused_at_the_door_weigh_what_the_operator_wants(
    judgement: Judgement, points: dict[str, int], level: int
) -> None:
    world = World(offence_points=points)
    controls, screens = world.process()
    found = Found(judgement)
    said, gate, _ = converse(
        Role.MX,
        [HELLO, MAIL, RCPT, *MESSAGE],
        controls=controls,
        screens=screens,
        client=STRANGER,
        clock=lambda: world.now,
        policies=found,
        judge=found,
    )
    assert said.splitlines()[-1].startswith(b"550 5.7.1 ")
    assert not gate.letters
    assert controls.limits.level(Limited.CLIENT_OFFENCES, f"{STRANGER}/32", world.now) == level


@pytest.mark.parametrize("points", [{"nonsense": 1}, {"spam": -1}, {"spam": "x"}])
def test_offences_that_there_are_not_are_refused_at_the_start(points: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings(offence_points=points)


def hear(world: World, *payloads: bytes) -> tuple[Controls, Screens]:
    process = world.process()

    async def listening() -> None:
        passing_on = (Networks(("198.51.100.0/24",)), Networks(("::1",)))
        judged = Judged(process[1].banning, passing_on, lambda: world.now)
        for payload in payloads:
            judged.heard("mail-judged", payload)
        draining = asyncio.Event()
        draining.set()
        await judged.run(draining)

    asyncio.run(listening())
    return process


def told(address: str, verdict: str) -> bytes:
    return json.dumps({"address": address, "verdict": verdict}).encode()


def test_what_was_found_in_accepted_mail_is_held_against_who_brought_it() -> None:
    world = World()
    here = hear(world, told(STRANGER, "spam"), told(STRANGER, "spam"), told("192.0.2.8", "virus"))
    level = here[0].limits.level
    assert level(Limited.CLIENT_OFFENCES, f"{STRANGER}/32", world.now) == 6
    assert level(Limited.CLIENT_OFFENCES, "192.0.2.8/32", world.now) == 10
    hear(world, *[told(STRANGER, "virus")] * 2)
    # A fact: the first process knows of it too.
    assert world.say(here).startswith(b"554 5.7.1 Your network is banned")


def test_nothing_is_held_against_those_who_pass_on_what_others_wrote() -> None:
    world = World()
    clients = ("198.51.100.7", "::1", "127.0.0.1")
    controls, _ = hear(world, *[told(client, "virus") for client in clients] * 5)
    for prefix in ("198.51.100.7/32", "::/64", "127.0.0.1/32"):
        assert not controls.limits.level(Limited.CLIENT_OFFENCES, prefix, world.now)
    assert not world.automatic.kept


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"{}", b'{"address": "x"}', b'{"address": "192.0.2.7", "verdict": "ham"}', b"[" * 5000],
)
def test_what_nobody_of_ours_found_changes_nothing(payload: bytes) -> None:
    world = World()
    controls, _ = hear(world, payload)
    assert not controls.limits.level(Limited.CLIENT_OFFENCES, f"{STRANGER}/32", world.now)
