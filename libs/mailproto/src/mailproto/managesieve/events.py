"""What the machine asks of its driver. Every event but Close wants an answer before the next command is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailproto.sasl.bearer import Bearer
from mailproto.sasl.external import External


@dataclass(frozen=True, slots=True)
class Login:
    """Is that so? Answer: login_succeeded, login_failed."""

    login: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenAsked:
    """An access token. Answer: login_succeeded, login_failed, token_refused."""

    bearer: Bearer


@dataclass(frozen=True, slots=True)
class CertificateAsked:
    """The client's TLS certificate is to say who it is. Answer: login_succeeded, login_failed."""

    external: External


@dataclass(frozen=True, slots=True)
class ScramAsked:
    """A SCRAM exchange begins. Answer: scram_offered, login_failed."""

    login: str


@dataclass(frozen=True, slots=True)
class ScramProven:
    """The proof was that of this credential, "" where it was wrong. Answer: login_succeeded, login_failed."""

    login: str
    credential_id: str


@dataclass(frozen=True, slots=True)
class StartTls:
    """Begin the handshake. Answer: tls_started."""


@dataclass(frozen=True, slots=True)
class HaveSpace:
    """May a script of that name and size be put? (RFC 5804 §2.5)"""

    name: str
    size_octets: int


@dataclass(frozen=True, slots=True)
class PutScript:
    """Check and keep (§2.6)."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class CheckScript:
    """Check only (§2.12)."""

    content: bytes


@dataclass(frozen=True, slots=True)
class ListScripts:
    """Which are there (§2.7). Answer: listed."""


@dataclass(frozen=True, slots=True)
class SetActive:
    """Let this one run; "": none (§2.8)."""

    name: str


@dataclass(frozen=True, slots=True)
class GetScript:
    """Its content (§2.9). Answer: got, or no."""

    name: str


@dataclass(frozen=True, slots=True)
class DeleteScript:
    """Remove it (§2.10)."""

    name: str


@dataclass(frozen=True, slots=True)
class RenameScript:
    """Another name for it (§2.11)."""

    name: str
    new_name: str


@dataclass(frozen=True, slots=True)
class Unauthenticate:
    """Forget who it is (§2.14.1). Answer: unauthenticated."""


@dataclass(frozen=True, slots=True)
class Close:
    """Send what waits and close."""


Order = (
    HaveSpace | PutScript | CheckScript | ListScripts | SetActive | GetScript | DeleteScript | RenameScript
)
LoginEvent = Login | TokenAsked | CertificateAsked | ScramProven
Event = LoginEvent | ScramAsked | StartTls | Order | Unauthenticate | Close
