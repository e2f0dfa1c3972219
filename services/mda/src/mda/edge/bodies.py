"""Bodies as they were accepted: whoever reads one whole looks whether it is that still."""

import asyncio

from blobstore import BlobAltered, BodyReference

from mda.ports import Bodies

# From this size on a digest is made in a thread.
THREAD_OCTETS = 512 * 1024


async def whole(bodies: Bodies, body: BodyReference) -> bytes:
    """Raises BlobMissing, BlobAltered where it is not what was stored, BlobUnavailable."""
    content = await bodies.get_range(body.object_key, body.offset, body.length)
    if len(content) >= THREAD_OCTETS:
        matches = await asyncio.to_thread(body.matches, content)
    else:
        matches = body.matches(content)
    if not matches:
        raise BlobAltered(f"{body.object_key} was altered at {body.offset}")
    return content
