"""What LIST and STATUS can be asked for (RFC 5258, RFC 5819, RFC 6154; RFC 9051 §6.3.9, §6.3.11)."""

from enum import Enum


class ListSelect(Enum):
    """Selection options: which names are meant."""

    SUBSCRIBED = "SUBSCRIBED"
    SPECIAL_USE = "SPECIAL-USE"
    REMOTE = "REMOTE"
    RECURSIVEMATCH = "RECURSIVEMATCH"


# Options that can be used by themselves, and that CHILDINFO names (RFC 5258 §3.5).
BASE_SELECTS = (ListSelect.SUBSCRIBED, ListSelect.SPECIAL_USE)


class ListReturn(Enum):
    """Return options without arguments: what is told of each name."""

    SUBSCRIBED = "SUBSCRIBED"
    CHILDREN = "CHILDREN"
    SPECIAL_USE = "SPECIAL-USE"
    # The rights of who asks (RFC 8440).
    MYRIGHTS = "MYRIGHTS"


class StatusItem(Enum):
    """Items of STATUS, and of LIST's RETURN (STATUS (...))."""

    MESSAGES = "MESSAGES"
    RECENT = "RECENT"
    UIDNEXT = "UIDNEXT"
    UIDVALIDITY = "UIDVALIDITY"
    UNSEEN = "UNSEEN"
    DELETED = "DELETED"
    DELETED_STORAGE = "DELETED-STORAGE"
    SIZE = "SIZE"
    APPENDLIMIT = "APPENDLIMIT"
    HIGHESTMODSEQ = "HIGHESTMODSEQ"
    MAILBOXID = "MAILBOXID"
