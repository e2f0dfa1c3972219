"""What a tenant's OpenID provider may say and leave unsaid, without harm to others."""

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from directory.adapters.issuers import ANSWER_OCTETS, Issuers, IssuerUnavailable
from directory.core.names import NameInvalid
from directory.core.openid import Provider, TokenWrong, granted, issuer_url

URL = "https://127.0.0.1"
PROVIDER = Provider("a tenant", URL, ("mail",), client_id="mail")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Told:
    """A provider in the place of the network. `said` by path; `asked`: the requests."""

    def __init__(self) -> None:
        self.said: dict[str, Any] = {}
        self.asked: list[httpx.Request] = []
        self.now = 1000.0
        self.came = asyncio.Event()
        self.hold: asyncio.Event | None = None

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.hold is not None:
            self.came.set()
            await self.hold.wait()
        found = self.said.get(request.url.path)
        if isinstance(found, httpx.Response):
            return found
        text = httpx.ByteStream(json.dumps(found).encode())
        return httpx.Response(404 if found is None else 200, stream=text)

    def configure(self, **more: str) -> None:
        self.said["/.well-known/openid-configuration"] = {"issuer": URL, "jwks_uri": f"{URL}/keys", **more}


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def issuers(told: Told, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Issuers]:
    made: Callable[..., httpx.AsyncClient] = httpx.AsyncClient

    def client(**_options: Any) -> httpx.AsyncClient:
        return made(transport=httpx.MockTransport(told.answer))

    monkeypatch.setattr(httpx, "AsyncClient", client)
    issuers = Issuers(ssl.create_default_context(), [ip_network("127.0.0.0/8")], lambda: told.now)
    yield issuers
    await issuers.close()


async def test_an_answer_that_is_packed_is_not_unpacked(issuers: Issuers, told: Told) -> None:
    told.configure()
    bomb = gzip.compress(json.dumps({"keys": [], "x": "x" * 50_000_000}).encode())
    assert len(bomb) < ANSWER_OCTETS
    told.said["/keys"] = httpx.Response(
        200, stream=httpx.ByteStream(bomb), headers={"Content-Encoding": "gzip"}
    )
    with pytest.raises(IssuerUnavailable):
        await issuers.keys(PROVIDER)
    assert {each.headers["Accept-Encoding"] for each in told.asked} == {"identity"}


async def test_what_is_no_url_in_its_configuration_is_its_own_fault(issuers: Issuers, told: Told) -> None:
    for url in ("https://[x", "https://127.0.0.1:x/", "", "keys"):
        told.configure(jwks_uri=url)
        with pytest.raises(IssuerUnavailable):
            await issuers.keys(PROVIDER)
        told.now += 4000.0


async def test_keys_come_by_https_only(issuers: Issuers, told: Told) -> None:
    """Whoever is on the way could put keys of their own in their place."""
    told.configure(jwks_uri="http://127.0.0.1/keys")
    told.said["/keys"] = {"keys": [{"kid": "anybody's"}]}
    with pytest.raises(IssuerUnavailable):
        await issuers.keys(PROVIDER)
    assert {each.url.scheme for each in told.asked} == {"https"}


async def test_one_that_is_away_is_not_asked_for_every_token(issuers: Issuers, told: Told) -> None:
    for _ in range(3):
        with pytest.raises(IssuerUnavailable):
            await issuers.introspect(PROVIDER, "a token")
    assert len(told.asked) == 1
    told.configure(introspection_endpoint=f"{URL}/introspect")
    told.said["/introspect"] = {"active": True}
    told.now += 6.0
    assert await issuers.introspect(PROVIDER, "a token") == {"iss": URL, "active": True}


async def test_who_leaves_while_new_keys_are_fetched_keeps_them_from_nobody(
    issuers: Issuers, told: Told
) -> None:
    told.configure()
    told.said["/keys"] = {"keys": [{"kid": "old"}]}
    await issuers.keys(PROVIDER)
    told.said["/keys"] = {"keys": [{"kid": "new"}]}
    told.now += 60.0
    told.hold = asyncio.Event()
    leaving = asyncio.create_task(issuers.keys(PROVIDER, again=True))
    await told.came.wait()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    told.hold = None
    assert (await issuers.keys(PROVIDER, again=True))["keys"] == [{"kid": "new"}]


@pytest.mark.parametrize("audience", [[{}], {}, [["mail"]], {"mail": 1}, 1])
def test_an_audience_of_any_form_is_a_no_and_no_fault_of_ours(audience: object) -> None:
    with pytest.raises(TokenWrong):
        granted({"iss": URL, "aud": audience, "exp": 4e9, "email": "a@b.test"}, PROVIDER, NOW)


@pytest.mark.parametrize("url", ["https://[x", "https://issuer.example:99999", "https://issuer.example:x"])
def test_what_is_no_url_is_no_issuer(url: str) -> None:
    with pytest.raises(NameInvalid):
        issuer_url(url)
