"""What the POP3 machine asks of the one who drives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from mailproto.sasl.bearer import Bearer
from mailproto.sasl.external import External


@dataclass(frozen=True, slots=True)
class Login:
    """Check these and open the maildrop. Answer with `login_succeeded` or `login_failed`."""

    login: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ScramAsked:
    """A SCRAM exchange begins. Answer with `scram_offered` or `login_failed`."""

    login: str


@dataclass(frozen=True, slots=True)
class ScramProven:
    """The client's proof was that of this credential ("": it was wrong). Answered like `Login`."""

    login: str
    credential_id: str


@dataclass(frozen=True, slots=True)
class TokenAsked:
    """An access token. Answered like `Login`, or with `token_refused`."""

    bearer: Bearer


@dataclass(frozen=True, slots=True)
class CertificateAsked:
    """The client's TLS certificate is to say who it is. Answered like `Login`."""

    external: External


@dataclass(frozen=True, slots=True)
class StartTls:
    """Send what waits, start TLS, then say `tls_started` (RFC 2595 §4)."""


@dataclass(frozen=True, slots=True)
class Retrieve:
    """Give message `number`: `message_started`, `message_data` …, `message_ended`; or `retrieve_failed`.

    `lines` is set for TOP: the machine cuts by itself, and `message_data` says when no more is wanted.
    """

    number: int
    lines: int | None


@dataclass(frozen=True, slots=True)
class Update:
    """The client is done: remove these messages, all or none, and let go of the maildrop.

    Answer with `updated` or `update_failed`. Comes also when nothing is to be removed.
    """

    deleted: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Flush:
    """Much waits to be sent: send it before going on."""


@dataclass(frozen=True, slots=True)
class Close:
    """Send what waits, then close the connection."""


Event = (
    Login
    | TokenAsked
    | CertificateAsked
    | ScramAsked
    | ScramProven
    | StartTls
    | Retrieve
    | Update
    | Flush
    | Close
)


class LoginFailure(Enum):
    """Why a login failed, with its response code (RFC 2449 §8, RFC 3206)."""

    REFUSED = "AUTH"
    IN_USE = "IN-USE"
    UNAVAILABLE = "SYS/TEMP"
