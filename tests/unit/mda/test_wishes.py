"""What an account wishes without a script: said in Sieve, after its script, and heard only where the mail stays."""

from datetime import UTC, datetime, timedelta

import pytest
from directoryclient.policies import AccountSettings
from mda.core.wishes import NAME, NOTHING_SAID, Wishes, are_heard, joined, wishes_of, without_strangers
from sieve import Received, Situation, Stage, compile_script, run_chain
from sieve.actions import (
    Action,
    Discard,
    FileInto,
    Keep,
    NotSent,
    Outcome,
    Redirect,
    Refusal,
    Reject,
    Target,
    Vacation,
)
from sieve.errors import Place
from sieve.offered import OFFERED

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HEADER = b"From: bob@b.test\r\nTo: alice@a.test\r\nSubject: hello\r\nMessage-ID: <1@b.test>\r\n\r\n"
AWAY = AccountSettings(vacation=True, vacation_text="I am away.")


def outcome(*actions: Action) -> Outcome:
    return Outcome(actions, (), (), None, 0)


def wished(
    chosen: AccountSettings, header: bytes = HEADER, sender: str = "bob@b.test", now: datetime = NOW
) -> Outcome:
    """What the wishes alone ask for."""
    wishes = wishes_of(chosen, now)
    assert wishes is not None
    program = compile_script(wishes.script, available=OFFERED)
    situation = Situation(
        reverse_path=sender,
        forward_path="alice@a.test",
        own_addresses=frozenset({"alice@a.test"}),
        now=now,
        environment={},
    )
    return run_chain([Stage(NAME, program)], Received(header, None, len(header)), situation)


def answers(found: Outcome) -> list[Vacation]:
    return [action for action in found.actions if isinstance(action, Vacation)]


def redirects(found: Outcome) -> list[str]:
    return [action.address for action in found.actions if isinstance(action, Redirect)]


def test_who_wishes_nothing_pays_nothing() -> None:
    assert wishes_of(AccountSettings(), NOW) is None
    assert wishes_of(AccountSettings(vacation_text="x", forward_without_copy=True), NOW) is None
    assert wishes_of(AccountSettings(vacation=True, vacation_text=" \r\n"), NOW) is None


def test_whatever_is_typed_stays_text() -> None:
    nasty = 'a "quoted" \\ thing";\r\ndiscard;\nredirect "x@y.test";\rü\r\n.\r\nend'
    chosen = AccountSettings(vacation=True, vacation_text=nasty, vacation_subject='"; stop; #')
    [answer] = answers(wished(chosen))
    lines = nasty.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    assert (answer.content, answer.subject) == (lines.encode(), '"; stop; #')
    assert redirects(wished(chosen)) == []


@pytest.mark.parametrize(
    ("begins", "ends", "is_answered"),
    [
        ("", "", True),
        ("2026-11-21T12:00:00Z", "", True),
        ("2026-11-21T12:00:01Z", "", False),
        ("2026-11-21T13:00:00+01:00", "2026-11-21T12:00:01Z", True),
        ("", "2026-11-21T12:00:00Z", False),
        ("", "2026-11-21T07:00:00-05:00", False),
    ],
)
def test_only_between_the_two_instants(begins: str, ends: str, is_answered: bool) -> None:
    chosen = AccountSettings(
        vacation=True, vacation_text="away", vacation_from=begins, vacation_until=ends, vacation_days=3
    )
    wishes = wishes_of(chosen, NOW)
    assert (wishes is not None) is is_answered
    if wishes is not None:
        [answer] = answers(wished(chosen))
        assert answer.interval_seconds == 3 * 86_400


