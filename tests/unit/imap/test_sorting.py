"""What SORT and THREAD read back, and how trees are written."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imap.core.conversing import _ids, _shown
from imap.core.envelopes import read_envelope
from mailmodel.base_subject import base_subject
from mailmodel.threads import Member, Node
from mailmsg.envelope import FIELD_NAMES, render_envelope

from tests.support.imap_memory import Imap

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.dictionaries(st.sampled_from(FIELD_NAMES), st.binary(max_size=60)))
def test_every_envelope_that_is_kept_can_be_read(values: dict[bytes, bytes]) -> None:
    read_envelope(render_envelope(values))


def test_an_envelope() -> None:
    envelope = read_envelope(
        render_envelope(
            {
                b"subject": b' a "quoted\\" =?utf-8?q?=C3=BC?=',
                b"from": "Jörg <j@x.test>, k@y.test".encode(),
                b"to": b"list: a@b.test, c@d.test;",
            }
        )
    )
    assert envelope.subject == 'a "quoted\\" ü'
    assert (envelope.from_.display, envelope.from_.local_part) == ("Jörg", "j")
    assert envelope.to.local_part == "list"
    assert envelope.cc.display == ""


@pytest.mark.parametrize("wire", [b"", b"(", b"NIL", b"())", b"(NIL)", b"(x)", b"()()"])
def test_what_is_no_envelope(wire: bytes) -> None:
    with pytest.raises(ValueError):
        read_envelope(wire)


@pytest.mark.parametrize(
    ("value", "ids"),
    [
        (b'<a@b> <"c d"@e>', ["a@b", "c d@e"]),
        (b'<"01KF8JCEOCBS0045PS"@xxx.yyy.com>', ["01KF8JCEOCBS0045PS@xxx.yyy.com"]),
        (b"me at <x@y>; your message", ["x@y"]),
        (b"none", []),
        (b"<" * 50_000, []),
    ],
)
def test_message_ids(value: bytes, ids: list[str]) -> None:
    assert _ids(value) == ids


def node(number: int, *children: Node) -> Node:
    made = Node(Member(number, NOW, base_subject("")) if number else None)
    for child in children:
        made.take(child)
    return made


def test_trees_as_the_rfc_writes_them() -> None:
    # RFC 5256 §4
    nested = node(3, node(6, node(4, node(23)), node(44, node(7, node(96)))))
    assert _shown([node(2), nested]) == b" (2)(3 6 (4 23)(44 7 96))"
    assert _shown([node(0, node(3), node(5))]) == b" ((3)(5))"
    assert _shown([]) == b""


def test_a_deep_tree_is_written_without_recursion() -> None:
    deep = node(1)
    for _ in range(5000):
        deep = node(1, deep)
    assert _shown([deep]).startswith(b" (1 1 1")


def test_the_highest_modseq_of_a_sorted_result(imap: Imap) -> None:
    """RFC 7162 §3.1.9 and §3.1.10: where MODSEQ is asked for, and something was found."""
    client = imap.client(select="INBOX")
    for subject in ("b", "a"):
        client.append(f"Subject: {subject}\n\nx\n")
    client.say("NOOP")
    highest = client.say("FETCH 2 MODSEQ")[-2].split("MODSEQ (")[1].rstrip(")")
    assert client.say("SORT (SUBJECT) UTF-8 MODSEQ 1")[0] == f"* SORT 2 1 (MODSEQ {highest})"
    assert client.say("UID SORT (SUBJECT) UTF-8 OR MODSEQ 1 SEEN")[0] == f"* SORT 2 1 (MODSEQ {highest})"
    assert client.say("SORT (SUBJECT) UTF-8 MODSEQ 1 SEEN")[0] == "* SORT"
    assert client.say("SORT (SUBJECT) UTF-8 ALL")[0] == "* SORT 2 1"
    assert client.say("SORT RETURN (ALL) (SUBJECT) UTF-8 MODSEQ 1")[0].endswith(f"ALL 2,1 MODSEQ {highest}")
