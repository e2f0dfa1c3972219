"""SCRAM-SHA-256 keys of passwords (RFC 5802 §3, RFC 7677).

All credentials of an account share one salt, for the server names a salt before it knows which of them the client
has: so app passwords work with SCRAM as the account's own password does. Whoever reads these keys can try passwords
against them faster than against argon2id; an installation that wants none of them sets the iterations to 0.
"""

from dataclasses import dataclass, field

from mailproto.sasl.saslprep import NotPrepared
from mailproto.sasl.scram import decoy, derive

SALT_OCTETS = 16


@dataclass(frozen=True, slots=True)
class ScramKeys:
    """What is kept of one password."""

    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ScramCandidate:
    """One of the credentials that a proof may be of."""

    credential_id: str
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ScramMaterial:
    """What an exchange needs. No candidates: the login does not exist, or has no password for this door."""

    salt: bytes
    iterations: int
    candidates: tuple[ScramCandidate, ...] = ()


def keys(password: str, salt: bytes, iterations: int) -> ScramKeys | None:
    """Of a password; None where there shall be none, or SASLprep (RFC 4013) does not allow it. Takes its time."""
    if not iterations:
        return None
    try:
        made = derive(password, salt, iterations)
    except NotPrepared:
        return None
    return ScramKeys(iterations, made.stored_key, made.server_key)


def nobody(name: str, secret: bytes, iterations: int) -> ScramMaterial:
    """For a login that does not exist: the same salt every time, and no proof is right."""
    return ScramMaterial(decoy(name, secret, iterations).salt, iterations)
