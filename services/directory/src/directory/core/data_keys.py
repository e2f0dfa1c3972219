"""Data keys of tenants: what they are bound to while they are wrapped, and who can wrap (docs/adr/0018)."""

import os
from dataclasses import dataclass
from typing import Protocol

SECRET_OCTETS = 32
NO_PROVIDER = "there is no key provider: set DIRECTORY_KEY_ENCRYPTION_FILE or DIRECTORY_TRANSIT_URL"


class ProviderUnavailable(Exception):
    """The key provider does not answer: later, perhaps."""


class NoKeyProvider(ProviderUnavailable):
    """Nobody set one up."""


class Unwrappable(Exception):
    """The key-encryption key is not here any more, or it is not what was wrapped."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A data key as it rests; `with_` names the key-encryption key."""

    with_: str
    octets: bytes


class KeyProvider(Protocol):
    """Keeps key-encryption keys, and never shows them. All raise ProviderUnavailable."""

    async def current(self) -> str:
        """The name of the one that wraps now."""

    async def wrap(self, secret: bytes, place: str) -> Wrapped:
        """With the current one. The same place must be given to unwrap it."""

    async def unwrap(self, wrapped: Wrapped, place: str) -> bytes:
        """Raises Unwrappable."""


class NoProvider:
    """Nobody set one up: who wants to encrypt must not be served without."""

    async def current(self) -> str:
        raise NoKeyProvider(NO_PROVIDER)

    async def wrap(self, secret: bytes, place: str) -> Wrapped:
        raise NoKeyProvider(NO_PROVIDER)

    async def unwrap(self, wrapped: Wrapped, place: str) -> bytes:
        raise NoKeyProvider(NO_PROVIDER)


def new_secret() -> bytes:
    """Of a data key."""
    return os.urandom(SECRET_OCTETS)


def place_of(tenant_id: str, version: int) -> str:
    """What a wrapped key is bound to."""
    return f"data key {version} of {tenant_id}"
