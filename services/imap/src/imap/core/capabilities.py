"""What CAPABILITY says, truly, for each state (RFC 3501 §6.1.1)."""

from collections.abc import Sequence
from typing import Literal

from mailproto.sasl import BEARER_MECHANISMS, MECHANISMS
from mailproto.sasl.scram_exchange import BOUND_SCRAM_MECHANISMS, SCRAM_MECHANISMS

ALWAYS = ("IMAP4rev1", "IMAP4rev2", "LITERAL+", "SASL-IR", "ID", "ENABLE", "LANGUAGE")
LOGGED_IN = (
    *("IDLE", "NAMESPACE", "UIDPLUS", "UNSELECT", "CHILDREN", "MOVE"),
    *("SPECIAL-USE", "CREATE-SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS", "STATUS=SIZE"),
    *("ESEARCH", "SEARCHRES", "WITHIN", "PARTIAL", "CONDSTORE", "QRESYNC"),
    *("BINARY", "CATENATE", "MULTIAPPEND", "REPLACE", "PREVIEW", "OBJECTID", "SAVEDATE"),
    *(
        "SORT",
        "SORT=DISPLAY",
        "ESORT",
        "CONTEXT=SEARCH",
        "CONTEXT=SORT",
        "MULTISEARCH",
        "I18NLEVEL=1",
        "SEARCH=FUZZY",
        "THREAD=ORDEREDSUBJECT",
        "THREAD=REFERENCES",
        "THREAD=REFS",
    ),
    *("ACL", "RIGHTS=kxte", "LIST-MYRIGHTS", "QUOTA", "QUOTA=RES-STORAGE", "QUOTA=RES-MESSAGE"),
    *("METADATA", "NOTIFY", "UIDONLY", "INPROGRESS", "FILTERS", "LIST-METADATA"),
    *("URLAUTH", "URLAUTH=BINARY", "URL-PARTIAL"),
)


def mechanisms(scram: Literal["on", "off", "plus"], oauth: Literal["on", "off"]) -> tuple[bytes, ...]:
    """What AUTHENTICATE takes, the best first."""
    offered: tuple[bytes, ...] = () if scram == "off" else SCRAM_MECHANISMS
    if scram == "plus":
        offered = BOUND_SCRAM_MECHANISMS
    if oauth == "on":
        offered += BEARER_MECHANISMS
    return (*offered, *MECHANISMS)


def capabilities(
    append_octets: int,
    offered: Sequence[bytes] = MECHANISMS,
    configured: Sequence[str] = (),
    *,
    is_logged_in: bool,
    offers_tls: bool,
    may_log_in: bool,
    may_compress: bool,
    may_unauthenticate: bool,
) -> str:
    """The words, separated by spaces. `append_octets`: the largest message taken (RFC 7889).

    `configured`: what depends on the settings.
    """
    words = list(ALWAYS)
    if is_logged_in:
        words += LOGGED_IN
        words += [f"APPENDLIMIT={append_octets}", *configured]
        if may_compress:
            words.append("COMPRESS=DEFLATE")
        if may_unauthenticate:
            words.append("UNAUTHENTICATE")
    else:
        if offers_tls:
            words.append("STARTTLS")
        if may_log_in:
            words += [f"AUTH={mechanism.decode()}" for mechanism in offered]
        else:
            words.append("LOGINDISABLED")
    return " ".join(words)