@pytest.mark.parametrize(
    ("header", "sender"),
    [
        (HEADER, ""),
        (HEADER, "mailer-daemon@b.test"),
        (HEADER, "alice@a.test"),
        (HEADER.replace(b"alice@", b"somebody@"), "bob@b.test"),
        (b"Auto-Submitted: auto-replied\r\n" + HEADER, "bob@b.test"),
        (b"List-Id: <x.b.test>\r\n" + HEADER, "bob@b.test"),
        (b"Precedence: bulk\r\n" + HEADER, "bob@b.test"),
    ],
)
def test_who_is_not_answered(header: bytes, sender: str) -> None:
    found = wished(AWAY, header, sender)
    assert answers(found) == []
    assert any(isinstance(action, NotSent) for action in found.actions)


def test_further_addresses_are_answered_too() -> None:
    header = HEADER.replace(b"alice@a.test", b"sales@a.test")
    assert answers(wished(AWAY, header)) == []
    chosen = AccountSettings(vacation=True, vacation_text="away", vacation_addresses=("sales@a.test",))
    assert len(answers(wished(chosen, header))) == 1


FORWARD = AccountSettings(forward_to=("one@c.test", "two@d.test"))
TO_ONE = Redirect(Place(1), "One@c.test")
FILED = FileInto(Place(1), Target("Work"))
REFUSED = Reject(Place(1), Refusal.REJECT, "no")
ANSWERED = Vacation(Place(1), "bob@b.test", "h", 1, "s", None, b"", False, "", "")


@pytest.mark.parametrize(
    ("actions", "is_heard"),
    [
        ((Keep(Place(0)),), True),
        ((FILED,), True),
        ((TO_ONE,), True),
        ((Discard(Place(1)),), False),
        ((REFUSED,), False),
        ((), False),
        ((Discard(Place(1)), FILED), True),
    ],
)
def test_what_was_discarded_or_refused_goes_nowhere(actions: tuple[Action, ...], is_heard: bool) -> None:
    assert are_heard(outcome(*actions)) is is_heard


def test_what_a_script_said_comes_first_and_is_not_said_twice() -> None:
    both = AccountSettings(forward_to=("one@c.test", "two@d.test"), vacation=True, vacation_text="away")
    more = wished(both)
    assert redirects(more) == ["one@c.test", "two@d.test"]
    found = joined(outcome(Keep(Place(0)), TO_ONE, ANSWERED), more, keeps_copy=True)
    assert redirects(found) == ["One@c.test", "two@d.test"]
    assert answers(found) == [ANSWERED]
    assert any(isinstance(action, Keep) for action in found.actions)


def test_without_a_copy_only_what_nobody_asked_for_goes() -> None:
    more, implicit, explicit = wished(FORWARD), Keep(Place(0)), Keep(Place(3))
    assert not any(isinstance(each, Keep) for each in joined(NOTHING_SAID, more, keeps_copy=False).actions)
    assert implicit in joined(NOTHING_SAID, more, keeps_copy=True).actions
    assert explicit in joined(outcome(explicit), more, keeps_copy=False).actions
    assert FILED in joined(outcome(FILED), more, keeps_copy=False).actions


def test_what_would_go_nowhere_stays_here() -> None:
    more = without_strangers(wished(FORWARD), ())
    assert joined(NOTHING_SAID, more, keeps_copy=False).actions == NOTHING_SAID.actions
    one = without_strangers(wished(FORWARD), ("two@d.test",))
    assert redirects(joined(NOTHING_SAID, one, keeps_copy=False)) == ["two@d.test"]


def test_a_copy_is_kept_unless_all_goes_on() -> None:
    chosen = AccountSettings(forward_to=("one@c.test",), forward_without_copy=True)
    assert wishes_of(chosen, NOW) == Wishes(
        b'require ["copy", "vacation"];\r\nredirect :copy "one@c.test";\r\n', keeps_copy=False
    )
    # Without anywhere to go to there is nothing to be without a copy of.
    away = AccountSettings(vacation=True, vacation_text="away", forward_without_copy=True)
    wishes = wishes_of(away, NOW)
    assert wishes is not None
    assert wishes.keeps_copy
    assert wishes_of(away, NOW + timedelta(days=400)) == wishes
