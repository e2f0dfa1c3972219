"""Which accounts are lists: what was known of one does not get lost while others are asked for."""

import asyncio
from typing import Any, cast

import grpc
import pytest
from mailmodel import AccountRef
from mailwire.directory.v1 import directory_pb2 as directory
from mailwire.directory.v1 import lists_pb2 as wire
from mda.adapters import lists
from mda.adapters.lists import DirectoryLists

TENANT = "t"


class Stub:
    def __init__(self) -> None:
        self.held: dict[str, asyncio.Event] = {}
        self.asked: list[str] = []

    async def FindLists(self, request: Any, timeout: float) -> Any:
        self.asked += request.account_ids
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


async def test_a_change_is_asked_about_where_it_is_of_the_lists_tenant() -> None:
    stub = Stub()
    known = DirectoryLists(grpc.aio.insecure_channel("127.0.0.1:1"), hears_changes=lambda: True)
    cast(Any, known)._stub = stub

    def tell(change: directory.DirectoryChanged) -> None:
        known.changed("", change.SerializeToString())

    async def asks() -> list[str]:
        stub.asked.clear()
        assert set(await known.among([*refs("list", "ann"), AccountRef("other", "bob")])) == {"list"}
        return list(stub.asked)

    assert (await asks(), await asks()) == (["list", "ann", "bob"], [])
    tell(directory.DirectoryChanged(tenant_id="other", account_id="bob"))
    assert (await asks(), await asks()) == (["bob"], [])
    tell(directory.DirectoryChanged(tenant_id=TENANT, addresses=["list@a.test"]))
    assert (await asks(), await asks()) == (["list", "ann"], [])
    known.changed("", b"")
    # An answer that was under way while its tenant changed something.
    stub.held["ann"] = asyncio.Event()
    waiting = asyncio.create_task(known.among(refs("list", "ann")))
    await asyncio.sleep(0)
    tell(directory.DirectoryChanged(tenant_id=TENANT))
    tell(directory.DirectoryChanged(tenant_id="other"))
    stub.held.pop("ann").set()
    await waiting
    assert (await asks(), await asks()) == (["list", "ann", "bob"], [])
