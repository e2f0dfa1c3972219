"""Reverse-paths of copies: what they say is read back, whatever case it comes in; where there is no room there is none."""

from datetime import UTC, datetime
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st
from spool import Letter, Recipient, Source, new_queue_id
from spool.verp import copy_of, tag_of, with_copies


def letter(reverse_path: str, *recipients: Recipient) -> Letter:
    return Letter(new_queue_id(), reverse_path, recipients, b"x", b"", Source.SUBMISSION, datetime.now(UTC))


BOB = Recipient("bob@far.test", "bob@far.test", "t", None)
CAROL = Recipient("Carol@far.test", "Carol@far.test", "t", None)
HERE = Recipient("here@example.test", "here@example.test", "t", "account")


def test_each_remote_recipient_has_a_reverse_path_that_says_which_it_is() -> None:
    made = with_copies(letter("ann+tag@example.test", BOB, CAROL, HERE))
    assert made.own_copies is not None
    bob, carol, here = made.recipients
    assert here.token == ""
    for each in (bob, carol):
        path = made.own_copies.reverse_path.replace("<>", each.token)
        assert path.startswith("ann+tag+v-")
        assert path.endswith("@example.test")
        for came in (path, path.upper(), path.lower()):
            assert copy_of(came) == (made.queue_id, tag_of(each.address))
    assert bob.token != carol.token == tag_of("carol@FAR.test")


def test_without_room_and_without_a_reverse_path_it_stays_as_it_is() -> None:
    for reverse_path in ("", "a" * 32 + "@example.test", '"a b"@example.test'):
        plain = letter(reverse_path, BOB)
        assert with_copies(plain) is plain
    fits = with_copies(letter("a" * 31 + "@example.test", BOB))
    assert fits.own_copies is not None
    path = fits.own_copies.reverse_path.replace("<>", fits.recipients[0].token)
    assert len(path.partition("@")[0]) == 64


def test_a_name_without_room_is_said_by_its_accounts_id() -> None:
    account_id = str(uuid4())
    for local_part in ("a" * 32, "a" * 64, '"a b"', "ö" * 20):
        made = with_copies(letter(f"{local_part}@example.test", BOB, HERE), account_id)
        assert made.own_copies is not None
        bob, here = made.recipients
        path = made.own_copies.reverse_path.replace("<>", bob.token)
        assert path.endswith("@example.test")
        assert len(path.partition("@")[0].encode()) <= 64
        for came in (path, path.upper()):
            assert copy_of(came) == (made.queue_id, tag_of(BOB.address))
        assert here.token == ""
    assert with_copies(plain := letter("", BOB), account_id).own_copies is None
    assert plain.reverse_path == ""
    # Who has room keeps its name.
    made = with_copies(letter("ann@example.test", BOB), account_id)
    assert made.own_copies is not None
    assert made.own_copies.reverse_path.startswith("ann+v-")


@given(st.text(max_size=80))
def test_what_is_no_such_address_says_nothing(text: str) -> None:
    assert copy_of(text) is None
    assert copy_of("ann+v-" + text + "@example.test") is None or len(text) >= 30
