"""Limits by sender domain, and numbers at once that processes share: in virtual time, over what they tell each other."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from senderauth.dns import RecordType
from smtp_gateway.core.at_once import HEARD_SECONDS, SAY_AGAIN_SECONDS, AtOnce, Held, Together
from smtp_gateway.core.budget import Budget
from smtp_gateway.core.limits import Limited, Limits, Rate, Spent
from smtp_gateway.core.roles import Role
from smtp_gateway.edge.allowance import Allowance, Controls
from smtp_gateway.edge.sharing import Sharing, decode, encode

from tests.support import fake_gateway
from tests.support.fake_gateway import FakeGate, converse, settings
from tests.support.zone import Zone

HELLO = b"EHLO c.test\r\n"
RCPT = b"RCPT TO:<jones@foo.com>\r\n"
LOGIN = b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"
HERE, THERE = "192.0.2.1", "198.51.100.1"
ALL_COUNT: dict[str, Any] = {"unlimited_networks": ()}


def mail(sender: bytes) -> bytes:
    return b"RSET\r\nMAIL FROM:<" + sender + b">\r\n"


def answers(said: bytes, command: bytes = b"2.1.0") -> list[bytes]:
    """The codes of the answers to MAIL."""
    return [line[:3] for line in said.split(b"\r\n") if line[4:9] in (command, b"4.7.1")]


def say(controls: Controls, *chunks: bytes, client: str = HERE, **more: Any) -> bytes:
    return converse(Role.MX, [HELLO, *chunks], controls=controls, client=client, **more)[0]


def test_messages_in_the_name_of_a_domain_are_limited_wherever_they_come_from() -> None:
    controls = Controls.of(settings(domain_messages_per_hour=2))
    assert answers(say(controls, mail(b"a@peer.test"), mail(b"b@PEER.test"))) == [b"250", b"250"]
    said = say(controls, mail(b"c@peer.test"), mail(b"c@other.test"), mail(b""), client=THERE)
    assert answers(said) == [b"451", b"250", b"250"]
    assert b"451 4.7.1 Too much mail comes in the name of this domain; try again later\r\n" in said


def test_recipients_in_the_name_of_a_domain_are_limited() -> None:
    controls = Controls.of(settings(domain_recipients_per_hour=2))
    names = RCPT + b"RCPT TO:<nobody@foo.com>\r\nRCPT TO:<brown@foo.com>\r\nRCPT TO:<smith@foo.com>\r\n"
    said = say(controls, mail(b"a@peer.test") + names)
    # Who is not there costs nothing.
    assert said.count(b"250 2.1.5") == 2
    assert said.count(b"451 4.7.1 Too much mail") == 1
    assert said.count(b"550 5.1.1") == 1


def test_who_forges_a_domain_takes_nothing_from_those_whom_its_owner_names() -> None:
    zone = Zone({"peer.test": {"TXT": f"v=spf1 ip4:{HERE} -all"}})
    controls = Controls.of(settings(domain_messages_per_hour=3))

    def sent(client: str) -> list[bytes]:
        return answers(say(controls, *[mail(b"a@peer.test")] * 5, client=client, zone=zone))

    assert sent(THERE) == [b"250", b"250", b"250", b"451", b"451"]
    assert sent(HERE) == [b"250", b"250", b"250", b"451", b"451"]


def test_below_the_limit_nobody_is_asked() -> None:
    class Untouched(Zone):
        async def __call__(self, name: str, record_type: RecordType, /) -> Any:
            raise AssertionError(f"asked for {name}")

    controls = Controls.of(settings(domain_messages_per_hour=3))
    said = say(controls, *[mail(b"a@peer.test")] * 3, zone=Untouched({}))
    assert answers(said) == [b"250"] * 3


def test_users_are_limited_in_the_name_of_their_domain_and_apart_from_strangers() -> None:
    controls = Controls.of(settings(domain_messages_per_hour=2))
    assert answers(say(controls, *[mail(b"x@foo.com")] * 3)) == [b"250", b"250", b"451"]
    said, _, _ = converse(Role.MSA, [HELLO, LOGIN, *[mail(b"jones@foo.com")] * 3], controls=controls)
    assert answers(said) == [b"250", b"250", b"451"]


def test_this_machine_and_lmtp_are_not_limited() -> None:
    controls = Controls.of(settings(domain_messages_per_hour=1))
    assert answers(say(controls, *[mail(b"a@peer.test")] * 3, client="127.0.0.1")) == [b"250"] * 3


@pytest.mark.parametrize(
    "ending",
    [
        [],
        [RCPT, b"DATA\r\n", b"From: a@peer.test\r\n\r\nx\r\n.\r\n"],
        [RCPT, b"DATA\r\n", b"From: a@peer.test\r\n\r\nbare\nline\r\n.\r\n"],
        [RCPT, b"BDAT 5 LAST\r\nhello"],
        [b"RSET\r\n"],
        [b"QUIT\r\n"],
        [b"RSET\r\nMAIL FROM:<b@peer.test>\r\n"],
    ],
)
def test_a_message_gives_back_its_place_however_it_ends(ending: list[bytes]) -> None:
    controls = Controls.of(settings(domain_transactions=1))
    for _ in range(2):
        said = say(controls, mail(b"a@peer.test"), *ending)
        assert b"451 4.7.1 Too much" not in said
        assert b"250 2.1.0" in said


def test_messages_of_a_domain_at_once() -> None:
    configured = settings(domain_transactions=2)
    controls = Controls.of(configured)
    transactions = controls.at_once[Together.DOMAIN_TRANSACTIONS]
    assert transactions.enter("peer.test", 0.0)
    assert transactions.enter("peer.test", 0.0)
    said = say(controls, mail(b"a@peer.test"), mail(b"a@other.test"), clock=lambda: 0.0)
    assert answers(said) == [b"451", b"250"]
    transactions.leave("peer.test")
    assert answers(say(controls, mail(b"a@peer.test"), clock=lambda: 0.0)) == [b"250"]


@pytest.mark.parametrize(
    "ending", [b"RSET\r\n", b"EHLO again.test\r\n", b"RSET\r\nMAIL FROM:<a@peer.test> MT-PRIORITY=99\r\n"]
)
def test_a_message_that_comes_to_nothing_leaves_nothing_taken_while_its_session_goes_on(
    ending: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    controls = Controls.of(settings(domain_transactions=1))
    transactions = controls.at_once[Together.DOMAIN_TRANSACTIONS]
    budgets: list[Budget] = []
    # Before each chunk: octets that are taken, and whether there is a place.
    seen: list[tuple[int, bool]] = []

    class Noted(Budget):
        def __init__(self, octets: int) -> None:
            super().__init__(octets)
            budgets.append(self)

    class Watched(fake_gateway.FakeConnection):
        async def read(self, timeout_seconds: float | None = None) -> bytes:
            if is_free := transactions.enter("peer.test", 0.0):
                transactions.leave("peer.test")
            seen.append((budgets[0].taken, is_free))
            return await super().read(timeout_seconds)

    monkeypatch.setattr(fake_gateway, "Budget", Noted)
    monkeypatch.setattr(fake_gateway, "FakeConnection", Watched)
    body = [b"x" * 3000] * 3
    say(controls, mail(b"a@peer.test") + RCPT, b"BDAT 9000\r\n", *body, ending, b"NOOP\r\n")
    before, behind = seen[:-2], seen[-2:]
    assert before[-1][0] >= 6000
    assert not before[-1][1]
    assert behind == [(0, True), (0, True)]


# -- shared


class Process:
    """One gateway: what it tells is heard by all in `bus`, itself among them."""

    def __init__(self, bus: "list[Process]", now: list[float], **values: Any) -> None:
        self.settings = settings(**ALL_COUNT, **values)
        self.controls = Controls.of(self.settings)
        self._bus, self._now = bus, now
        self.sharing = Sharing(self.controls.limits, self._tell, lambda: now[0], self.controls.at_once)
        bus.append(self)

    def _tell(self, subject: str, payload: bytes) -> None:
        for each in self._bus:
            each.sharing.heard(subject, payload)

    def session(self, host: str) -> Allowance | None:
        """One more of this client, or None."""
        allowance = Allowance(self.controls, self.settings, Role.MX)
        return allowance if allowance.connect(host, self._now[0]) is None else None


def test_sessions_at_once_are_counted_over_all_processes() -> None:
    bus: list[Process] = []
    now = [1000.0]
    one, two = Process(bus, now, client_sessions=3), Process(bus, now, client_sessions=3)
    held = [one.session(HERE), one.session(HERE)]
    assert None not in held
    one.sharing.tell()
    assert two.session(HERE) is not None
    assert two.session(HERE) is None
    assert two.session(THERE) is not None
    two.sharing.tell()
    assert one.session(HERE) is None
    for allowance in held:
        assert allowance is not None
        allowance.close()
    one.sharing.tell()
    assert two.session(HERE) is not None


def test_a_process_that_died_is_forgotten_and_one_that_lives_is_not() -> None:
    bus: list[Process] = []
    now = [1000.0]
    one, two = Process(bus, now, client_sessions=1), Process(bus, now, client_sessions=1)
    assert one.session(HERE) is not None
    for _ in range(100):
        one.sharing.tell()
        assert two.session(HERE) is None
        now[0] += 1
    # It says nothing any more.
    now[0] += HEARD_SECONDS - SAY_AGAIN_SECONDS - 2
    assert two.session(HERE) is None
    now[0] += SAY_AGAIN_SECONDS + 2
    assert two.session(HERE) is not None


def test_a_process_that_ends_takes_its_sessions_with_it() -> None:
    bus: list[Process] = []
    now = [1000.0]
    one, two = Process(bus, now, client_sessions=1), Process(bus, now, client_sessions=1)
    held = one.session(HERE)
    assert held is not None
    one.sharing.tell()
    assert two.session(HERE) is None
    held.close()
    asyncio.run(one.sharing.close())
    assert two.session(HERE) is not None


def test_a_domain_is_limited_over_all_processes() -> None:
    bus: list[Process] = []
    now = [1000.0]
    one, two = Process(bus, now, domain_messages_per_hour=3), Process(bus, now, domain_messages_per_hour=3)
    said = say(one.controls, *[mail(b"a@peer.test")] * 2, clock=lambda: now[0])
    assert answers(said) == [b"250", b"250"]
    one.sharing.tell()
    said = say(two.controls, *[mail(b"a@peer.test")] * 2, client=THERE, clock=lambda: now[0])
    assert answers(said) == [b"250", b"451"]


def test_those_who_have_few_are_not_told_of() -> None:
    at_once = AtOnce(80)
    for _ in range(9):
        at_once.enter("few", 0.0)
    assert at_once.untold(1.0) == []
    at_once.enter("few", 1.0)
    assert at_once.untold(2.0) == [("few", 10)]
    assert at_once.untold(3.0) == []
    assert at_once.untold(2.0 + SAY_AGAIN_SECONDS) == [("few", 10)]
    at_once.leave("few")
    assert at_once.untold(13.0) == [("few", 0)]
    assert at_once.untold(60.0) == []


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.integers(0, 3), st.integers(0, 20)),
        max_size=60,
    )
)
def test_what_others_have_is_what_each_said_last_and_lately(said: list[tuple[str, str, int, int]]) -> None:
    at_once = AtOnce(1000)
    last: dict[tuple[str, str], tuple[int, float]] = {}
    now = 0.0
    for key, teller, count, pause in said:
        now += pause
        at_once.heard(teller, key, count, now)
        last[teller, key] = (count, now)
        for each in "ab":
            expected = sum(
                number
                for (_, name), (number, at) in last.items()
                if name == each and now - at < HEARD_SECONDS
            )
            assert at_once.elsewhere(each, now) == expected


def test_what_is_heard_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtp_gateway.core.at_once.KEYS_MOST", 50)
    at_once = AtOnce(10)
    for number in range(500):
        at_once.heard("other", f"k{number}", 5, 0.0)
    assert len(at_once._elsewhere) <= 50


def test_what_is_told_is_read_back_and_left_out_where_nothing_is_counted_at_once() -> None:
    told: list[Spent | Held] = [
        Held(Together.CLIENT_SESSIONS, "k", 4),
        Spent(Limited.DOMAIN_MESSAGES, "peer.test", 1),
    ]
    payload = encode("me", told)
    assert decode(payload) == ("me", told)
    limits = Limits({Limited.DOMAIN_MESSAGES: Rate(1, 60.0)})
    Sharing(limits, lambda _subject, _payload: None, lambda: 0.0).heard("limits.spent", payload)
    assert limits.refusing([(Limited.DOMAIN_MESSAGES, "peer.test")], 1, 0.0) is Limited.DOMAIN_MESSAGES


def test_nothing_of_a_domain_keeps_a_message_that_was_begun() -> None:
    gate = FakeGate()
    controls = Controls.of(settings(domain_messages_per_hour=1, domain_transactions=1))
    content = b"From: a@peer.test\r\n\r\nx\r\n.\r\n"
    say(controls, mail(b"a@peer.test"), RCPT, b"DATA\r\n", content, gate=gate)
    assert len(gate.letters) == 1


def test_a_message_refused_for_its_domains_rate_keeps_no_place_among_those_at_once() -> None:
    controls = Controls.of(settings(domain_messages_per_hour=1, domain_transactions=2))
    said = say(controls, *[mail(b"a@peer.test")] * 9)
    assert answers(said) == [b"250"] + [b"451"] * 8
    at_once = controls.at_once[Together.DOMAIN_TRANSACTIONS]
    assert all(at_once.enter("peer.test", 0.0) for _ in range(2))
