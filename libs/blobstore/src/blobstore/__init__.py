"""How bytes rest in S3: put, ranged get, list, delete, and where a body lies.

Knows: object storage, keys, checksums, encryption with a tenant's key. Does not know: messages, envelopes, mailboxes.
"""

from blobstore.cached import CachedBlobStore
from blobstore.cipher import DataKey
from blobstore.errors import (
    BlobAltered,
    BlobMissing,
    BlobShredded,
    BlobUnavailable,
    KeysUnavailable,
    KeyUnknown,
    TenantGone,
)
from blobstore.keys import mail_key
from blobstore.reference import BodyReference
from blobstore.ring import RingCache
from blobstore.sealed import Keys, SealedBlobStore
from blobstore.store import BlobStore, ObjectInfo, Piece

__all__ = [
    "BlobAltered",
    "BlobMissing",
    "BlobShredded",
    "BlobStore",
    "BlobUnavailable",
    "BodyReference",
    "CachedBlobStore",
    "DataKey",
    "KeyUnknown",
    "Keys",
    "KeysUnavailable",
    "ObjectInfo",
    "Piece",
    "RingCache",
    "SealedBlobStore",
    "TenantGone",
    "mail_key",
]
