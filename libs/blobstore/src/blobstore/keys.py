"""How objects are named: `mail/<tenant>/<yyyymmdd>/<id>`; one that is sealed says more behind that (blobstore.cipher).

Keys are made by us, never from what a peer said. The tenant stands first so
that a tenant can be counted, moved or shredded by prefix; the day follows so
that a search for unsettled mail can skip the past.
"""

from datetime import datetime

MAIL_PREFIX = "mail/"


def mail_key(tenant_id: str, object_id: str, at: datetime) -> str:
    """The key of an object with mail of one tenant, first written at `at` (aware)."""
    return f"{MAIL_PREFIX}{tenant_id}/{at:%Y%m%d}/{object_id}"


def tenant_of(key: str) -> str:
    """Whose an object of `mail_key` is."""
    return key.split("/", 2)[1]
