"""What hooks may do to a message: whatever they say, its header stays one, and nobody becomes its author unseen."""

from collections.abc import Sequence
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailmsg.header import fields
from smtp_gateway.core.hooks import (
    FieldChange,
    HookFailed,
    Message,
    Outcome,
    Peer,
    Verdict,
    added_field,
    change_fields,
)
from smtp_gateway.core.roles import Role
from smtp_gateway.edge.hooking import Hooked
from smtp_gateway.ports import HookSession

from tests.support.fake_gateway import FakeGate, converse

TEXT = b"From: x@peer.test\r\nX-Old: a\r\nX-Old: b\r\n\r\nThe body.\r\n"
LOGIN = b"AUTH PLAIN AGpvbmVzQGZvby5jb20AcmlnaHQ=\r\n"
NAMES = st.sampled_from([b"X-Old", b"x-old", b"Subject", b"To", b"X"])


class Liar:
    """A hook that says the same of every message."""

    name = "liar"

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def session(self) -> HookSession:
        return self

    async def connect(self, peer: Peer) -> Verdict:
        return Verdict()

    async def mail(self, peer: Peer, helo: str, sender: str) -> Verdict:
        return Verdict()

    async def rcpt(self, recipient: str) -> Verdict:
        return Verdict()

    async def message(self, message: Message) -> Outcome:
        return self._outcome

    async def forget(self) -> None:
        return

    async def close(self) -> None:
        return


def through(outcome: Outcome, role: Role = Role.MX, content: bytes = TEXT) -> tuple[bytes, FakeGate]:
    sender = b"jones@foo.com" if role is Role.MSA else b"x@peer.test"
    content = content.replace(b"x@peer.test", sender)
    opening = [b"EHLO c.test\r\n", LOGIN if role is Role.MSA else b"", b"MAIL FROM:<%b>\r\n" % sender]
    bdat = b"BDAT %d LAST\r\n" % len(content) + content
    hooks = (Hooked(Liar(outcome), frozenset(("mx", "msa")), "refuse"),)
    said, gate, _ = converse(
        role, [*opening, b"RCPT TO:<brown@foo.com>\r\n" + bdat, b"QUIT\r\n"], hooks=hooks
    )
    return said, gate


@pytest.mark.parametrize(
    "address",
    [
        "smith@foo.com>\r\nRCPT TO:<victim@far.test",
        "victim@far.test\nX: y",
        "victim@far.test SIZE=1",
        "victim@far.test\0",
        "@relay.test:victim@far.test",
        "victim@far.test\udcff",
        "vïctim@far.test",
        "",
        "a@b@c.test",
    ],
)
def test_a_recipient_that_rcpt_could_not_have_named_is_none(address: str) -> None:
    said, gate = through(Outcome(added_recipients=(address, "far@far.test")), Role.MSA)
    assert b"250 2.0.0 Accepted" in said
    assert {each.address for each in gate.letters[0].recipients} == {"brown@foo.com", "far@far.test"}


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(added=((b"From", b"boss@foo.com"),)),
        Outcome(added=((b"X-Fine", b"yes"), (b"SENDER", b"boss@foo.com"))),
        Outcome(added=((b"Bcc", b"hidden@far.test"),)),
        Outcome(changed=(FieldChange(b"From", 2, b"boss@foo.com"),)),
    ],
)
@pytest.mark.parametrize("role", [Role.MX, Role.MSA])
def test_no_hook_adds_an_author_unseen(outcome: Outcome, role: Role) -> None:
    said, gate = through(outcome, role)
    assert b"451 4.7.1 A check is not available now" in said
    assert gate.letters == []


def test_what_a_hook_put_in_front_is_not_missing() -> None:
    added = ((b"Date", b"Sat, 21 Nov 2026 12:00:00 +0000"), (b"Message-ID", b"<1@foo.com>"))
    _, gate = through(Outcome(added=added), Role.MSA)
    [letter] = gate.letters
    names = [each.name for each in fields(letter.trace_prefix + letter.added_fields + letter.content)]
    assert (names.count(b"Date"), names.count(b"Message-ID")) == (1, 1)


def one_by_one(content: bytes, changes: Sequence[FieldChange]) -> bytes:
    return reduce(lambda so_far, change: change_fields(so_far, [change]), changes, content)


@given(
    st.lists(
        st.one_of(
            st.tuples(NAMES, st.just(b": v\r\n")).map(b"".join),
            st.sampled_from([b"no field X-Old: a\r\n", b"X-Old\r\n", b"To: a,\r\n b\r\n"]),
        ),
        max_size=6,
    ),
    st.sampled_from([b"\r\nBody\r\n", b"\r\n", b"", b"X-Old: cut off", b"To: x\r\n\r\nX-Old: body\r\n"]),
    st.lists(
        st.builds(FieldChange, NAMES, st.integers(0, 4), st.sampled_from([b"", b"new", b"a\n b"])), max_size=8
    ),
)
def test_changes_together_are_changes_one_by_one(
    header: list[bytes], rest: bytes, changes: list[FieldChange]
) -> None:
    content = b"".join(header) + rest
    changed = change_fields(content, changes)
    assert changed == one_by_one(content, changes)
    if b"\r\n\r\n" in rest:
        assert changed.endswith(rest[rest.find(b"\r\n\r\n") :]), "the body is the body"
    added = sum(bool(change.value) for change in changes)
    assert len(list(fields(changed))) <= len(list(fields(content))) + added


def test_a_field_is_changed_where_it_stands_and_not_where_a_line_looks_like_it() -> None:
    content = b"no field X-Old: a\r\nX-Old: a\r\n\r\n"
    change = FieldChange(b"X-Old", 1, b"new")
    assert change_fields(content, [change]) == b"no field X-Old: a\r\nX-Old: new\r\n\r\n"
    assert change_fields(b"Subject: cut off", [change]) == b"Subject: cut off\r\nX-Old: new\r\n"


def test_an_author_is_not_added() -> None:
    with pytest.raises(HookFailed):
        added_field(b"resent-FROM", b"x@y.test")
    assert added_field(b"X-From", b"x@y.test") == b"X-From: x@y.test\r\n"


@pytest.mark.parametrize("value", [b"boss@foo.com", b"nobody at all"])
def test_a_field_that_a_hook_changes_makes_nobody_another_author(value: bytes) -> None:
    changed = Outcome(changed=(FieldChange(b"From", 1, value),))
    said, gate = through(changed, Role.MSA)
    assert not gate.letters
    assert b"\r\n550 5." in said
    assert b"\r\n421" not in said
