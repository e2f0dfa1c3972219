"""Whom the MX door does not know: early talkers, names, lists in DNS, greylisting."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from directoryclient.policies import TenantPolicy
from dnslookup import DnsUnavailable, NoSuchDomain
from hypothesis import given
from hypothesis import strategies as st
from smtp_gateway.adapters.blocklists import FAILURES, PAUSE_SECONDS, Blocklists
from smtp_gateway.core import blocklists
from smtp_gateway.core.blocklists import List, Standing
from smtp_gateway.core.greylist import Patience
from smtp_gateway.core.hello import HelloFault, fault_of
from smtp_gateway.core.lately import Lately
from smtp_gateway.core.networks import Networks
from smtp_gateway.core.offences import Rules
from smtp_gateway.core.roles import Role
from smtp_gateway.edge.allowance import Controls
from smtp_gateway.edge.banning import Banning
from smtp_gateway.edge.greylisting import Greylisting
from smtp_gateway.edge.screens import Screens

from tests.support.fake_gateway import ALIASES, FakeConnection, FakeGate, FakeLedger, converse, settings
from tests.support.zone import Zone

CLIENT = "8.8.4.4"
HELLO = b"EHLO mx.peer.test\r\n"
MAIL = b"MAIL FROM:<x@peer.test>\r\n"
JONES = b"RCPT TO:<jones@foo.com>\r\n"
MESSAGE = b"DATA\r\n", b"From: a@b.test\r\n\r\nx\r\n.\r\n"


class Told:
    """Lists that say this of everybody."""

    def __init__(self, standing: Standing) -> None:
        self.standing_of_all = standing
        self.asked = 0

    async def standing(self, host: str) -> Standing:
        self.asked += 1
        return self.standing_of_all


class Chosen:
    """Every tenant wants greylisting."""

    async def of(self, tenant_id: str) -> TenantPolicy:
        return TenantPolicy(greylisting=True)


class World:
    def __init__(self, lists: Standing | None = None, **values: Any) -> None:
        self.values = values
        self.wall = 1e9
        self.seen, self.known = FakeLedger(), FakeLedger()
        self.lists = None if lists is None else Told(lists)
        self.controls = Controls.of(settings(**values))
        self.screens = self.process()

    def process(self) -> Screens:
        rules = Rules(60, 600, 600, 0.0)
        return Screens(
            banning=Banning(self.controls.limits, rules, Networks(()), FakeLedger(), FakeLedger()),
            exempt=Networks(("127.0.0.0/8",)),
            blocklists=self.lists,
            greylisting=Greylisting(Patience(300.0, 86_400.0), self.seen, self.known, lambda: self.wall),
        )

    def say(self, *chunks: bytes, client: str = CLIENT, **more: Any) -> bytes:
        said, _, _ = converse(
            Role.MX,
            chunks,
            controls=self.controls,
            screens=more.pop("screens", self.screens),
            client=client,
            early_talkers=more.pop("early_talkers", "taken"),
            **self.values,
            **more,
        )
        return said


# -- the greeting


class Patient(FakeConnection):
    """It says nothing before the greeting."""

    async def read(self, timeout_seconds: float | None = None) -> bytes:
        if timeout_seconds == 1.0 and not self.said:
            raise TimeoutError
        return await super().read(timeout_seconds)


def test_who_speaks_before_the_greeting_is_sent_away_and_that_is_held_against_him() -> None:
    world = World()
    said = world.say(HELLO, early_talkers="refused")
    assert said == b"554 5.5.0 You spoke before the greeting\r\n"
    assert world.screens.banning.wait_seconds(CLIENT, 0.0) == 0.0
    for _ in range(12):
        world.say(HELLO, early_talkers="refused")
    assert world.say(HELLO, early_talkers="refused").startswith(b"554 5.7.1 Your network is banned")


def test_who_waits_is_greeted_and_need_not_wait_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr("tests.support.fake_gateway.FakeConnection", Patient)
    assert world.say(HELLO, early_talkers="refused").startswith(b"220 gate.test")
    monkeypatch.undo()
    # Known now, so nothing is waited for: what is there already is a pipelined EHLO to him.
    assert world.say(HELLO, early_talkers="refused").startswith(b"220 gate.test")


def test_a_proxy_hides_nobody_who_speaks_before_the_greeting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.fake_gateway.FakeConnection", Patient)
    preface = b"PROXY TCP4 198.51.100.99 192.0.2.1 5000 25\r\n"
    behind: dict[str, Any] = {
        "client": "192.0.2.1",
        "proxy_networks": ("192.0.2.0/24",),
        "early_talkers": "refused",
    }
    world = World()
    assert world.say(preface + HELLO, **behind) == b"554 5.5.0 You spoke before the greeting\r\n"
    assert world.say(preface, **behind).startswith(b"220 gate.test")


def test_our_own_relays_are_greeted_at_once() -> None:
    assert World().say(HELLO, client="127.0.0.1", early_talkers="refused").startswith(b"220 gate.test")


# -- names


@pytest.mark.parametrize(
    ("name", "client", "fault"),
    [
        ("mx.peer.test", "192.0.2.1", None),
        ("MX.peer.test.", "192.0.2.1", None),
        ("[192.0.2.1]", "192.0.2.1", None),
        ("[192.0.2.1]", "::ffff:192.0.2.1", None),
        ("[IPv6:2001:db8::1]", "2001:db8:0::1", None),
        ("[192.0.2.2]", "192.0.2.1", HelloFault.OTHER_ADDRESS),
        ("[192.0.2.1", "192.0.2.1", HelloFault.NO_NAME),
        ("[2001:db8::1]", "2001:db8::1", HelloFault.NO_NAME),
        ("[IPv6:192.0.2.1]", "192.0.2.1", HelloFault.NO_NAME),
        ("192.0.2.1", "192.0.2.1", HelloFault.NO_NAME),
        ("localhost", "192.0.2.1", HelloFault.NO_NAME),
        ("a..b", "192.0.2.1", HelloFault.NO_NAME),
        ("gate.test", "192.0.2.1", HelloFault.OUR_NAME),
        ("GATE.test.", "192.0.2.1", HelloFault.OUR_NAME),
    ],
)
def test_what_a_client_may_call_itself(name: str, client: str, fault: HelloFault | None) -> None:
    assert fault_of(name, client, frozenset(("gate.test",))) is fault


def test_a_name_that_cannot_be_is_refused_or_written_down_or_let_pass() -> None:
    hello = b"EHLO gate.test\r\n"
    assert b"550 5.7.1 You call yourself our own name" in World(hello_checks="reject").say(hello, MAIL)
    for choice, told in (("mark", True), ("off", False)):
        world, gate, zone = World(hello_checks=choice), FakeGate(), Zone({})
        converse(
            Role.MX,
            [hello, MAIL, JONES, *MESSAGE],
            gate,
            screens=world.screens,
            client=CLIENT,
            zone=zone,
            hello_checks=choice,
            early_talkers="taken",
        )
        assert (b"x-helo=fail" in gate.letters[0].trace_prefix) is told


@pytest.mark.parametrize("named", [True, False])
def test_an_address_without_a_name_that_leads_back_is_refused_where_that_is_chosen(named: bool) -> None:
    records = {"4.4.8.8.in-addr.arpa": {"PTR": "mx.peer.test"}, "mx.peer.test": {"A": CLIENT}}
    zone = Zone(records if named else {})
    said = World(client_names="reject").say(HELLO, MAIL, zone=zone)
    assert (b"550 5.7.25" in said) is not named


# -- lists


@pytest.mark.parametrize(
    ("text", "answers", "counts"),
    [
        ("zen.example.org", ["127.0.0.2"], True),
        ("zen.example.org", [], False),
        # A list whose domain somebody else bought answers everything.
        ("zen.example.org", ["203.0.113.9"], False),
        ("zen.example.org", ["127.255.255.254"], False),
        ("zen.example.org=127.0.0.4-11", ["127.0.0.2"], False),
        ("zen.example.org=127.0.0.4-11", ["127.0.0.2", "127.0.0.7"], True),
        ("zen.example.org=127.0.0.2|127.0.0-255.9", ["127.0.77.9"], True),
    ],
)
def test_what_an_answer_of_a_list_means(text: str, answers: list[str], counts: bool) -> None:
    assert blocklists.parse(text).counts(answers) is counts


@given(st.lists(st.text(max_size=30), max_size=5))
def test_no_answer_breaks_anything(answers: list[str]) -> None:
    assert blocklists.parse("zen.example.org").counts(answers) in (True, False)


@pytest.mark.parametrize(
    "text", ["", "zen", "zen.example.org*x", "zen.example.org*0", "a.b=1.2.3", "a.b=*2", "a.b*nan"]
)
def test_a_list_that_cannot_be_read_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ValueError):
        blocklists.parse(text)
    with pytest.raises(ValueError):
        settings(blocklists=(text,))


def test_lists_have_weights_and_the_sum_decides() -> None:
    found = [List("a.test", 2.0), List("b.test", 1.0), List("good.test", -5.0)]
    assert blocklists.standing(found) == Standing(-2.0, ("a.test", "b.test"), ("good.test",))
    assert (
        World(Standing(1.0, ("a.test",)))
        .say(HELLO, MAIL, JONES)
        .endswith(b"550 5.7.1 Your address [8.8.4.4] is listed by a.test\r\n")
    )
    assert World(Standing(0.5, ("a.test",))).say(HELLO, MAIL, JONES).endswith(b"250 2.1.5 Recipient ok\r\n")
    assert (
        World(Standing(-1.0, ("a.test",), ("b.test",))).say(HELLO, MAIL, JONES).endswith(b"Recipient ok\r\n")
    )


@pytest.mark.parametrize("name", ["postmaster", "Abuse"])
def test_whoever_is_refused_can_write_to_the_postmaster(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(ALIASES, f"{name.lower()}@foo.com", ("jones@foo.com",))
    said = World(Standing(9.0, ("a.test",))).say(
        HELLO, MAIL, JONES, b"RCPT TO:<%b@foo.com>\r\n" % name.encode()
    )
    assert said.count(b"is listed by a.test") == 1
    assert said.endswith(b"250 2.1.5 Recipient ok\r\n")


def test_lists_are_asked_once_a_session_and_not_for_our_own() -> None:
    world = World(Standing())
    world.say(HELLO, MAIL, JONES, b"RSET\r\n", MAIL, JONES)
    assert world.lists is not None
    assert world.lists.asked == 1
    world.say(HELLO, MAIL, JONES, client="127.0.0.1")
    assert world.lists.asked == 1


def test_nothing_is_held_against_a_client_for_which_a_list_speaks() -> None:
    world = World(Standing(-1.0, (), ("good.test",)))
    guesses = [b"RCPT TO:<nobody@foo.com>\r\n"] * 20
    for _ in range(5):
        world.say(HELLO, MAIL, *guesses)
    assert world.say(HELLO).startswith(b"220 ")
    nobodys = World(Standing())
    for _ in range(5):
        nobodys.say(HELLO, MAIL, *guesses)
    assert nobodys.say(HELLO).startswith(b"554 5.7.1 Your network is banned")


class Dns:
    """Answers of lists: by name; None is a name that does not exist, an exception is raised."""

    def __init__(self, answers: dict[str, Sequence[str] | Exception | None]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def records(self, name: str, kind: str) -> list[str]:
        self.asked.append(name)
        answer = self.answers.get(name)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            raise NoSuchDomain(name)
        return list(answer)


def test_what_lists_are_asked_and_what_they_say() -> None:
    dns = Dns({"4.4.8.8.a.test": ["127.0.0.2"], "4.4.8.8.good.test": ["127.0.0.1"]})
    lists = [List("a.test"), List("b.test"), List("good.test", -3.0)]
    asker = Blocklists(dns, lists, 1.0, lambda: 0.0)  # type: ignore[arg-type]
    assert asyncio.run(asker.standing(CLIENT)) == Standing(-2.0, ("a.test",), ("good.test",))
    asyncio.run(asker.standing("2606:4700::1"))
    assert dns.asked[-3] == "1." + "0." * 23 + "0.0.7.4.6.0.6.2.a.test"
    # Nobody lists what is not of the world.
    before = len(dns.asked)
    for host in ("10.0.0.1", "192.168.0.1", "fe80::1", "not an address"):
        assert asyncio.run(asker.standing(host)) == Standing()
    assert len(dns.asked) == before


def test_a_list_that_is_dead_is_left_alone_and_tried_again_later() -> None:
    now = [0.0]
    dns = Dns({"4.4.8.8.a.test": DnsUnavailable("silent"), "4.4.8.8.b.test": ["127.255.255.254"]})
    asker = Blocklists(dns, [List("a.test"), List("b.test")], 1.0, lambda: now[0])  # type: ignore[arg-type]
    for _ in range(FAILURES * 3):
        assert asyncio.run(asker.standing(CLIENT)) == Standing()
    assert len(dns.asked) == FAILURES * 2
    now[0] += PAUSE_SECONDS + 1
    dns.answers["4.4.8.8.a.test"] = ["127.0.0.2"]
    assert asyncio.run(asker.standing(CLIENT)).against == ("a.test",)


# -- greylisting


def grey(world: World, *chunks: bytes, **more: Any) -> bytes:
    return world.say(HELLO, MAIL, *(chunks or (JONES,)), policies=Chosen(), **more)


def test_who_is_not_known_is_asked_to_come_again_and_is_known_then_in_every_process() -> None:
    world = World()
    assert grey(world).endswith(b"451 4.7.1 We do not know you yet; try again in 300 seconds\r\n")
    world.wall += 200
    assert grey(world, screens=world.process()).endswith(b"try again in 100 seconds\r\n")
    world.wall += 101
    # From another address of its network, in another process.
    assert b"250 2.1.5" in grey(world, client="8.8.4.99", screens=world.process())
    assert b"250 2.1.5" in grey(world, b"RCPT TO:<brown@foo.com>\r\n", screens=world.process())
    assert b"451 4.7.1" in grey(world, client="8.8.5.1")


def test_who_comes_back_too_late_begins_anew() -> None:
    world = World()
    grey(world)
    world.wall += 86_401
    assert b"451 4.7.1" in grey(world)


def test_only_where_a_tenant_wants_it_and_for_nobody_whom_a_list_knows() -> None:
    world = World()
    assert b"250 2.1.5" in world.say(HELLO, MAIL, JONES)
    assert b"250 2.1.5" in grey(World(Standing(-1.0, (), ("good.test",))))
    assert b"250 2.1.5" in grey(World(), client="127.0.0.1")
    # What is refused anyway is refused, and leaves no trace.
    assert b"550 5.1.1" in grey(world, b"RCPT TO:<nobody@foo.com>\r\n")
    assert not world.seen.kept


def test_another_client_of_a_known_domain_is_let_in_where_spf_speaks_for_it() -> None:
    zone = Zone({"peer.test": {"TXT": "v=spf1 ip4:8.8.0.0/16 -all"}})
    world = World()
    grey(world, zone=zone)
    world.wall += 301
    assert b"250 2.1.5" in grey(world, zone=zone)
    assert b"250 2.1.5" in grey(world, client="8.8.200.1", zone=zone)
    assert b"451 4.7.1" in grey(world, client="9.9.9.9", zone=zone)


def test_the_ledgers_say_nothing_of_who_writes_to_whom() -> None:
    world = World()
    grey(world)
    world.wall += 301
    grey(world)
    kept = {**world.seen.kept, **world.known.kept}
    assert len(kept) == 2
    assert not any(
        word in f"{key} {value!r}" for key, value in kept.items() for word in ("foo", "peer", "8.8")
    )


def test_without_the_ledgers_mail_is_taken() -> None:
    world = World()
    world.seen.away = world.known.away = True
    assert b"250 2.1.5" in grey(world)


@pytest.mark.parametrize("value", [b"x", b"[]", b"null", b"[" * 5000])
def test_an_entry_that_is_none_is_a_first_attempt(value: bytes) -> None:
    world = World()
    grey(world)
    for key in world.seen.kept:
        world.seen.kept[key] = value
    world.wall += 400
    assert b"451 4.7.1" in grey(world)


def test_names_seen_lately_are_bounded() -> None:
    lately = Lately(10.0, names_most=3)
    for number in range(5):
        lately.note(str(number), 0.0)
    assert [lately.has(str(number), 9.0) for number in range(5)] == [False, False, True, True, True]
    assert not lately.has("4", 10.0)
