"""What a session may do, and the states it goes through; the table of both is in `server`."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class State(Enum):
    """Where a session is."""

    START = "start"
    GREETED = "greeted"
    MAIL = "mail"
    RCPT = "rcpt"
    CHUNKS = "chunks"


class Waiting(Enum):
    """Which answer the machine waits for, if any."""

    NOTHING = "nothing"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    MESSAGE = "message"
    AUTH = "auth"
    LOOK_UP = "look-up"
    XCLIENT = "xclient"
    TLS = "tls"


class Dialect(Enum):
    """SMTP, or LMTP (RFC 2033): LHLO in the place of EHLO, and a reply for each recipient after the message."""

    SMTP = "smtp"
    LMTP = "lmtp"


class Dsn(Enum):
    """Whether senders may say what they want to be told (RFC 3461)."""

    REFUSED = "refused"
    OFFERED = "offered"


class Binary(Enum):
    """Whether BODY=BINARYMIME (RFC 3030 §3) is offered."""

    REFUSED = "refused"
    OFFERED = "offered"


class DeliverBy(Enum):
    """Whether BY= (RFC 2852) is offered."""

    REFUSED = "refused"
    OFFERED = "offered"


class Priorities(Enum):
    """Whether MT-PRIORITY= (RFC 6710) is offered."""

    REFUSED = "refused"
    OFFERED = "offered"


@dataclass(frozen=True, slots=True)
class FutureRelease:
    """How long a message may be held (RFC 4865), and until when at most; both are told to the peer."""

    seconds_most: int
    until: datetime


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """What a session may do. `mechanisms` are offered where `offers_auth` says so.

    `errors_allowed`: 5yz replies before the session is ended. `junk_allowed`: commands that do nothing for mail
    (NOOP, RSET, VRFY, EXPN, HELP) before each more of them costs an error; a message that is accepted forgives them.
    """

    hostname: str
    size_limit_octets: int
    mechanisms: tuple[bytes, ...] = ()
    dialect: Dialect = Dialect.SMTP
    errors_allowed: int = 20
    junk_allowed: int = 100
    recipients_allowed: int = 1000
    binary: Binary = Binary.REFUSED
    dsn: Dsn = Dsn.REFUSED
    deliver_by: DeliverBy = DeliverBy.REFUSED
    priorities: Priorities = Priorities.REFUSED
    # None: it is not offered.
    future_release: FutureRelease | None = None
