"""Extensions that change what is said unasked, and therefore only after the client has said that it knows them."""

from enum import Enum


class Utf8(Enum):
    """How the server takes UTF-8 in headers and names (RFC 6855)."""

    # Messages are kept as they come, with 8-bit headers too: nothing is lost of what a client moves here.
    ACCEPT = "accept"
    # RFC 6855 §4 to the letter: who has not enabled it cannot append 8-bit headers.
    STRICT = "strict"
    # Who has not enabled it can do nothing (§6).
    ONLY = "only"


class Feature(Enum):
    """Named as ENABLE names them (RFC 5161)."""

    CONDSTORE = "CONDSTORE"
    QRESYNC = "QRESYNC"
    # Changes of annotations are told (RFC 5464 §4.4).
    METADATA = "METADATA"
    IMAP4REV2 = "IMAP4rev2"
    UIDONLY = "UIDONLY"
    UTF8 = "UTF8=ACCEPT"
