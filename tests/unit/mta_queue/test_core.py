"""When to try again, where never to connect, what a notice is called: in virtual time."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from mailproto.smtp.reply import Reply
from mta_queue.core.destinations import domain_of, literal_of
from mta_queue.core.outcome import Outcome, Verdict, expired, judge, outcomes
from mta_queue.core.schedule import JITTER, Schedule
from mta_queue.core.split import by_domain
from mta_queue.edge.notices import notice_queue_id
from servicekit.addresses import is_public

START = datetime(2026, 11, 21, tzinfo=UTC)
DAYS = Schedule(300.0, 3600.0, 432_000.0)


@pytest.mark.parametrize("seed", range(20))
def test_five_days_of_retries(seed: int) -> None:
    chance = random.Random(seed)
    expires_at = DAYS.expires_at(START)
    now, attempts, waits = START, 1, []
    while (following := DAYS.next_attempt(attempts, now, expires_at, chance)) is not None:
        waits.append((following - now).total_seconds())
        now, attempts = following, attempts + 1
    assert now == expires_at, "the last attempt is made at the very end"
    assert 300 * (1 - JITTER) <= waits[0] <= 300 * (1 + JITTER)
    assert all(wait <= 3600 * (1 + JITTER) for wait in waits)
    assert 100 <= attempts <= 160
    assert DAYS.next_attempt(attempts, now + timedelta(seconds=1), expires_at, chance) is None


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (250, Verdict.DELIVERED),
        (251, Verdict.DELIVERED),
        (421, Verdict.DEFERRED),
        (450, Verdict.DEFERRED),
        (550, Verdict.FAILED),
        (354, Verdict.DEFERRED),
    ],
)
def test_what_a_reply_means(code: int, verdict: Verdict) -> None:
    assert judge(Reply.of(code, "", "x")) is verdict


def test_of_a_long_reply_the_beginning_is_kept() -> None:
    reply = Reply(550, "5.1.1", ("x" * 2000,) * 128)
    [outcome] = outcomes(("a@b.test",), (reply,), "mx")
    assert outcome.verdict is Verdict.FAILED
    assert (outcome.reply.enhanced, len(outcome.diagnostic)) == ("5.1.1", len("550 5.1.1 ") + 1000)


def test_a_recipient_that_expired_says_why() -> None:
    last = Outcome("a@b.test", Verdict.DEFERRED, Reply.of(450, "4.2.1", "mailbox busy"), "mx.b.test")
    final = expired(last)
    assert (final.verdict, final.status) == (Verdict.FAILED, "5.4.7")
    assert final.diagnostic == "450 mailbox busy"


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.1.1",
        "::1",
        "fe80::1",
        "fc00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "100.64.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:0:7f00:1::",
        "::7f00:1",
        "fec0::1",
        "192.0.0.8",
        "fe80::1%eth0",
        "2001:db8::1",
        "3fff::1",
        "127.1",
        "0x7f000001",
        "nonsense",
    ],
)
def test_an_mx_does_not_lead_inside(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2001:4860:4860::8888", "64:ff9b::8.8.8.8", "2002:808:808::1"]
)
def test_public_addresses_are_connected_to(address: str) -> None:
    assert is_public(address)


def test_recipients_are_split_by_domain_once_each() -> None:
    assert by_domain(["a@X.test", "b@x.test", "c@y.test", "a@X.test"]) == {
        "x.test": ("a@X.test", "b@x.test"),
        "y.test": ("c@y.test",),
    }
    assert domain_of('"a@b"@C.test') == "c.test"
    assert literal_of("[IPv6:::1]") == "::1"
    assert literal_of("[192.0.2.1]") == "192.0.2.1"
    assert literal_of("x.test") is None


def test_a_notice_made_twice_has_the_same_queue_id() -> None:
    one = notice_queue_id("01J00000000000000000000000", ("a@x", "b@x"))
    assert one == notice_queue_id("01J00000000000000000000000", ("b@x", "a@x"))
    assert one != notice_queue_id("01J00000000000000000000000", ("a@x",))
    assert len(one) == 26
