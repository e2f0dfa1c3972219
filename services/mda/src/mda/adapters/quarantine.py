"""Messages that are not filed, kept in S3.

poison/<day>/<id>                 what cannot be filed, for whoever runs the platform:
                                  the reason on the first line, then the payload as it came
quarantine/<tenant>/<queue id>    what must not be filed, for the tenant: what is known of it
                                  on the first line (core.held), then the message as a record (spool.record);
                                  that is sealed, with the number of the key before it, where the tenant wants it
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from blobstore import BlobMissing, BlobShredded, BlobStore, Piece
from spool import Envelope, SpooledLetter, new_queue_id, read_records
from spool.record import head_of

from mda.core.findings import Finding
from mda.core.held import LINE_OCTETS, QUARANTINE, Held, NoSuchMessage, folder_of, key_of, line_of, read_line

POISON = "poison/"
# Before a sealed record, and then the number of its key in four octets.
SEALED = b"PHS1"
SEALED_HEAD = len(SEALED) + 4


class BlobQuarantine:
    """Satisfies ports.Quarantine, and has what the operator wants of it.

    Raises BlobUnavailable everywhere, NoSuchMessage where one message is asked for, ValueError where an object is
    none of ours.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def put_aside(self, payload: bytes, reason: str) -> None:
        line = " ".join(reason.split())[:500]
        key = f"{POISON}{datetime.now(UTC):%Y%m%d}/{new_queue_id()}"
        await self._blobs.put(key, (line.encode() + b"\n", payload))

    async def hold(self, letter: SpooledLetter, content: bytes, findings: Sequence[Finding]) -> None:
        envelope = letter.envelope
        line = line_of(envelope, findings, datetime.now(UTC))
        key = key_of(envelope.tenant_id, envelope.queue_id)
        piece = await self._blobs.seal_piece(envelope.tenant_id, key, head_of(envelope) + content)
        head = SEALED + piece.key_version.to_bytes(4, "big") if piece.key_version else b""
        await self._blobs.put(key, (line, head, piece.content))

    async def listing(self, tenant_id: str, before: str, size: int) -> tuple[list[Held], str]:
        """Up to `size` of them, the newest first, and the place where the next page begins; "" for none."""
        folder = folder_of(tenant_id)
        found = {each.key.removeprefix(folder): each.size_octets async for each in self._blobs.list(folder)}
        # Queue ids begin with their time.
        names = sorted((name for name in found if not before or name < before), reverse=True)
        held = []
        for name in names[:size]:
            try:
                start = await self._blobs.get_range(folder + name, 0, min(found[name], LINE_OCTETS))
            except BlobMissing:
                # Settled meanwhile.
                continue
            held.append(read_line(tenant_id, name, start.partition(b"\n")[0]))
        return held, names[size - 1] if len(names) > size else ""

    async def get(self, tenant_id: str, queue_id: str) -> tuple[Held, Envelope, bytes]:
        """One message: what is known of it, its envelope, its content."""
        key = key_of(tenant_id, queue_id)
        try:
            line, _, record = (await self._blobs.get(key)).partition(b"\n")
            if record.startswith(SEALED):
                version = int.from_bytes(record[len(SEALED) : SEALED_HEAD], "big")
                record = await self._blobs.open_piece(tenant_id, key, Piece(record[SEALED_HEAD:], version))
        except BlobShredded:
            raise NoSuchMessage(f"the key of message {queue_id} was deleted") from None
        except BlobMissing:
            raise NoSuchMessage(f"no message {queue_id} is kept") from None
        [found] = read_records(record)
        content = record[found.offset : found.offset + found.length]
        return read_line(tenant_id, queue_id, line), found.envelope, content

    async def delete(self, tenant_id: str, queue_id: str) -> None:
        """Keep it no longer."""
        key = key_of(tenant_id, queue_id)
        try:
            await self._blobs.get_range(key, 0, 1)
        except BlobMissing:
            raise NoSuchMessage(f"no message {queue_id} is kept") from None
        await self._blobs.delete(key)

    async def expire(self, kept: timedelta) -> int:
        """Delete what has been kept longer than that, of all tenants; how many."""
        oldest = datetime.now(UTC) - kept
        old = [each.key async for each in self._blobs.list(QUARANTINE) if each.modified_at < oldest]
        for key in old:
            await self._blobs.delete(key)
        return len(old)
