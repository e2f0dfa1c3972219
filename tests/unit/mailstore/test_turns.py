"""Turns of accounts: one at a time, nobody forgotten, nothing kept."""

import asyncio

import pytest
from mailmodel import AccountRef
from mailstore.turns import Turns

ONE, TWO = (AccountRef("t", name) for name in ("one", "two"))


async def test_one_has_the_turn_and_who_gives_up_waiting_keeps_nobody_from_it() -> None:
    turns = Turns()
    order: list[str] = []

    async def change(name: str, *accounts: AccountRef) -> None:
        async with turns.of(*accounts):
            order.append(name)

    async with turns.of(ONE):
        first, second, third = (asyncio.ensure_future(change(name, ONE)) for name in ("a", "b", "c"))
        # Another's is free.
        await change("other", TWO)
        both = asyncio.ensure_future(change("both", TWO, ONE, ONE))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert order == ["other"]
    await asyncio.gather(first, third, both)
    assert order == ["other", "a", "c", "both"]
    assert len(turns) == 0


async def test_a_change_that_fails_gives_the_turn_back() -> None:
    turns = Turns()
    with pytest.raises(ZeroDivisionError):
        async with turns.of(ONE, TWO):
            raise ZeroDivisionError
    assert len(turns) == 0
