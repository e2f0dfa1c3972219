"""One object that nobody can read now does not end each round of the housekeeping before the others' turn."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from blobstore import BlobShredded, BlobStore, KeyUnknown, ObjectInfo
from mda.edge.housekeeping import Housekeeping

NOW = datetime.now(UTC)


class Blobs(BlobStore):
    def __init__(self) -> None:
        super().__init__(cast(Any, None))
        self.deleted: list[str] = []

    async def list(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        for name in ("1-unknown", "2-shredded"):
            yield ObjectInfo(f"{prefix}tenant/20260101/{name}", 1, NOW - timedelta(days=60))

    async def get(self, key: str) -> bytes:
        raise KeyUnknown(key) if key.endswith("unknown") else BlobShredded(key)

    async def delete(self, key: str) -> None:
        self.deleted.append(key)


class Others:
    """The mailboxes, the queue and the directory, who need nothing."""

    async def prune(self) -> int:
        return 0

    async def due(self) -> Sequence[Any]:
        return []

    async def orphans(self, kept: timedelta, at_once: int) -> AsyncIterator[Any]:
        none: Sequence[Any] = ()
        for each in none:
            yield each

    async def unused_objects(self, keys: Sequence[str]) -> set[str]:
        return set(keys)


async def test_an_object_whose_key_nobody_knows_stays_and_the_others_go() -> None:
    blobs, others = Blobs(), cast(Any, Others())
    housekeeping = Housekeeping(
        others,
        blobs,
        others,
        others,
        asyncio.Event(),
        every=timedelta(hours=1),
        kept=timedelta(days=1),
    )
    assert await housekeeping.round(NOW) == 1
    assert blobs.deleted == ["mail/tenant/20260101/2-shredded"]
