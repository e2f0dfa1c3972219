"""Messages that are not filed, kept in S3.

    poison/<day>/<id>                     what cannot be filed, for whoever runs the platform:
                                          the reason on the first line, then the payload as it came
    quarantine/<tenant>/<day>/<queue id>  what must not be filed, for the tenant: what is known of it as JSON
                                          on the first line, then the message as a record (spool.record)

Keys of the quarantine are made of what the message is, so that one that comes
again after a crash is kept once.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from blobstore import BlobStore
from spool import SpooledLetter, new_queue_id
from spool.record import head_of

from mda.core.findings import Finding

POISON = "poison/"
QUARANTINE = "quarantine/"


class BlobQuarantine:
    """Satisfies ports.Quarantine."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def put_aside(self, payload: bytes, reason: str) -> None:
        line = " ".join(reason.split())[:500]
        key = f"{POISON}{datetime.now(UTC):%Y%m%d}/{new_queue_id()}"
        await self._blobs.put(key, (line.encode() + b"\n", payload))

    async def hold(self, letter: SpooledLetter, content: bytes, findings: Sequence[Finding]) -> None:
        envelope = letter.envelope
        known = {
            "queue_id": envelope.queue_id,
            "arrived_at": envelope.arrived_at.isoformat(),
            "held_at": datetime.now(UTC).isoformat(),
            "reverse_path": envelope.reverse_path,
            "recipients": [recipient.address for recipient in envelope.recipients],
            "size_octets": envelope.size_octets,
            "findings": [
                {"scanner": each.scanner, "verdict": each.verdict.value, "detail": each.detail}
                for each in findings
            ],
        }
        key = f"{QUARANTINE}{envelope.tenant_id}/{envelope.arrived_at:%Y%m%d}/{envelope.queue_id}"
        await self._blobs.put(key, (json.dumps(known).encode() + b"\n", head_of(envelope), content))
