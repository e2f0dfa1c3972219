"""Asking OpenID providers: their configuration, their keys, and about tokens.

The URLs are a tenant's choice and must not lead into our own network: only https on any port, every address of the name
looked at before one is connected to (and that very one is), no redirects, no proxy, little time, few octets. Names of
an issuer's own configuration are looked at the same way. What was fetched is remembered; a key that is not among those
remembered is looked for again, but not more often than every half minute, so that nobody makes us ask. Names are looked up
in threads of their own: a name server that says nothing keeps one for longer than anybody waits.
"""

import asyncio
import json
import socket
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx
from servicekit.addresses import is_public, reached

from directory.core.openid import Provider, TokenWrong

ANSWER_SECONDS = 5.0
ANSWER_OCTETS = 512 * 1024
CONFIGURATION_SECONDS = 3600.0
KEYS_SECONDS = 600.0
KEYS_AGAIN_SECONDS = 30.0
# An issuer that is away for a while: its keys still hold.
KEYS_STALE_SECONDS = 86_400.0
# A configuration that could not be had is not asked for again at once.
CONFIGURATION_AGAIN_SECONDS = 5.0
MOST_KEPT = 1000
NAME_THREADS = 16


class IssuerUnavailable(Exception):
    """The provider does not answer as one does; whether the token is right is not known."""


@dataclass(slots=True)
class _Known:
    configuration: Mapping[str, Any] | None = None
    configured_at: float = float("-inf")
    failed_at: float = float("-inf")
    keys: Mapping[str, Any] | None = None
    fetched_at: float = float("-inf")
    tried_at: float = float("-inf")


