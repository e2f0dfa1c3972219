"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), the server's side.

    server = ScramServer(nonce, binding)
    asked = server.first(client_first)              LoginAsked: look the verifier up
    challenge = server.challenge(verifier)          server-first-message
    end = server.final(client_final)                Granted (send its message), or Refused

The password is never here: what is kept of it (`Verifier`) lets nobody log in, and the client proves that it knows the
password without telling it. For a user who does not exist give the verifier of `decoy`: the same salt each time, and a
proof that is never right.
"""

import binascii
import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from mailproto.sasl.saslprep import NotPrepared, Use, saslprep

MECHANISM, MECHANISM_PLUS = b"SCRAM-SHA-256", b"SCRAM-SHA-256-PLUS"
ITERATIONS_LEAST = 4096
KEY_OCTETS = 32
MESSAGE_OCTETS = 4096
# printable = %x21-2B / %x2D-7E
NONCE = re.compile(r"[!-+\--~]{1,512}")
BINDING_NAME = re.compile(r"[A-Za-z0-9.-]{1,64}")
# saslname: = only as =2C and =3D
NAME = re.compile(r"(?:[^,=\0]|=2C|=3D)+")
ATTRIBUTE = re.compile(r"[A-Za-z]=[^,\0]*")


class ScramFault(Enum):
    """Why an exchange failed, in the words of the protocol (server-error-value, RFC 5802 §7)."""

    ENCODING = "invalid-encoding"
    EXTENSION = "extensions-not-supported"
    PROOF = "invalid-proof"
    BINDING_DIFFERS = "channel-bindings-dont-match"
    # The client believes that there is no -PLUS here: somebody took it out of the list.
    DOWNGRADED = "server-does-support-channel-binding"
    BINDING_UNSUPPORTED = "channel-binding-not-supported"
    BINDING_UNKNOWN = "unsupported-channel-binding-type"
    NAME_ENCODING = "invalid-username-encoding"
    OTHER = "other-error"


@dataclass(frozen=True, slots=True)
class Verifier:
    """What is kept of a password."""

    salt: bytes
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LoginAsked:
    """Who wants to log in, prepared (RFC 4013)."""

    login: str


@dataclass(frozen=True, slots=True)
class Granted:
    """The proof is right. `message` is the server's own proof, to be sent to the client."""

    message: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """The exchange is over. `message` tells the client, where the protocol around it can carry that."""

    fault: ScramFault

    @property
    def message(self) -> bytes:
        """server-error"""
        return b"e=" + self.fault.value.encode("ascii")


@dataclass(frozen=True, slots=True)
class ChannelBinding:
    """What binds the exchange to its TLS connection: data by type (tls-exporter RFC 9266, tls-server-end-point RFC 5929).

    Empty where there is none; then -PLUS is not offered.
    """

    data: Mapping[str, bytes] = field(default_factory=dict)


def derive(password: str, salt: bytes, iterations: int) -> Verifier:
    """What to keep of a password. Raises NotPrepared on one that SASLprep does not allow.

    Raises ValueError for fewer iterations than ITERATIONS_LEAST (RFC 7677 §3).
    """
    if iterations < ITERATIONS_LEAST:
        raise ValueError(f"at least {ITERATIONS_LEAST} iterations")
    prepared = saslprep(password, Use.STORED).encode("utf-8")
    salted = hashlib.pbkdf2_hmac("sha256", prepared, salt, iterations)
    client_key = _hmac(salted, b"Client Key")
    return Verifier(salt, iterations, hashlib.sha256(client_key).digest(), _hmac(salted, b"Server Key"))


def decoy(login: str, secret: bytes, iterations: int) -> Verifier:
    """For a login that does not exist: looks like one that does, and is never right."""
    salt = _hmac(secret, b"salt " + login.encode("utf-8"))[:16]
    return Verifier(salt, iterations, _hmac(secret, b"stored " + salt), _hmac(secret, b"server " + salt))


