"""Copies of their own: what could not be written down is not forgotten."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from mailproto.smtp.reply import Reply
from mta_queue.core.attempt import Delivery
from mta_queue.core.outcome import all_alike
from mta_queue.edge.copies import Copies
from mta_queue.ports import Item, Part
from pgkit import DatabaseUnavailable
from spool import OwnCopies

from tests.support.queued import letter

NOW = datetime(2026, 11, 21, tzinfo=UTC)
REPLIES = {
    "a": Reply.of(550, "5.1.1", "nobody"),
    "b": Reply.of(450, "4.2.2", "full"),
    "c": Reply.of(250, "2.0.0", "ok"),
}


@pytest.mark.parametrize("first", ["a", "b"])
async def test_what_a_try_in_vain_did_not_write_stands_in_the_next(first: str) -> None:
    addresses = (f"{first}@many.test", "c@many.test")
    spooled, payload = letter(*addresses)
    own = OwnCopies("news+b-<>@ours.test")
    spooled = replace(spooled, envelope=replace(spooled.envelope, own_copies=own))
    item = Item(1, spooled, payload, "many.test", addresses, 1, NOW + timedelta(days=5), 1, "")
    parts: list[Part] = []
    begun, failed = asyncio.Event(), asyncio.Event()

    async def send(address: str) -> Delivery:
        if address[0] == "c":
            begun.set()
            await failed.wait()
        await begun.wait()
        return Delivery(all_alike((address,), REPLIES[address[0]], "mx"), [])

    async def write(part: Part) -> bool:
        if not failed.is_set():
            failed.set()
            raise DatabaseUnavailable("away")
        parts.append(part)
        return True

    with pytest.raises(DatabaseUnavailable):
        await Copies(item, send, write, lambda: NOW, asyncio.Event()).attempt(2)
    [part] = parts
    # Each is settled or waits: who is in neither would have vanished from the queue.
    said = [each.address for each in (*part.settled, *part.waiting)]
    assert sorted(said) == sorted(addresses)
    assert [each.address[0] for each in part.waiting] == (["b"] if first == "b" else [])
