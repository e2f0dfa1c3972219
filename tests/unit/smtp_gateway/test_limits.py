"""Rates and numbers at once: per client prefix, account and tenant, in virtual time and between processes."""

from typing import Any

import pytest
from directoryclient import Identity
from hypothesis import given
from hypothesis import strategies as st
from mailmodel import AccountRef
from smtp_gateway.core.at_once import AtOnce
from smtp_gateway.core.limits import Bucket, Limited, Limits, Rate, Spent
from smtp_gateway.core.roles import Role
from smtp_gateway.edge.allowance import Allowance, Controls
from smtp_gateway.edge.sharing import Sharing, decode, encode

from tests.support.fake_gateway import converse, settings

HELLO = b"EHLO c.test\r\n"
MAIL = b"MAIL FROM:<x@peer.test>\r\n"
RCPT = b"RCPT TO:<jones@foo.com>\r\n"
LOGIN = b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"
BROWN = b"AUTH PLAIN AGJyb3duQGZvby5jb20AcmlnaHQ=\r\n"
NOBODY_UNLIMITED: dict[str, Any] = {"unlimited_networks": ()}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_lets_its_amount_through_and_fills_up_again() -> None:
    bucket = Bucket(Rate(6, 60.0))
    for _ in range(6):
        assert bucket.has_room("a", 1, 0.0)
        bucket.spend("a", 1, 0.0)
    assert not bucket.has_room("a", 1, 0.0)
    assert bucket.has_room("b", 6, 0.0)
    assert not bucket.has_room("a", 1, 9.9)
    assert bucket.has_room("a", 1, 10.0)
    assert bucket.has_room("a", 6, 60.0)
    assert not bucket.has_room("a", 7, 1e6)


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 4)), max_size=80))
def test_no_more_than_twice_the_amount_in_any_period(uses: list[tuple[float, int]]) -> None:
    bucket, now, let_through = Bucket(Rate(10, 60.0)), 0.0, []
    for pause, amount in uses:
        now += pause
        if bucket.has_room("a", amount, now):
            bucket.spend("a", amount, now)
            let_through.append((now, amount))
    for begin, _ in let_through:
        assert sum(amount for at, amount in let_through if begin <= at < begin + 60.0) <= 20


def test_no_limit_is_no_limit() -> None:
    bucket = Bucket(Rate(0, 60.0))
    bucket.spend("a", 10**9, 0.0)
    assert bucket.has_room("a", 10**9, 0.0)
    at_once = AtOnce(0)
    assert all(at_once.enter("a", 0.0) for _ in range(1000))


def test_a_bucket_is_bounded_and_keeps_those_who_owe() -> None:
    bucket = Bucket(Rate(1, 60.0), keys_most=100)
    for number in range(1000):
        bucket.spend(f"paid{number}", 1, float(number) / 1000)
    assert len(bucket._in_use) <= 100
    bucket.spend("owes", 1, 100.0)
    for number in range(50):
        bucket.spend(f"later{number}", 1, 101.0)
    assert not bucket.has_room("owes", 1, 101.0)


def test_all_or_none_is_taken() -> None:
    limits = Limits({Limited.ACCOUNT_MESSAGES: Rate(2, 60.0), Limited.TENANT_MESSAGES: Rate(3, 60.0)})
    one = [(Limited.ACCOUNT_MESSAGES, "one"), (Limited.TENANT_MESSAGES, "t")]
    two = [(Limited.ACCOUNT_MESSAGES, "two"), (Limited.TENANT_MESSAGES, "t")]
    assert [limits.take(one, 1, 0.0) for _ in range(3)] == [None, None, Limited.ACCOUNT_MESSAGES]
    assert [limits.take(two, 1, 0.0) for _ in range(2)] == [None, Limited.TENANT_MESSAGES]
    # What the tenant's limit refused cost the account nothing.
    assert limits.take([(Limited.ACCOUNT_MESSAGES, "two")], 1, 0.0) is None


def test_what_one_process_lets_through_counts_in_the_others() -> None:
    rates = {Limited.ACCOUNT_MESSAGES: Rate(10, 60.0)}
    told: list[bytes] = []
    clock = Clock()
    here, there = Limits(rates), Limits(rates)
    sharing_here = Sharing(here, lambda _subject, payload: told.append(payload), clock)
    sharing_there = Sharing(there, lambda _subject, payload: told.append(payload), clock)
    key = [(Limited.ACCOUNT_MESSAGES, "a")]
    for _ in range(7):
        assert here.take(key, 1, clock()) is None
    sharing_here.tell()
    sharing_here.tell()
    [payload] = told
    for sharing in (sharing_here, sharing_there):
        sharing.heard("limits.spent", payload)
    assert here.refusing(key, 3, clock()) is None
    assert there.refusing(key, 3, clock()) is None
    assert there.refusing(key, 4, clock()) is Limited.ACCOUNT_MESSAGES
    # What was heard is not told again.
    sharing_there.tell()
    assert len(told) == 1


