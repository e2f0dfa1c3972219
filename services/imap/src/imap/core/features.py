"""Extensions that change what is said unasked, and therefore only after the client has said that it knows them."""

from enum import Enum


class Feature(Enum):
    """Named as ENABLE names them (RFC 5161)."""

    CONDSTORE = "CONDSTORE"
    QRESYNC = "QRESYNC"
    IMAP4REV2 = "IMAP4rev2"
