"""What the sender wants of a message's travel, in the queue: when it ends, when it is told, who gets it instead."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from mailproto.smtp.client import Passed
from mailproto.smtp.dsn_request import Notify, RecipientRequest
from mailproto.smtp.reply import Reply
from mailproto.smtp.wishes import ByMode, DeliverBy, Relayed, Wishes
from mta_queue.core.limits import limits_of
from mta_queue.core.outcome import Verdict, is_to_be_told, outcomes, relayed_of, wants_delay
from mta_queue.core.schedule import Schedule
from mta_queue.edge.releasing import Releasing
from spool import Envelope, EnvelopeRecipient, SpooledLetter, SpoolUnavailable

from tests.support.queued import letter

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SCHEDULE = Schedule(300.0, 3600.0, 432_000.0, warn_seconds=14_400.0)


def envelope_of(wishes: Wishes) -> Envelope:
    return replace(letter("a@b.test")[0].envelope, arrived_at=NOW, wishes=wishes)


def test_who_waits_for_a_release_is_not_late() -> None:
    limits = limits_of(SCHEDULE, envelope_of(Wishes(release_at=NOW + 240 * HOUR)))
    assert limits.expires_at == NOW + 240 * HOUR + timedelta(days=5)
    assert limits.warn_at == NOW + 244 * HOUR
    assert limits_of(SCHEDULE, envelope_of(Wishes(release_at=NOW - HOUR))).warn_at == NOW + 4 * HOUR


def test_the_senders_limit_comes_before_the_schedules() -> None:
    soon, far = DeliverBy(NOW + HOUR, ByMode.RETURN), DeliverBy(NOW + 1000 * HOUR, ByMode.RETURN)
    limits = limits_of(SCHEDULE, envelope_of(Wishes(deliver_by=soon)))
    assert (limits.expires_at, limits.warn_at) == (NOW + HOUR, None)
    assert limits_of(SCHEDULE, envelope_of(Wishes(deliver_by=far))).expires_at == NOW + timedelta(days=5)
    told = limits_of(SCHEDULE, envelope_of(Wishes(deliver_by=DeliverBy(NOW + HOUR, ByMode.NOTIFY))))
    assert (told.expires_at, told.warn_at) == (NOW + timedelta(days=5), NOW + HOUR)


def test_who_set_a_time_is_told_of_the_delay_unless_never() -> None:
    by = DeliverBy(NOW, ByMode.NOTIFY)
    assert wants_delay(RecipientRequest(Notify.FAILURE), by)
    assert not wants_delay(RecipientRequest(Notify.NEVER), by)
    assert not wants_delay(RecipientRequest(Notify.FAILURE), None)


@pytest.mark.parametrize(
    ("by", "passed", "relayed"),
    [
        (None, Passed.NOT_ON, Relayed.UNTOLD),
        (DeliverBy(NOW, ByMode.NOTIFY), Passed.ON, Relayed.UNTOLD),
        (DeliverBy(NOW, ByMode.NOTIFY), Passed.NOT_ON, Relayed.TOLD),
        (DeliverBy(NOW, ByMode.RETURN), Passed.ON, Relayed.UNTOLD),
        (DeliverBy(NOW, ByMode.RETURN, Relayed.TOLD), Passed.ON, Relayed.TOLD),
    ],
)
def test_of_which_relays_the_sender_is_told(by: DeliverBy | None, passed: Passed, relayed: Relayed) -> None:
    assert relayed_of(by, passed) is relayed
    [outcome] = outcomes(("a@b.test",), (Reply.of(250, "2.0.0", "ok"),), "mx", Passed.ON, relayed)
    assert is_to_be_told(outcome, RecipientRequest()) is (relayed is Relayed.TOLD)
    assert not is_to_be_told(outcome, RecipientRequest(Notify.NEVER))


class Mailboxes:
    def __init__(self) -> None:
        self.got: list[tuple[str, ...]] = []
        self.away = False

    async def release(self, letter: SpooledLetter, addresses: Sequence[str]) -> None:
        if self.away:
            raise SpoolUnavailable("away")
        self.got.append(tuple(addresses))


def waiting(*local: str, remote: tuple[str, ...] = (), wishes: Wishes) -> SpooledLetter:
    spooled, _ = letter("x@y.test")
    recipients = tuple(EnvelopeRecipient(each, each, "account") for each in local)
    recipients += tuple(EnvelopeRecipient(each, each, None) for each in remote)
    return replace(spooled, envelope=replace(spooled.envelope, recipients=recipients, wishes=wishes))


async def test_what_was_held_for_somebody_here_goes_to_the_mda_and_is_settled_there() -> None:
    mailboxes = Mailboxes()
    held = waiting("a@ours.test", "b@ours.test", wishes=Wishes(release_at=NOW))
    delivery = await Releasing(mailboxes).instead(held, "ours.test", ("a@ours.test", "b@ours.test"))
    assert delivery is not None
    assert mailboxes.got == [("a@ours.test", "b@ours.test")]
    assert delivery.outcomes == [], "a respool looks for it in the mailboxes"
    assert [each.delivered for each in delivery.attempts] == [2]


async def test_it_waits_while_it_cannot_be_given_to_the_mda() -> None:
    mailboxes = Mailboxes()
    mailboxes.away = True
    held = waiting("a@ours.test", remote=("c@ours.test",), wishes=Wishes(release_at=NOW))
    delivery = await Releasing(mailboxes).instead(held, "ours.test", ("a@ours.test", "c@ours.test"))
    assert delivery is not None
    assert [(each.address, each.verdict) for each in delivery.outcomes] == [
        ("a@ours.test", Verdict.DEFERRED),
        ("c@ours.test", Verdict.DEFERRED),
    ]


async def test_what_goes_elsewhere_is_sent_and_what_comes_too_late_is_not() -> None:
    releasing = Releasing(Mailboxes())
    for wishes in (Wishes(), Wishes(release_at=NOW), Wishes(deliver_by=DeliverBy(NOW, ByMode.NOTIFY))):
        held = waiting(remote=("a@far.test",), wishes=wishes)
        assert await releasing.instead(held, "far.test", ("a@far.test",)) is None
    late = waiting(remote=("a@far.test",), wishes=Wishes(deliver_by=DeliverBy(NOW - HOUR, ByMode.RETURN)))
    late = replace(late, envelope=replace(late.envelope, arrived_at=NOW - 2 * HOUR))
    delivery = await releasing.instead(late, "far.test", ("a@far.test",))
    assert delivery is not None
    assert [(each.verdict, each.status) for each in delivery.outcomes] == [(Verdict.FAILED, "5.4.7")]
