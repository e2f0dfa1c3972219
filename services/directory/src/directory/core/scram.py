"""SCRAM-SHA-256 keys of passwords (RFC 5802 §3, RFC 7677).

The keys also tell a wrong password that was sent in the clear, for a twentieth of what argon2id costs: whoever has
stolen them would try passwords against them and not against argon2id, so asking them first gives nothing away, and in
a storm of guesses nobody has to wait for argon2id.

All credentials of an account share one salt, for the server names a salt before it knows which of them the client
has: so app passwords work with SCRAM as the account's own password does. Whoever reads these keys can try passwords
against them faster than against argon2id; an installation that wants none of them sets the iterations to 0.
"""

import hashlib
import hmac
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


def is_password(password: str, salt: bytes, kept: ScramKeys | None, iterations: int) -> bool:
    """Whether these are the keys of this password; with None as long as for somebody, and False. Takes its time."""
    rounds = kept.iterations if kept is not None else iterations
    try:
        stored_key = derive(password, salt, rounds).stored_key
    except NotPrepared:
        stored_key = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
        kept = None
    return kept is not None and hmac.compare_digest(stored_key, kept.stored_key)


def nobody(name: str, secret: bytes, iterations: int) -> ScramMaterial:
    """For a login that does not exist: the same salt every time, and no proof is right."""
    return ScramMaterial(decoy(name, secret, iterations).salt, iterations)
