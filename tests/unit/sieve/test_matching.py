"""Wildcards and regular expressions against an independent matcher, and how their cost grows."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sieve.matching.comparator import Comparator
from sieve.matching.regex import Regex
from sieve.matching.regex_syntax import BadRegex
from sieve.matching.regex_syntax import quoted as quoted_regex
from sieve.matching.wildcard import Wildcard, quoted


def groups(pattern: str, text: str) -> list[str] | None:
    return Regex(pattern, ignores_case=False, max_states=4000).groups_in(text, lambda steps: None)


def found(pattern: str, text: str, *, ignores_case: bool = False) -> bool:
    return Regex(pattern, ignores_case=ignores_case, max_states=4000).search(text, lambda steps: None)


def cost(pattern: str, text: str) -> int:
    spent: list[int] = []
    regex = Regex(pattern, ignores_case=True, max_states=4000)
    regex.search(text, spent.append)
    regex.groups_in(text, spent.append)
    return sum(spent)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.text("ab*?\\", max_size=8), st.text("ab*\\", max_size=10))
def test_wildcards_are_lazy_expressions(pattern: str, value: str) -> None:
    translated = ""
    signs = iter(pattern)
    for sign in signs:
        translated += {"*": "(.*?)", "?": "(.)"}.get(sign) or re.escape(
            next(signs, sign) if sign == "\\" else sign
        )
    expected = re.fullmatch(translated, value, re.DOTALL)
    octets = value.encode()
    matched = Wildcard(pattern.encode()).match(octets, octets)
    assert matched == (None if expected is None else [group.encode() for group in expected.groups()])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.binary(max_size=12), st.binary(max_size=12))
def test_quoted_wildcards_match_themselves(text: bytes, other: bytes) -> None:
    pattern = Wildcard(quoted(text))
    assert pattern.match(text, text) == []
    assert (pattern.match(other, other) is not None) is (other == text)


def test_the_value_keeps_its_case_in_what_wildcards_match() -> None:
    folded = Comparator.CASEMAP.folded
    assert Wildcard(folded(b"*LO?")).match(folded(b"HelLow"), b"HelLow") == [b"Hel", b"w"]


_SIMPLE = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", "^", "$", "(a)"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda choices: "(" + "|".join(choices) + ")"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}"])).map(lambda pair: f"({pair[0]}){pair[1]}"),
    ),
    max_leaves=6,
)  # fmt: skip


@settings(max_examples=400, deadline=None, derandomize=True)
@given(_SIMPLE, st.text("abc", max_size=8))
def test_regexes_find_the_leftmost_longest(pattern: str, text: str) -> None:
    strict = pattern.replace("$", r"\Z")
    compiled = re.compile(strict, re.DOTALL)
    assert found(pattern, text) is (compiled.search(text) is not None)
    matched = groups(pattern, text)
    expected = None
    for start in range(len(text) + 1):
        ends = [end for end in range(start, len(text) + 1) if _matches_exactly(strict, text, start, end)]
        if ends:
            expected = text[start : ends[-1]]
            break
    assert (None if matched is None else matched[0]) == expected


def _matches_exactly(pattern: str, text: str, start: int, end: int) -> bool:
    rest = re.escape(text[end:])
    exact = re.compile(f"(?:{pattern}){rest}\\Z", re.DOTALL)
    return exact.match(text, start) is not None


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("(a*)(ab)*(b*)", "abb", ["abb", "a", "", "bb"]),
        ("a|ab", "xab", ["ab"]),
        ("(x)?y", "y", ["y", ""]),
        ("[[:digit:]]{2,3}", "a12345", ["123"]),
        ("[]x]+", "a]x]", ["]x]"]),
        ("[^]]+", "]ab]", ["ab"]),
        ("[a-]+", "b-a-", ["-a-"]),
        ("a{,2}", "a{,2}", ["a{,2}"]),
        ("\\.\\$\\(", "x.$(", [".$("]),
        ("()", "a", ["", ""]),
        ("", "a", [""]),
        ("a||b", "b", ["b"]),
        ("(a*)*", "aaa", ["aaa", "aaa"]),
        ("\\w+@\\w+", "to me@here!", ["me@here"]),
        ("[[.-.]]x", "a-x", ["-x"]),
        ("^$", "", [""]),
        ("a.c", "a\nc", ["a\nc"]),
    ],
)
def test_regex_groups(pattern: str, text: str, expected: list[str]) -> None:
    assert groups(pattern, text) == expected


def test_regex_case() -> None:
    assert found("GRüSS", "grüss", ignores_case=True)
    assert not found("GRÜSS", "grüss", ignores_case=True)
    assert found("[A-C]x", "bX", ignores_case=True)
    assert not found("[^A-C]x", "bX", ignores_case=True)
    assert not found("a", "A")


@pytest.mark.parametrize(
    "pattern",
    [
        "(", ")", "a)", "[", "[a", "[[:nosuch:]]", "*", "a|*", "(+)", "a{2,1}", "a{256}", "\\1", "\\b", "\\", "[b-a]", "[[.ab.]]",
        "(" * 51 + ")" * 51, "((a{255}){255}){255}", "a" * 5000, "a" + "?" * 60,
    ],
)  # fmt: skip
def test_what_is_no_regex(pattern: str) -> None:
    with pytest.raises(BadRegex):
        Regex(pattern, ignores_case=False, max_states=4000)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(max_size=10))
def test_quoted_regexes_match_themselves(text: str) -> None:
    assert found("^" + quoted_regex(text) + "$", text)


@pytest.mark.parametrize(
    "pattern", ["(a|aa)*b", "(a*)*b", "(a?){30}a{30}b", "(.*)(.*)(.*)(.*)x", "^(([a-z])+.)+[A-Z]$"]
)
def test_the_cost_of_a_regex_is_linear(pattern: str) -> None:
    assert cost(pattern, "a" * 1200) <= 2.3 * cost(pattern, "a" * 600)
    assert cost(pattern, "a" * 600) <= 600 * 200


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        (b"9", b"10", -1),
        (b"007", b"7 of them", 0),
        (b"", b"x", 0),
        (b"1" * 5000, b"x", -1),
        (b"1" * 5000, b"1" * 4999, 1),
    ],
)
def test_numbers(left: bytes, right: bytes, order: int) -> None:
    assert Comparator.NUMERIC.order(left, right) == order
    assert Comparator.NUMERIC.order(right, left) == -order


def test_letters_are_compared_as_upper_case() -> None:
    assert Comparator.CASEMAP.order(b"a", b"B") < 0
    assert Comparator.CASEMAP.order(b"a", b"_") < 0
    assert Comparator.OCTET.order(b"a", b"B") > 0
