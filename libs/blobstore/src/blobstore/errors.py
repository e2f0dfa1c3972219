"""Two classes of failure: the object is not there, or the store is not."""


class BlobMissing(Exception):
    """No object has this key."""


class BlobShredded(BlobMissing):
    """It is there and nobody can read it any more: the key of its tenant was deleted."""


class BlobAltered(BlobMissing):
    """What is there is not what was put."""


class BlobUnavailable(Exception):
    """The object storage did not do what was asked; asking again later may help."""


class KeysUnavailable(BlobUnavailable):
    """Whether and with which key a tenant encrypts cannot be found out now."""


class KeyUnknown(KeysUnavailable):
    """Nobody knows the key of this one object, as after an older backup: others can be read, this one perhaps later."""


class TenantGone(KeysUnavailable):
    """There is no such tenant any more: nothing can be put for it, and asking again does not help."""