class Issuers:
    """For one process. `inside` are networks of our own that providers may be in."""

    def __init__(
        self,
        trusted: ssl.SSLContext,
        inside: Sequence[IPv4Network | IPv6Network] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inside = inside
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}
        self._names = ThreadPoolExecutor(NAME_THREADS, thread_name_prefix="openid-names")
        self._client = httpx.AsyncClient(
            verify=trusted,
            timeout=ANSWER_SECONDS,
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=0),
        )

    async def close(self) -> None:
        """No more questions."""
        self._names.shutdown(wait=False, cancel_futures=True)
        await self._client.aclose()

    async def keys(self, provider: Provider, *, again: bool = False) -> Mapping[str, Any]:
        """The provider's JWK Set; with `again` one that is as new as may be asked for. Raises IssuerUnavailable."""
        known = self._of(provider.issuer)
        async with self._locks.setdefault(provider.issuer, asyncio.Lock()):
            now = self._clock()
            age = now - known.fetched_at
            wanted = KEYS_AGAIN_SECONDS if again else KEYS_SECONDS
            if known.keys is not None and (age < wanted or now - known.tried_at < KEYS_AGAIN_SECONDS):
                return known.keys
            if known.keys is None and now - known.tried_at < 1.0:
                raise IssuerUnavailable("it did not answer a moment ago")
            before, known.tried_at = known.tried_at, now
            try:
                configuration = await self._configuration(provider, known)
                keys = await self._json("GET", str(configuration.get("jwks_uri", "")))
                if not isinstance(keys.get("keys"), list) or len(keys["keys"]) > 100:
                    raise IssuerUnavailable("that is no set of keys")
            except IssuerUnavailable:
                if known.keys is not None and age < KEYS_STALE_SECONDS:
                    return known.keys
                raise
            except asyncio.CancelledError:
                # Who asked has left: that says nothing of the provider.
                known.tried_at = before
                raise
            known.keys, known.fetched_at = keys, now
            return keys

    async def introspect(self, provider: Provider, token: str) -> Mapping[str, Any]:
        """What the provider says of a token (RFC 7662). Raises TokenWrong, IssuerUnavailable."""
        known = self._of(provider.issuer)
        async with self._locks.setdefault(provider.issuer, asyncio.Lock()):
            configuration = await self._configuration(provider, known)
        endpoint = configuration.get("introspection_endpoint")
        if not isinstance(endpoint, str):
            raise TokenWrong("the provider cannot be asked about tokens")
        said = await self._json(
            "POST",
            endpoint,
            form={"token": token, "token_type_hint": "access_token"},
            credentials=(provider.client_id, provider.client_secret or ""),
        )
        if said.get("active") is not True:
            raise TokenWrong("the provider says that it does not hold")
        # Optional in an answer; who answered is known.
        return {"iss": provider.issuer, **said}

    def _of(self, issuer: str) -> _Known:
        known = self._known.setdefault(issuer, _Known())
        self._known.move_to_end(issuer)
        while len(self._known) > MOST_KEPT:
            forgotten, _ = self._known.popitem(last=False)
            self._locks.pop(forgotten, None)
        return known

    async def _configuration(self, provider: Provider, known: _Known) -> Mapping[str, Any]:
        now = self._clock()
        if known.configuration is None or now - known.configured_at >= CONFIGURATION_SECONDS:
            if now - known.failed_at < CONFIGURATION_AGAIN_SECONDS:
                raise IssuerUnavailable("it did not answer a moment ago")
            try:
                found = await self._json("GET", provider.configuration_url)
                # OpenID Connect Discovery §4.3: it must be the one that was asked for.
                if found.get("issuer") != provider.issuer:
                    raise IssuerUnavailable("its configuration is another issuer's")
            except IssuerUnavailable:
                known.failed_at = self._clock()
                raise
            known.configuration, known.configured_at = found, now
        return known.configuration

    async def _json(
        self,
        method: str,
        url: str,
        form: Mapping[str, str] | None = None,
        credentials: tuple[str, str] | None = None,
    ) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                body = await self._answer(method, url, form, credentials)
            found = json.loads(body)
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            OSError,
            TimeoutError,
            ValueError,
            RecursionError,
        ) as error:
            raise IssuerUnavailable(f"{_host(url)} does not answer as it should: {error}") from error
        if not isinstance(found, dict):
            raise IssuerUnavailable(f"{_host(url)} does not answer with an object")
        return found

    async def _answer(
        self, method: str, url: str, form: Mapping[str, str] | None, credentials: tuple[str, str] | None
    ) -> bytes:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.username is not None:
            raise IssuerUnavailable("providers are asked over https only")
        address = await self._address(parts.hostname, parts.port or 443)
        request = self._client.build_request(
            method,
            httpx.URL(url).copy_with(host=address),
            data=form,
            headers={"Host": parts.netloc, "Accept": "application/json", "Accept-Encoding": "identity"},
            # The certificate must be the name's, though the address is connected to.
            extensions={"sni_hostname": parts.hostname},
        )
        auth = httpx.BasicAuth(*credentials) if credentials is not None else None
        answer = await self._client.send(request, auth=auth, stream=True)
        try:
            if answer.status_code != 200:
                raise IssuerUnavailable(f"{parts.netloc} answers {answer.status_code}")
            body = bytearray()
            # As it came: what is packed could be a thousand times as much.
            async for chunk in answer.aiter_raw():
                body += chunk
                if len(body) > ANSWER_OCTETS:
                    raise IssuerUnavailable(f"{parts.netloc} answers with too much")
            return bytes(body)
        finally:
            await answer.aclose()

    async def _address(self, host: str, port: int) -> str:
        found = await asyncio.get_running_loop().run_in_executor(
            self._names, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        )
        return checked_address(host, [str(each[4][0]) for each in found], self._inside)


def _host(url: str) -> str:
    """For a sentence about it; a provider's own configuration may have any text in the place of a URL."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return "what is no URL"


def checked_address(host: str, addresses: Sequence[str], inside: Sequence[IPv4Network | IPv6Network]) -> str:
    """One that may be connected to. All must be public or of `inside`: one that is not is an attempt."""
    for text in addresses:
        address = ip_address(text.partition("%")[0])
        if isinstance(address, IPv6Address):
            address = reached(address) or address
        if not is_public(str(address)) and not any(
            address in network for network in inside if network.version == address.version
        ):
            raise IssuerUnavailable(f"{host} leads to an address that is not public")
    return addresses[0]
