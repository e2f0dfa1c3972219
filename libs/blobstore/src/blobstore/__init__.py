"""How bytes rest in S3: put, ranged get, list, delete, and where a body lies.

Knows: object storage, keys, checksums. Does not know: messages, envelopes, mailboxes.
"""

from blobstore.cached import CachedBlobStore
from blobstore.errors import BlobMissing, BlobUnavailable
from blobstore.keys import mail_key
from blobstore.reference import BodyReference
from blobstore.ring import RingCache
from blobstore.store import BlobStore, ObjectInfo

__all__ = [
    "BlobMissing",
    "BlobStore",
    "BlobUnavailable",
    "BodyReference",
    "CachedBlobStore",
    "ObjectInfo",
    "RingCache",
    "mail_key",
]
