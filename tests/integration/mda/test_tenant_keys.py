"""The quarantine and the housekeeping where a tenant encrypts: nothing can be read, and what nobody can read goes."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from blobstore import BlobStore, SealedBlobStore
from mailstore import MailStore
from mda.adapters.quarantine import BlobQuarantine
from mda.core.findings import Finding, Verdict
from mda.core.held import NoSuchMessage, key_of
from spool.record import head_of

from tests.support.drawer import Drawer
from tests.support.engines import Engines
from tests.support.mda_world import letter_of

from .test_housekeeping import CONTENT, House

FOUND = (Finding("rspamd", Verdict.SPAM, "much of it"),)
MARK = b"a marked sentence that nobody else is to read"
HELD = b"Subject: held\r\n\r\n" + MARK + b"\r\n"


@pytest.fixture
def drawer() -> Drawer:
    return Drawer()


@pytest.fixture
async def house(engines: Engines, drawer: Drawer) -> AsyncIterator[House]:
    blobs = SealedBlobStore(engines.seaweed.store(), drawer)
    store = await MailStore.open(engines.dsn("store", "app"), blobs, lambda _change: None)
    house = House(store, blobs)
    drawer.add(house.account.tenant_id, 1, b"k" * 32)
    yield house
    await store.close()


async def put(house: House, address: str = "a@far.test") -> str:
    envelope = house.envelope(address)
    return await house.blobs.put_mail(
        house.account.tenant_id, uuid4().hex, datetime.now(UTC), [head_of(envelope), CONTENT]
    )


async def test_what_is_held_is_sealed_but_for_who_and_why(
    engines: Engines, house: House, drawer: Drawer
) -> None:
    bucket: BlobStore = engines.seaweed.store()
    quarantine = BlobQuarantine(house.blobs)
    tenant_id = str(uuid4())
    for key in (b"h" * 32, None):
        if key is not None:
            drawer.add(tenant_id, 1, key)
        else:
            # Another tenant's is as ever.
            tenant_id = str(uuid4())
        made = letter_of(HELD)
        letter = replace(made, envelope=replace(made.envelope, tenant_id=tenant_id))
        queue_id = letter.envelope.queue_id
        for _ in range(2):
            await quarantine.hold(letter, HELD, FOUND)
        stored = await bucket.get(key_of(tenant_id, queue_id))
        assert (MARK in stored) == (key is None)
        [held], _ = await quarantine.listing(tenant_id, "", 10)
        assert (held.queue_id, held.findings) == (queue_id, FOUND)
        found, envelope, content = await quarantine.get(tenant_id, queue_id)
        assert (found, envelope, content) == (held, letter.envelope, HELD)
        drawer.kept.pop(tenant_id, None)
        if key is not None:
            with pytest.raises(NoSuchMessage, match="deleted"):
                await quarantine.get(tenant_id, queue_id)
        await quarantine.delete(tenant_id, queue_id)


async def test_housekeeping_reads_what_is_sealed(house: House) -> None:
    envelope = house.envelope("a@far.test")
    key = await house.blobs.put_mail(
        house.account.tenant_id, uuid4().hex, datetime.now(UTC), [head_of(envelope), CONTENT]
    )
    unsettled = await put(house)
    house.queue.held[envelope.queue_id, "a@far.test"] = False
    await house.clean()
    assert not await house.is_there(key)
    assert await house.is_there(unsettled)


async def test_what_a_deleted_key_sealed_goes_and_what_was_altered_stays(
    engines: Engines, house: House, drawer: Drawer
) -> None:
    bucket = House(house.store, engines.seaweed.store())
    altered, shredded = await put(house), await put(house)
    data = await bucket.blobs.get(altered)
    await bucket.blobs.put(altered, [data[:-1], bytes([data[-1] ^ 1])])
    await house.clean()
    assert [await bucket.is_there(key) for key in (altered, shredded)] == [True, True]
    drawer.kept.clear()
    await house.clean()
    # Without the key it cannot be told which was altered.
    assert [await bucket.is_there(key) for key in (altered, shredded)] == [False, False]
