"""What a script's outcome means for one delivery."""

from datetime import UTC, datetime

import pytest
from blobstore import BodyReference
from mailmodel import AccountRef, Flags, SystemFlag
from mailmsg.facts import examine
from mailstore import Delivery, NewMessage
from mda.core.sieving import carry_out, environment, memory_handle, sent_queue_id, was_redirected_by
from sieve.actions import Action, Discard, FileInto, Keep, Redirect, Refusal, Reject, Target
from sieve.errors import Place
from spool import Source

CONTENT = b"Subject: x\r\n\r\nbody\r\n"
HERE = Place(1)
MAILBOXES = {Target("Archive"): "Archive", Target("Inbox"): "INBOX", Target("Gone"): None}


def delivery(mailbox: str = "INBOX") -> Delivery:
    new = NewMessage(
        body=BodyReference("mail/x", 0, len(CONTENT), b"d"),
        prefix=b"",
        facts=examine(CONTENT),
        internal_date=datetime.now(UTC),
        flags=Flags(),
    )
    return Delivery(AccountRef("t", "a"), "QID", "a@b.test", mailbox, new)


def filed(*actions: Action, mailbox: str = "INBOX", is_looping: bool = False) -> list[tuple[str, str, bool]]:
    plan = carry_out(delivery(mailbox), actions, (), MAILBOXES.get, is_looping=is_looping)
    return [(each.recipient, each.mailbox_name, each.new is not None) for each in plan.deliveries]


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ((Keep(HERE),), [("a@b.test", "INBOX", True)]),
        ((FileInto(HERE, Target("Archive")),), [("a@b.test", "Archive", True)]),
        ((FileInto(HERE, Target("Gone")),), [("a@b.test", "INBOX", True)]),
        ((Keep(HERE), FileInto(HERE, Target("Inbox"))), [("a@b.test", "INBOX", True)]),
        (
            (FileInto(HERE, Target("Archive")), Keep(HERE)),
            [("a@b.test", "Archive", True), ("a@b.test INBOX", "INBOX", True)],
        ),
        ((Discard(HERE),), [("a@b.test", "INBOX", False)]),
        ((Redirect(HERE, "c@d.test"),), [("a@b.test", "INBOX", False)]),
        ((Reject(HERE, Refusal.REJECT, "no"),), [("a@b.test", "INBOX", False)]),
        ((), [("a@b.test", "INBOX", False)]),
    ],
)
def test_where_it_is_filed(actions: tuple[Action, ...], expected: list[tuple[str, str, bool]]) -> None:
    assert filed(*actions) == expected


def test_what_is_kept_goes_where_it_would_go_without_a_script() -> None:
    assert filed(Keep(HERE), mailbox="Junk") == [("a@b.test", "Junk", True)]


def test_a_loop_ends_in_the_inbox_and_sends_nothing() -> None:
    plan = carry_out(delivery(), (Redirect(HERE, "c@d.test"),), (), MAILBOXES.get, is_looping=True)
    assert plan.sendings == []
    assert [(each.mailbox_name, each.new is not None) for each in plan.deliveries] == [("INBOX", True)]


def test_flags_of_all_ways_to_a_mailbox_come_together() -> None:
    actions = (Keep(HERE, ("\\Seen", "one")), FileInto(HERE, Target("Inbox"), ("\\Flagged", "two")))
    [made] = carry_out(delivery(), actions, (), MAILBOXES.get, is_looping=False).deliveries
    assert made.new is not None
    assert made.new.flags == Flags(SystemFlag.SEEN | SystemFlag.FLAGGED, frozenset({"one", "two"}))


def test_the_same_action_has_the_same_queue_id_and_another_has_not() -> None:
    ids = [
        sent_queue_id(queue_id, recipient, Redirect(Place(line), address))
        for queue_id in ("01M7YFFCHE4AWFG8RNHD17JKH3", "01M7YFFCHE4AWFG8RNHD17JKH4")
        for recipient in ("a@b.test", "b@b.test")
        for line in (1, 2)
        for address in ("c@d.test", "e@f.test")
    ]
    assert len(set(ids)) == len(ids) == 16
    assert all(len(each) == 26 and each.startswith("01M7YFFCHE") for each in ids)
    again = sent_queue_id("01M7YFFCHE4AWFG8RNHD17JKH3", "a@b.test", Redirect(Place(1), "c@d.test"))
    assert again == ids[0]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Delivered-To: a@b.test\r\n", True),
        (b"X: y\r\ndelivered-to:  A@B.TEST \r\n", True),
        (b"Delivered-To: c@b.test\r\n", False),
        (b"Subject: Delivered-To: a@b.test\r\n", False),
        (b"", False),
    ],
)
def test_who_has_seen_the_message(header: bytes, expected: bool) -> None:
    assert was_redirected_by(header, "a@b.test") is expected


def test_handles_cannot_be_shifted_into_each_other() -> None:
    assert memory_handle("seen", "a", "bc") != memory_handle("seen", "ab", "c")
    assert len(memory_handle("vacation", "x" * 10_000)) == 32


@pytest.mark.parametrize("source", Source)
def test_where_a_user_submitted_from_is_for_nobodys_script(source: Source) -> None:
    told = environment("bob@other.test", "mda.test", source, "192.0.2.7")["remote-ip"]
    assert told == ("192.0.2.7" if source is Source.MX else "")
