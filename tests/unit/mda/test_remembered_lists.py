"""Which accounts are lists: what was known of one does not get lost while others are asked for."""

import asyncio
from typing import Any, cast

import grpc
import pytest
from mailmodel import AccountRef
from mailwire.directory.v1 import lists_pb2 as wire
from mda.adapters import lists
from mda.adapters.lists import DirectoryLists

TENANT = "t"


class Stub:
    def __init__(self) -> None:
        self.held: dict[str, asyncio.Event] = {}

    async def FindLists(self, request: Any, timeout: float) -> Any:
        for each in request.account_ids:
            if each in self.held:
                await self.held[each].wait()
        return wire.FindListsResponse(
            lists=[
                wire.MailingList(list_id=each, tenant_id=TENANT, address=f"{each}@a.test")
                for each in request.account_ids
                if each.startswith("list")
            ]
        )


def refs(*names: str) -> list[AccountRef]:
    return [AccountRef(TENANT, name) for name in names]


async def test_who_asks_is_answered_though_others_make_the_oldest_be_forgotten_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lists, "MOST_KEPT", 1)
    stub = Stub()
    known = DirectoryLists(grpc.aio.insecure_channel("127.0.0.1:1"), hears_changes=lambda: True)
    cast(Any, known)._stub = stub
    assert set(await known.among(refs("list-old"))) == {"list-old"}
    stub.held["ann"] = asyncio.Event()
    waiting = asyncio.create_task(known.among(refs("list-old", "ann")))
    await asyncio.sleep(0)
    assert not await known.among(refs("bob"))
    stub.held["ann"].set()
    # Taken for no list its posts would be filed, and go to nobody.
    assert set(await waiting) == {"list-old"}
