"""Two classes of failure: the object is not there, or the store is not."""


class BlobMissing(Exception):
    """No object has this key."""


class BlobUnavailable(Exception):
    """The object storage did not do what was asked; asking again later may help."""
