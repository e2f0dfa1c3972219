"""Base subjects and threads (RFC 5256)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mailmodel.base_subject import base_subject
from mailmodel.collation import casemap, collation_key
from mailmodel.threads import Member, Node, by_references, by_refs, by_subject

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("subject", "base", "is_reply"),
    [
        ("Hello", "Hello", False),
        ("Re: Hello", "Hello", True),
        ("RE : [x] Hello", "Hello", True),
        ("Fwd: Re: FW[2]: Hello (fwd) ", "Hello", True),
        ("[list] Re: Hello", "Hello", True),
        ("[list] Hello", "Hello", False),
        ("[a] [b] Hello", "Hello", False),
        ("[all that is]", "[all that is]", False),
        ("[fwd: Hello]", "Hello", True),
        ("[Fwd: [Fwd: Re: Hello (fwd)]]", "Hello", True),
        ("Hello\t \r\n you", "Hello you", False),
        ("Regarding: x", "Regarding: x", False),
        ("Re:", "", True),
        ("(fwd)", "", True),
        ("Re[a]b: x", "Re[a]b: x", False),
        ("", "", False),
    ],
)
def test_base_subjects(subject: str, base: str, is_reply: bool) -> None:
    found = base_subject(subject)
    assert (found.text, found.is_reply) == (base, is_reply)


@given(st.text(alphabet="reRE: []fwd()x\t", max_size=60))
def test_a_base_subject_is_its_own_base(subject: str) -> None:
    once = base_subject(subject).text
    again = base_subject(once)
    assert again.text == once


def test_long_hostile_subjects_take_no_time() -> None:
    for subject in (
        "re:" * 100_000,
        "[" * 100_000,
        "[a]" * 100_000,
        "(fwd)" * 100_000,
        "[fwd:" * 1000 + "]" * 1000,
    ):
        base_subject(subject)


def test_collation_knows_no_case() -> None:
    assert collation_key("äB") == collation_key("ÄB".lower())
    assert collation_key("a") < collation_key("B") < collation_key("c")
    # Composed or not; full width and superscripts as what they stand for.
    assert casemap("é") == casemap("e\u0301") == casemap("É")
    assert casemap("２³") == "23"
    assert casemap("ß") == "ß"
    assert casemap("ǆ") == casemap("Ǆ") == casemap("ǅ")


def member(
    number: int, subject: str = "", message_id: str = "", *references: str, at: int | None = None
) -> Member:
    minutes = number if at is None else at
    return Member(number, START + timedelta(minutes=minutes), base_subject(subject), message_id, references)


def shape(nodes: list[Node]) -> list[object]:
    """Trees as (number, [children])."""
    return [(node.member.number if node.member else None, shape(list(node.children))) for node in nodes]


def test_by_subject() -> None:
    members = [
        member(1, "b"),
        member(2, "a"),
        member(3, "Re: b"),
        member(4, "B", at=9),
        member(5, "re: a", at=0),
    ]
    assert shape(by_subject(members)) == [(5, [(2, [])]), (1, [(3, []), (4, [])])]


def test_replies_stand_below_what_they_answer() -> None:
    members = [
        member(1, "x", "a"),
        member(2, "y", "b", "a"),
        member(3, "z", "c", "a", "b"),
        member(4, "w", "d", "a"),
    ]
    assert shape(by_references(members)) == [(1, [(2, [(3, [])]), (4, [])])]


def test_what_is_missing_holds_together_several_and_not_one() -> None:
    assert shape(by_references([member(1, "x", "b", "gone")])) == [(1, [])]
    two = [member(1, "x", "b", "gone"), member(2, "y", "c", "gone")]
    assert shape(by_references(two)) == [(None, [(1, []), (2, [])])]
    deep = [member(1, "x", "a"), member(2, "y", "d", "a", "gone", "lost")]
    assert shape(by_references(deep)) == [(1, [(2, [])])]


def test_threads_of_one_subject_become_one() -> None:
    # A reply without references goes below the message that it answers by its subject.
    assert shape(by_references([member(1, "x", "a"), member(2, "Re: x", "b")])) == [(1, [(2, [])])]
    # Two that are no replies, or two replies, stand beside each other.
    assert shape(by_references([member(1, "x", "a"), member(2, "X", "b"), member(3, "x", "c")])) == [
        (None, [(1, []), (2, []), (3, [])])
    ]
    assert shape(by_references([member(1, "re: x", "a"), member(2, "x", "b")])) == [(2, [(1, [])])]
    assert shape(by_references([member(1, "", "a"), member(2, "Re:", "b")])) == [(1, []), (2, [])]


def test_a_message_id_that_came_twice_is_the_firsts() -> None:
    members = [member(1, "x", "a"), member(2, "y", "a"), member(3, "z", "b", "a")]
    assert shape(by_references(members)) == [(1, [(3, [])]), (2, [])]


def test_siblings_are_sorted_by_their_dates() -> None:
    members = [member(1, "x", "a", at=5), member(2, "y", "b", "a", at=9), member(3, "z", "c", "a", at=7)]
    assert shape(by_references(members)) == [(1, [(3, []), (2, [])])]


ids = st.sampled_from(["", "a", "b", "c", "d", "e"])


@settings(max_examples=400)
@given(
    st.lists(st.tuples(st.sampled_from(["", "x", "Re: x", "y"]), ids, st.lists(ids.filter(bool), max_size=4)))
)
def test_every_message_stands_in_one_place(script: list[tuple[str, str, list[str]]]) -> None:
    members = [
        member(number, subject, message_id, *references, at=number % 3)
        for number, (subject, message_id, references) in enumerate(script, start=1)
    ]
    for build in (by_references, by_subject):
        seen: list[int] = []
        waiting = build(members)
        dummies = {node for node in waiting if node.member is None}
        while waiting:
            node = waiting.pop()
            assert node.member is not None or node in dummies, "dummies stand at the top only"
            if node.member is not None:
                seen.append(node.member.number)
            assert all(child.parent is node for child in node.children)
            waiting.extend(node.children)
        assert sorted(seen) == list(range(1, len(members) + 1))


def test_a_chain_without_end_is_cut() -> None:
    chain = [member(n, "x", f"m{n}", f"m{n - 1}") for n in range(1, 3001)]
    roots = by_references(chain)
    assert len(roots) >= 1


def test_refs_knows_no_subjects_and_sorts_by_the_newest() -> None:
    def member(number: int, hours: int, message_id: str, *references: str) -> Member:
        return Member(number, START + timedelta(hours=hours), base_subject("same"), message_id, references)

    members = [member(1, 0, "a"), member(2, 1, "b"), member(3, 9, "c", "a"), member(4, 2, "d", "gone")]
    roots = by_refs(members)
    assert [root.first().number for root in roots] == [2, 4, 1]
    assert [child.first().number for child in roots[2].children] == [3]
    assert by_refs([]) == []