class ScramServer:
    """One exchange. `nonce` is fresh and unforeseeable, of at least 18 random octets in printable characters."""

    def __init__(self, mechanism: bytes, nonce: str, binding: ChannelBinding) -> None:
        if not NONCE.fullmatch(nonce):
            raise ValueError("a nonce has printable characters and no comma")
        self._plus = mechanism == MECHANISM_PLUS
        self._nonce = nonce
        self._binding = binding
        self._gs2_header = ""
        self._bound = b""
        self._client_first_bare = ""
        self._server_first = ""
        self._verifier: Verifier | None = None

    def first(self, message: bytes) -> LoginAsked | Refused:
        """client-first-message = gs2-header client-first-message-bare"""
        text = _text(message)
        parts = text.split(",", 2) if text is not None else []
        if len(parts) != 3:
            return Refused(ScramFault.ENCODING)
        flag, authzid, bare = parts
        if (fault := self._bind(flag)) is not None:
            return Refused(fault)
        attributes = bare.split(",")
        if attributes[0].startswith("m="):
            return Refused(ScramFault.EXTENSION)
        if len(attributes) < 2 or not all(ATTRIBUTE.fullmatch(each) for each in attributes):
            return Refused(ScramFault.ENCODING)
        if not attributes[0].startswith("n=") or not attributes[1].startswith("r="):
            return Refused(ScramFault.ENCODING)
        login = _name(attributes[0][2:])
        if login is None:
            return Refused(ScramFault.NAME_ENCODING)
        if authzid and (not authzid.startswith("a=") or _name(authzid[2:]) != login):
            # Nobody acts for another here.
            return Refused(ScramFault.OTHER)
        if not NONCE.fullmatch(attributes[1][2:]):
            return Refused(ScramFault.ENCODING)
        self._nonce = attributes[1][2:] + self._nonce
        self._gs2_header = f"{flag},{authzid},"
        self._client_first_bare = bare
        return LoginAsked(login)

    def _bind(self, flag: str) -> ScramFault | None:
        """gs2-cbind-flag (RFC 5802 §6): what the client knows of channel binding, and what it uses."""
        if flag.startswith("p="):
            if not self._plus:
                return ScramFault.BINDING_UNSUPPORTED
            if not BINDING_NAME.fullmatch(flag[2:]) or flag[2:] not in self._binding.data:
                return ScramFault.BINDING_UNKNOWN
            self._bound = self._binding.data[flag[2:]]
            return None
        if flag not in ("n", "y"):
            return ScramFault.ENCODING
        if self._plus:
            return ScramFault.BINDING_DIFFERS
        return ScramFault.DOWNGRADED if flag == "y" and self._binding.data else None

    def challenge(self, verifier: Verifier) -> bytes:
        """server-first-message, after LoginAsked."""
        self._verifier = verifier
        salt = b64encode(verifier.salt).decode("ascii")
        self._server_first = f"r={self._nonce},s={salt},i={verifier.iterations}"
        return self._server_first.encode("ascii")

    def final(self, message: bytes) -> Granted | Refused:
        """client-final-message; the end of the exchange."""
        verifier = self._verifier
        if verifier is None:
            raise RuntimeError("the challenge comes first")
        text = _text(message)
        without_proof, _, proof_text = (text or "").rpartition(",p=")
        attributes = without_proof.split(",")
        if len(attributes) < 2 or not all(ATTRIBUTE.fullmatch(each) for each in attributes):
            return Refused(ScramFault.ENCODING)
        bound, proof = _base64(attributes[0][2:]), _base64(proof_text)
        if not attributes[0].startswith("c=") or bound is None or proof is None or len(proof) != KEY_OCTETS:
            return Refused(ScramFault.ENCODING)
        if any(each.startswith("m=") for each in attributes[2:]):
            return Refused(ScramFault.EXTENSION)
        if not hmac.compare_digest(bound, self._gs2_header.encode("utf-8") + self._bound):
            return Refused(ScramFault.BINDING_DIFFERS)
        if not hmac.compare_digest(attributes[1].encode("utf-8"), f"r={self._nonce}".encode()):
            return Refused(ScramFault.OTHER)
        signed = ",".join((self._client_first_bare, self._server_first, without_proof)).encode("utf-8")
        signature = _hmac(verifier.stored_key, signed)
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        if not hmac.compare_digest(hashlib.sha256(client_key).digest(), verifier.stored_key):
            return Refused(ScramFault.PROOF)
        return Granted(b"v=" + b64encode(_hmac(verifier.server_key, signed)))


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _text(message: bytes) -> str | None:
    if len(message) > MESSAGE_OCTETS:
        return None
    try:
        return message.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _base64(text: str) -> bytes | None:
    try:
        return binascii.a2b_base64(text.encode("ascii"), strict_mode=True) if text else None
    except (binascii.Error, UnicodeEncodeError):
        return None


def _name(encoded: str) -> str | None:
    """The prepared name of a saslname."""
    if not NAME.fullmatch(encoded):
        return None
    try:
        return saslprep(encoded.replace("=2C", ",").replace("=3D", "=")) or None
    except NotPrepared:
        return None
