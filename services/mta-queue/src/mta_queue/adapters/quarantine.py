"""Bus messages that are no envelope of ours, kept in S3 under `poison/` for a human to look at."""

from datetime import UTC, datetime

from blobstore import BlobStore
from spool import new_queue_id

PREFIX = "poison/"


class BlobQuarantine:
    """Satisfies ports.Quarantine. One object for each: the reason on the first line, then the payload as it came."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def put_aside(self, payload: bytes, reason: str) -> None:
        line = " ".join(reason.split())[:500]
        key = f"{PREFIX}{datetime.now(UTC):%Y%m%d}/{new_queue_id()}"
        await self._blobs.put(key, (line.encode() + b"\n", payload))
