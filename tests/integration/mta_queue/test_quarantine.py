"""What cannot be read lies in S3 with its reason, octet for octet."""

from mta_queue.adapters.quarantine import PREFIX, BlobQuarantine

from tests.support.engines import Engines


async def test_the_payload_and_the_reason_are_kept(engines: Engines) -> None:
    blobs = engines.seaweed.store()
    payload = b"\x00\xffno envelope\n of ours"
    await BlobQuarantine(blobs).put_aside(payload, "not a\nspooled message")
    kept = [await blobs.get(found.key) async for found in blobs.list(PREFIX)]
    assert b"not a spooled message\n" + payload in kept
