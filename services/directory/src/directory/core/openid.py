"""Tokens of OpenID providers: what they must be to let somebody in (RFC 9068, RFC 7662, OpenID Connect Core §3.1.3.7).

Nothing here asks anybody: keys and answers are parameters. A token says who it is from before that is proved, so
`unproved` is only good to find out whom to ask.
"""

import json
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from directory.core.names import NameInvalid

TOKEN_OCTETS = 16_384
LEEWAY_SECONDS = 60.0
# Signatures only: a key that everybody may read must never be taken for a secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
# Left out: none.
DEFAULT_CLAIM = "email"
MOST_VALUES = 20


class TokenWrong(Exception):
    """It lets nobody in; the text says why, for our log."""


class KeyUnknown(TokenWrong):
    """It is signed by a key that is not in the set: the provider may have a new one."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A tenant's choice."""

    tenant_id: str
    issuer: str
    audiences: tuple[str, ...]
    address_claim: str = DEFAULT_CLAIM
    required_scopes: tuple[str, ...] = ()
    client_id: str = ""
    client_secret: str | None = field(default=None, repr=False)

    @property
    def configuration_url(self) -> str:
        """OpenID Connect Discovery §4."""
        return self.issuer.rstrip("/") + "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Grant:
    """Whom a right token names, and until when it holds."""

    address: str
    expires_at: datetime


def issuer_url(text: str) -> str:
    """An issuer as it is kept: exactly as it was written. Raises NameInvalid."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise NameInvalid("that is no URL") from None
    if port == 0:
        raise NameInvalid("there is no port 0")
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        raise NameInvalid("an issuer is an https URL without user, query and fragment")
    if len(text) > 500 or not text.isascii() or any(each <= " " for each in text):
        raise NameInvalid("an issuer has at most 500 characters of ASCII")
    return text


def words(values: Sequence[str], what: str, least: int = 0) -> list[str]:
    """Audiences, scopes: short words without blanks. Raises NameInvalid."""
    if not least <= len(values) <= MOST_VALUES:
        raise NameInvalid(f"there are {least} to {MOST_VALUES} {what}")
    for each in values:
        if not 1 <= len(each) <= 300 or any(letter <= " " for letter in each):
            raise NameInvalid(f"{what} have 1 to 300 characters and no blanks")
    return list(dict.fromkeys(values))


def is_jwt(token: str) -> bool:
    """Whether it looks like a signed JWT (RFC 7515 §3.1); others can only be asked about."""
    return token.count(".") == 2


def unproved(token: str) -> Mapping[str, Any]:
    """What a JWT says, whoever made it. Raises TokenWrong."""
    if len(token) > TOKEN_OCTETS:
        raise TokenWrong("it is too long")
    try:
        payload = token.split(".")[1]
        said = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, Base64Error, ValueError, RecursionError) as error:
        raise TokenWrong("it cannot be read") from error
    if not isinstance(said, dict):
        raise TokenWrong("its claims are no object")
    return said


def proved(token: str, keys: Mapping[str, Any], provider: Provider, now: datetime) -> Grant:
    """What a JWT grants, with the provider's keys (a JWK Set). Raises TokenWrong, KeyUnknown."""
    if len(token) > TOKEN_OCTETS:
        raise TokenWrong("it is too long")
    try:
        header = json.loads(urlsafe_b64decode((part := token.split(".")[0]) + "=" * (-len(part) % 4)))
        usable = [each for each in keys.get("keys", ()) if _is_usable(each, header)]
        if not usable:
            raise KeyUnknown("its key is not in the provider's set")
        decoded = None
        for each in usable:
            try:
                decoded = jwt.decode(token, KeySet.import_key_set({"keys": [each]}), algorithms=ALGORITHMS)
                break
            except JoseError:
                continue
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise TokenWrong("it cannot be read") from error
    if decoded is None:
        raise TokenWrong("its signature is wrong")
    return granted(decoded.claims, provider, now)


def _is_usable(key: object, header: Mapping[str, Any]) -> bool:
    if (
        not isinstance(key, dict)
        or key.get("use", "sig") != "sig"
        or key.get("kty") not in ("RSA", "EC", "OKP")
    ):
        return False
    return "kid" not in header or key.get("kid") == header["kid"]


def granted(claims: Mapping[str, Any], provider: Provider, now: datetime) -> Grant:
    """What claims grant whose origin is proved. Raises TokenWrong."""
    if claims.get("iss") != provider.issuer:
        raise TokenWrong("another issuer made it")
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not any(isinstance(each, str) and each in provider.audiences for each in named):
        raise TokenWrong("it is not for us")
    expires_at = _instant(claims, "exp")
    if expires_at is None:
        raise TokenWrong("it does not say until when it holds")
    if (now - expires_at).total_seconds() >= LEEWAY_SECONDS:
        raise TokenWrong("it does not hold any more")
    for name in ("nbf", "iat"):
        at = _instant(claims, name)
        if at is not None and (at - now).total_seconds() > LEEWAY_SECONDS:
            raise TokenWrong("it does not hold yet")
    if not set(provider.required_scopes) <= _scopes(claims):
        raise TokenWrong("it has not all the scopes that it must have")
    address = claims.get(provider.address_claim)
    if not isinstance(address, str) or not address:
        raise TokenWrong(f"it has no claim {provider.address_claim}")
    if provider.address_claim == "email" and claims.get("email_verified", True) not in (True, "true"):
        raise TokenWrong("the provider did not check the address that it names")
    return Grant(address, expires_at)


def _instant(claims: Mapping[str, Any], name: str) -> datetime | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenWrong(f"its {name} is no time")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise TokenWrong(f"its {name} is no time") from error


def _scopes(claims: Mapping[str, Any]) -> set[str]:
    """RFC 8693 §4.2 has them in one string; others in a list, or under `scp`."""
    value = claims.get("scope", claims.get("scp", ""))
    if isinstance(value, str):
        return set(value.split())
    return {each for each in value if isinstance(each, str)} if isinstance(value, list) else set()
