"""Whether a token of an OpenID provider is right, and whose it is."""

import time
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from directory.adapters.issuers import Issuers
from directory.adapters.openid_providers import OpenidProviders
from directory.core import names, openid
from directory.core.openid import Grant, KeyUnknown, Provider, TokenWrong

# So long an answer about a token that is no JWT is believed: the provider may take it back.
ASKED_SECONDS = 30.0
MOST_ASKED = 10_000


class Tokens:
    """Asks the providers that tenants have named."""

    def __init__(self, providers: OpenidProviders, issuers: Issuers) -> None:
        self._providers = providers
        self._issuers = issuers
        self._asked: OrderedDict[bytes, tuple[float, Mapping[str, Any]]] = OrderedDict()

    async def login_of(self, token: str) -> str:
        """Whom a JWT names, whoever made it; "" for one that names nobody whom we could know."""
        try:
            said = openid.unproved(token)
        except TokenWrong:
            return ""
        issuer = said.get("iss")
        if not isinstance(issuer, str):
            return ""
        for claim in await self._providers.claims_of(issuer):
            named = said.get(claim)
            if not isinstance(named, str):
                continue
            # Many tenants may have the issuer: the one whose the address is says which claim counts.
            for provider in await self.providers(named):
                if (provider.issuer, provider.address_claim) == (issuer, claim):
                    return named
        return ""

    async def providers(self, login: str) -> list[Provider]:
        """Whose tokens are good for a login."""
        key = names.split(login)
        return await self._providers.of_domain(key[1]) if key is not None else []

    async def grant(self, token: str, providers: list[Provider], now: datetime) -> Grant:
        """What it grants, by any of these. Raises TokenWrong, IssuerUnavailable, DatabaseUnavailable."""
        if len(token) > openid.TOKEN_OCTETS:
            raise TokenWrong("it is too long")
        if not openid.is_jwt(token):
            return await self._asked_about(token, [each for each in providers if each.client_id], now)
        issuer = openid.unproved(token).get("iss")
        for provider in providers:
            if provider.issuer == issuer:
                try:
                    return openid.proved(token, await self._issuers.keys(provider), provider, now)
                except KeyUnknown:
                    keys = await self._issuers.keys(provider, again=True)
                    return openid.proved(token, keys, provider, now)
        raise TokenWrong("the tenant has no such provider")

    async def _asked_about(self, token: str, providers: list[Provider], now: datetime) -> Grant:
        wrong: TokenWrong = TokenWrong("the tenant has no provider that could be asked about it")
        for provider in providers:
            try:
                return openid.granted(await self._said(provider, token), provider, now)
            except TokenWrong as error:
                wrong = error
        raise wrong

    async def _said(self, provider: Provider, token: str) -> Mapping[str, Any]:
        key = sha256(f"{provider.tenant_id} {provider.issuer} {token}".encode()).digest()
        known = self._asked.get(key)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        said = await self._issuers.introspect(provider, token)
        self._asked[key] = time.monotonic() + ASKED_SECONDS, said
        while len(self._asked) > MOST_ASKED:
            self._asked.popitem(last=False)
        return said
