"""Members' tokens: signed for one list and one member, in any case, for a week where they ask."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from directory.core.list_tokens import (
    CONFIRMATION_CHARACTERS,
    LIST_CHARACTERS,
    MEMBER_CHARACTERS,
    ListTokens,
    list_of_short_name,
    list_text,
    short_name,
)
from hypothesis import given
from hypothesis import strategies as st

TOKENS, OTHERS = ListTokens(b"secret"), ListTokens(b"another")
NEWS, TALK = str(uuid4()), str(uuid4())
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@given(st.integers(0, 2**40 - 1))
def test_a_members_token_says_who_it_is_of_which_list(number: int) -> None:
    token = TOKENS.of_member(NEWS, number)
    assert len(token) == MEMBER_CHARACTERS
    assert token.isalnum() and token == token.lower()  # noqa: PT018
    assert TOKENS.member(NEWS, token) == TOKENS.member(NEWS, token.upper()) == number
    assert TOKENS.member(TALK, token) is None
    assert OTHERS.member(NEWS, token) is None
    whole = list_text(NEWS) + token
    assert len(whole) == LIST_CHARACTERS + MEMBER_CHARACTERS
    assert TOKENS.membership(whole) == (NEWS, number)
    assert TOKENS.membership(list_text(TALK) + token) is None


@given(st.text(max_size=60))
def test_what_is_no_token_is_nobodys(text: str) -> None:
    assert TOKENS.member(NEWS, text) is None
    assert TOKENS.membership(text) is None
    assert list_of_short_name(text) is list_of_short_name("l-" + text) is None
    assert not TOKENS.is_asked(NEWS, "a@far.test", text, NOW)


def test_a_short_name_says_which_list_and_leaves_room() -> None:
    assert (
        list_of_short_name(short_name(NEWS)) == list_of_short_name(short_name(NEWS).upper().lower()) == NEWS
    )
    assert len(f"{short_name(NEWS)}+b-{TOKENS.of_member(NEWS, 7)}") <= 64
    assert list_of_short_name(list_text(NEWS)) is None


def test_no_other_letter_makes_the_same_token() -> None:
    token = TOKENS.of_member(NEWS, 7)
    for place in range(len(token)):
        for letter in "abcdefghijklmnopqrstuvwxyz234567":
            if letter != token[place]:
                assert TOKENS.member(NEWS, token[:place] + letter + token[place + 1 :]) is None


def test_an_address_that_was_asked_may_answer_for_a_week() -> None:
    token = TOKENS.of_asked(NEWS, "Ann@far.test", NOW)
    assert len(token) == CONFIRMATION_CHARACTERS
    assert TOKENS.is_asked(NEWS, "ann@far.test", token, NOW + timedelta(days=7))
    assert not TOKENS.is_asked(NEWS, "ann@far.test", token, NOW + timedelta(days=8))
    assert not TOKENS.is_asked(NEWS, "bob@far.test", token, NOW)
    assert not TOKENS.is_asked(TALK, "ann@far.test", token, NOW)
    assert TOKENS.member(NEWS, token) is None