@given(
    st.lists(
        st.builds(Spent, st.sampled_from(Limited), st.text(max_size=40), st.integers(1, 1000)), max_size=20
    )
)
def test_what_is_told_is_read_back(spent: list[Spent]) -> None:
    assert decode(encode("me", spent)) == ("me", spent)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"[1]",
        b"[[[[",
        b'["x", [[1]]]',
        b'["x", 5]',
        b'["x", [["account_messages", "a", "b"]]]',
        b"\xff",
    ],
)
def test_what_nobody_of_ours_tells_changes_nothing(payload: bytes) -> None:
    limits = Limits({limited: Rate(1, 60.0) for limited in Limited})
    Sharing(limits, lambda _subject, _payload: None, Clock()).heard("limits.spent", payload)
    assert limits.refusing([(Limited.ACCOUNT_MESSAGES, "a")], 1, 1000.0) is None


def test_what_a_newer_process_tells_is_left_out() -> None:
    assert decode(b'["x", [["new_limit", "a", 1], ["account_messages", "a", -5]]]') == (
        "x",
        [Spent(Limited.ACCOUNT_MESSAGES, "a", 0)],
    )


# -- sessions


def test_a_client_that_connects_too_often_is_told_421() -> None:
    clock, configured = Clock(), settings(client_connections_per_minute=2, **NOBODY_UNLIMITED)
    controls = Controls.of(configured)

    def said() -> bytes:
        return converse(Role.MX, [b"QUIT\r\n"], controls=controls, clock=clock)[0]

    assert [said()[:3] for _ in range(3)] == [b"220", b"220", b"421"]
    clock.now += 30
    assert [said()[:3] for _ in range(2)] == [b"220", b"421"]


def test_sessions_at_once_are_counted_by_prefix_and_given_back() -> None:
    configured = settings(
        client_sessions=2, client_prefix_v4_bits=24, client_prefix_v6_bits=64, **NOBODY_UNLIMITED
    )
    controls = Controls.of(configured)
    sessions = [Allowance(controls, configured, Role.MX) for _ in range(5)]
    assert sessions[0].connect("192.0.2.1", 0.0) is None
    assert sessions[1].connect("::ffff:192.0.2.200", 0.0) is None
    refusal = sessions[2].connect("192.0.2.3", 0.0)
    assert refusal is not None
    assert (refusal.code, refusal.enhanced) == (421, "4.7.0")
    assert sessions[2].connect("192.0.3.3", 0.0) is None
    assert sessions[3].connect("2001:db8::1", 0.0) is None
    sessions[0].close()
    sessions[0].close()
    assert sessions[4].connect("192.0.2.4", 0.0) is None


def test_a_session_gives_back_what_it_held_however_it_ends() -> None:
    configured = settings(client_sessions=1, **NOBODY_UNLIMITED)
    controls = Controls.of(configured)
    endings: list[list[bytes]] = [
        [b"QUIT\r\n"],
        [],
        [HELLO, HELLO + b"NOOP\r\n"],
        [b"x" * 5000, b"\r\n"],
        [HELLO, LOGIN],
    ]
    for chunks in endings:
        for role in Role:
            said, _, _ = converse(role, chunks, controls=controls)
            assert said.startswith(b"220 ")


def test_this_machine_is_not_limited_unless_it_speaks_for_another() -> None:
    controls = Controls.of(settings(client_sessions=1, client_connections_per_minute=1))
    for _ in range(5):
        assert converse(Role.MX, [HELLO], controls=controls)[0].startswith(b"220 ")
    preface = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n"
    answers = [
        converse(Role.MX, [preface, HELLO], controls=controls, proxy_networks=("127.0.0.1",))[0][:3]
        for _ in range(2)
    ]
    assert answers == [b"220", b"421"]


def test_xclient_counts_the_client_that_it_names() -> None:
    controls = Controls.of(settings(client_connections_per_minute=1))
    told = b"XCLIENT ADDR=192.0.2.1\r\n"
    said, _, _ = converse(Role.MX, [told, told, HELLO], controls=controls, xclient_networks=("127.0.0.1",))
    assert [line[:3] for line in said.split(b"\r\n")[:-1]] == [b"220", b"220", b"421"]


def test_xclient_gives_back_the_place_of_the_client_before() -> None:
    controls = Controls.of(settings(client_sessions=1, **NOBODY_UNLIMITED))
    told = [b"XCLIENT ADDR=192.0.2.%d\r\n" % number for number in (1, 2, 1, 2)]
    for _ in range(2):
        said, _, _ = converse(
            Role.MX, [*told, HELLO], controls=controls, xclient_networks=("127.0.0.1", "192.0.2.0/24")
        )
        assert said.count(b"220 ") == 5
        assert said.endswith(b"250 HELP\r\n")


def test_messages_and_recipients_of_a_client_are_told_451() -> None:
    limits: dict[str, Any] = {
        "client_messages_per_hour": 3,
        "client_recipients_per_hour": 2,
        **NOBODY_UNLIMITED,
    }
    clock, controls = Clock(), Controls.of(settings(**limits))
    names = RCPT + b"RCPT TO:<nobody@foo.com>\r\nRCPT TO:<brown@foo.com>\r\nRCPT TO:<smith@foo.com>\r\n"
    said, gate, _ = converse(
        Role.MX,
        [HELLO, MAIL + names, b"DATA\r\n", b"S: x\r\n\r\n.\r\n", MAIL, b"RSET\r\n", MAIL, b"RSET\r\n", MAIL],
        controls=controls,
        clock=clock,
    )
    # Who is not there costs nothing of the rate.
    assert said.count(b"250 2.1.5") == 2
    assert said.count(b"451 4.7.1 You name more") == 1
    assert said.count(b"451 4.7.1 You send more") == 1
    assert [len(letter.recipients) for letter in gate.letters] == [2]
    clock.now += 1200
    said, _, _ = converse(Role.MX, [HELLO, MAIL], controls=controls, clock=clock)
    assert b"250 2.1.0" in said


def test_accounts_and_tenants_are_limited_in_layers_wherever_they_come_from() -> None:
    controls = Controls.of(settings(account_messages_per_hour=2, tenant_messages_per_hour=3))

    def sent(login: bytes, sender: bytes) -> list[bytes]:
        mail = b"MAIL FROM:<" + sender + b">\r\n"
        said, _, _ = converse(Role.MSA, [HELLO, login, *[mail, b"RSET\r\n"] * 3], controls=controls)
        return [line[:9] for line in said.split(b"\r\n") if line[:9] in (b"250 2.1.0", b"451 4.7.1")]

    assert sent(LOGIN, b"jones@foo.com") == [b"250 2.1.0", b"250 2.1.0", b"451 4.7.1"]
    assert sent(BROWN, b"brown@foo.com") == [b"250 2.1.0", b"451 4.7.1", b"451 4.7.1"]


@pytest.mark.parametrize(
    "name", ["account_recipients_per_hour", "account_recipients_per_day", "tenant_recipients_per_hour"]
)
def test_recipients_of_a_user(name: str) -> None:
    controls = Controls.of(settings(**{name: 2}))
    names = b"".join(b"RCPT TO:<far%d@elsewhere.test>\r\n" % number for number in range(4))
    said, _, _ = converse(
        Role.MSA, [HELLO, LOGIN, b"MAIL FROM:<jones@foo.com>\r\n" + names], controls=controls
    )
    assert said.count(b"250 2.1.5") == 2
    assert said.count(b"451 4.7.1") == 2


@pytest.mark.parametrize("name", ["account_sessions", "tenant_sessions"])
def test_sessions_of_a_user_at_once(name: str) -> None:
    configured = settings(**{name: 1})
    controls = Controls.of(configured)
    other = Allowance(controls, configured, Role.MSA)
    said, _, _ = converse(Role.MSA, [HELLO, LOGIN], controls=controls)
    assert b"235 2.7.0" in said
    # The session is over; another one holds the place now.
    assert (
        other.log_in(Identity(AccountRef("tenant-foo", "id-jones@foo.com"), "jones@foo.com", "default"), 0.0)
        is None
    )
    said, _, _ = converse(Role.MSA, [HELLO, LOGIN, b"NOOP\r\n"], controls=controls)
    assert said.endswith(b"421 4.7.0 You have too many sessions open; try again later\r\n")
    other.close()
    assert b"235 2.7.0" in converse(Role.MSA, [HELLO, LOGIN], controls=controls)[0]


def test_a_login_takes_one_place_and_a_refused_one_none() -> None:
    configured = settings(account_sessions=1, tenant_sessions=1, **NOBODY_UNLIMITED)
    controls = Controls.of(configured)
    jones, brown = (
        Identity(AccountRef("tenant-foo", f"id-{name}"), f"{name}@foo.com", "default") for name in ("j", "b")
    )
    one, other = (Allowance(controls, configured, Role.MSA) for _ in range(2))
    assert one.log_in(jones, 0.0) is None
    # In the place of the login before.
    assert one.log_in(jones, 0.0) is None
    refusal = other.log_in(brown, 0.0)
    assert refusal is not None
    one.log_out()
    assert other.log_in(brown, 0.0) is None, (
        "the tenant's limit refused it, and the account's counted nothing"
    )
    other.close()


def test_what_others_let_through_beyond_a_limit_is_owed_for_one_more_period_at_most() -> None:
    limits = Limits({Limited.CLIENT_MESSAGES: Rate(6, 60.0)})
    for _ in range(50):
        limits.spent_elsewhere(Spent(Limited.CLIENT_MESSAGES, "a", 6), 0.0)
    assert limits.refusing([(Limited.CLIENT_MESSAGES, "a")], 1, 60.0) is Limited.CLIENT_MESSAGES
    assert limits.take([(Limited.CLIENT_MESSAGES, "a")], 1, 70.0) is None
