"""Tokens of a real OpenID provider over HTTPS: right ones let in, and nothing else does."""

import hmac
import itertools
import json
import ssl
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network

import grpc
import pytest
from directory.adapters.issuers import Issuers, IssuerUnavailable, checked_address
from joserfc.jwk import RSAKey
from mailwire.directory.v1 import directory_pb2 as wire
from mailwire.directory.v1 import openid_pb2 as openid

from tests.support.engines import Engines
from tests.support.issuer import CLIENT, Issuer, running_issuer

from .conftest import House, opened

GRANTED, DENIED = wire.VERDICT_GRANTED, wire.VERDICT_DENIED
OURS = [ip_network("127.0.0.0/8"), ip_network("::1/128")]


class Clock:
    """Of the questions to providers, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    with running_issuer(tmp_path_factory.mktemp("issuer")) as issuer:
        yield issuer


@pytest.fixture
def issuer(running: Issuer) -> Issuer:
    running.asked.clear()
    running.configuration, running.status, running.redirect, running.padding = {}, 200, "", 0
    return running


@pytest.fixture
def ticks() -> Clock:
    return Clock()


def trusting(issuer: Issuer) -> ssl.SSLContext:
    context = ssl.create_default_context()
    issuer.ca.configure_trust(context)
    return context


@pytest.fixture
async def house(engines: Engines, clean: None, issuer: Issuer, ticks: Clock) -> AsyncIterator[House]:
    issuers = Issuers(trusting(issuer), OURS, ticks)
    async with opened(engines, [], issuers=issuers) as house:
        await house.account(house.at("alice"))
        await provide(house, issuer)
        yield house
    await issuers.close()


async def provide(house: House, issuer: Issuer, secret: str | None = None, **more: object) -> None:
    provider = openid.OpenidProvider(issuer=issuer.url, audiences=["mail"], **more)  # type: ignore[arg-type]
    await house.openid.SetOpenidProvider(
        openid.SetOpenidProviderRequest(tenant=house.tenant, provider=provider, client_secret=secret)
    )


places = itertools.count(1)


async def bear(house: House, token: str, login: str | None = None) -> wire.AuthenticateTokenResponse:
    """Each time from another place: how failures are counted is not the matter here."""
    answer: wire.AuthenticateTokenResponse = await house.ask.AuthenticateToken(
        wire.AuthenticateTokenRequest(
            login=house.at("alice") if login is None else login,
            token=token,
            door="imap",
            client_address=f"198.18.{(number := next(places)) // 250}.{number % 250}",
        )
    )
    return answer


async def verdict(house: House, token: str, login: str | None = None) -> "wire.Verdict.ValueType":
    return (await bear(house, token, login)).answer.verdict


async def test_a_right_token_says_who_it_is_for_as_long_as_it_holds(house: House, issuer: Issuer) -> None:
    token = issuer.token(house.at("Alice"), house.clock.now)
    for login in (house.at("alice"), house.at("ALICE"), ""):
        answer = (await bear(house, token, login)).answer
        assert (answer.verdict, answer.identity.address) == (GRANTED, house.at("alice"))
        assert answer.remember_seconds == 3600
    # The configuration and the keys are asked for once.
    assert len(issuer.asked) == 2
    house.clock.advance(3661)
    assert await verdict(house, token) == DENIED


@pytest.mark.parametrize(
    "more",
    [
        {"iss": "https://elsewhere.example"},
        {"aud": "another service"},
        {"aud": None},
        {"aud": []},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": 1e300},
        {"exp": True},
        {"nbf": 4_000_000_000},
        {"email": None},
        {"email": ["alice"]},
        {"email": "bob@elsewhere.example"},
        {"email_verified": False},
    ],
    ids=str,
)
async def test_claims_that_let_nobody_in(house: House, issuer: Issuer, more: dict[str, object]) -> None:
    assert await verdict(house, issuer.token(house.at("alice"), house.clock.now, **more)) == DENIED


def part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


async def test_signatures_that_let_nobody_in(house: House, issuer: Issuer) -> None:
    address, now, own = house.at("alice"), house.clock.now, issuer.keys[-1]
    assert own.kid is not None
    forged = RSAKey.generate_key(2048, {"kid": own.kid})
    head, body, _ = issuer.token(address, now).split(".")
    # Signed with the public key as if it were a secret.
    signed = f"{part({'alg': 'HS256', 'kid': own.kid})}.{body}"
    code = hmac.digest(own.as_pem(private=False), signed.encode(), "sha256")
    secret = f"{signed}.{urlsafe_b64encode(code).decode().rstrip('=')}"
    unsigned = "eyJhbGciOiJub25lIn0." + body + "."
    for token in (
        issuer.token(address, now, key=forged),
        f"{head}.{body}.",
        f"{head}.{body}.AAAA",
        secret,
        unsigned,
        "a.b.c",
        "..",
        "",
        "x" * 20_000,
        f"{head}.{body}.{'A' * 20_000}",
        "\u00e4.\u00e4.\u00e4",
    ):
        assert await verdict(house, token) == DENIED, token
        assert await verdict(house, token, "") == DENIED, token


async def test_a_token_is_for_its_own_account_only(house: House, issuer: Issuer) -> None:
    await house.account(house.at("bob"))
    bobs = issuer.token(house.at("bob"), house.clock.now)
    assert await verdict(house, bobs, house.at("alice")) == DENIED
    assert await verdict(house, bobs, house.at("bob")) == GRANTED
    await house.alias(house.at("team"), house.at("alice"))
    assert await verdict(house, issuer.token(house.at("team"), house.clock.now), "") == DENIED
    await house.order.UpdateAccount(wire.UpdateAccountRequest(account=house.at("bob"), suspended=True))
    assert await verdict(house, bobs, house.at("bob")) == DENIED


async def test_another_tenants_provider_lets_nobody_in(house: House, issuer: Issuer) -> None:
    theirs = f"theirs.{house.domain}"
    await house.order.CreateDomain(wire.CreateDomainRequest(name=theirs, tenant=house.other))
    await house.account(f"alice@{theirs}")
    token = issuer.token(f"alice@{theirs}", house.clock.now)
    assert await verdict(house, token, f"alice@{theirs}") == DENIED
    assert await verdict(house, token, "") == DENIED
    assert (await bear(house, token, f"alice@{theirs}")).openid_configuration == ""


async def test_a_no_says_where_tokens_are_had_whoever_asks(house: House, issuer: Issuer) -> None:
    await provide(house, issuer, required_scopes=["openid", "mail.read"])
    for name in ("alice", "nobody"):
        answer = await bear(house, issuer.token(house.at(name), house.clock.now), house.at(name))
        assert answer.answer.verdict == DENIED
        assert answer.openid_configuration == issuer.url + "/.well-known/openid-configuration"
        assert answer.scope == "openid mail.read"
    enough = issuer.token(house.at("alice"), house.clock.now, scope="mail.read openid more")
    assert await verdict(house, enough) == GRANTED
    listed = issuer.token(house.at("alice"), house.clock.now, scope=None, scp=["openid", "mail.read"])
    assert await verdict(house, listed) == GRANTED


async def test_another_claim_may_name_the_account(house: House, issuer: Issuer) -> None:
    await provide(house, issuer, address_claim="upn")
    assert await verdict(house, issuer.token(house.at("alice"), house.clock.now)) == DENIED
    token = issuer.token("x@y.example", house.clock.now, upn=house.at("alice"))
    assert await verdict(house, token, "") == GRANTED


async def test_new_keys_are_found_but_nobody_makes_us_ask(house: House, issuer: Issuer, ticks: Clock) -> None:
    old = issuer.token(house.at("alice"), house.clock.now)
    assert await verdict(house, old) == GRANTED
    issuer.rotate()
    new = issuer.token(house.at("alice"), house.clock.now)
    asked = len(issuer.asked)
    for _ in range(5):
        assert await verdict(house, new, "") in (DENIED,)
    assert len(issuer.asked) == asked, "the keys were asked for a moment ago"
    ticks.now += 31
    house.clock.advance(61)
    newer = issuer.token(house.at("alice"), house.clock.now)
    assert await verdict(house, newer) == GRANTED
    assert len(issuer.asked) == asked + 1
    assert await verdict(house, issuer.token(house.at("alice"), house.clock.now, sub="other")) == GRANTED
    unknown = RSAKey.generate_key(2048, {"kid": "nobody's"})
    for number in range(5):
        forged = issuer.token(house.at("alice"), house.clock.now, key=unknown, sub=str(number))
        assert await verdict(house, forged) == DENIED
    assert len(issuer.asked) == asked + 1


async def test_tokens_that_are_no_jwt_are_asked_about(house: House, issuer: Issuer) -> None:
    issuer.opaque["opaque-token"] = {"active": True, **issuer.claims(house.at("alice"), house.clock.now)}
    assert await verdict(house, "opaque-token") == DENIED, "no client: nobody to ask"
    house.clock.advance(1)
    await provide(house, issuer, client_id=CLIENT[0], secret=CLIENT[1])
    issuer.opaque["another-token"] = issuer.opaque["opaque-token"]
    assert await verdict(house, "another-token") == GRANTED
    asked = len(issuer.asked)
    assert await verdict(house, "another-token") == GRANTED
    assert len(issuer.asked) == asked
    assert await verdict(house, "unknown-token") == DENIED
    # Whatever else is changed, the secret stays, and is never told.
    await provide(house, issuer, client_id=CLIENT[0], required_scopes=["mail"])
    [shown] = (
        await house.openid.ListOpenidProviders(openid.ListOpenidProvidersRequest(tenant=house.tenant))
    ).providers
    assert shown.has_client_secret
    assert CLIENT[1] not in str(shown)
    issuer.opaque["third-token"] = issuer.opaque["opaque-token"]
    assert await verdict(house, "third-token") == GRANTED


@pytest.mark.parametrize(
    "fault", ["away", "error", "redirect", "large", "other issuer", "http keys", "inside"]
)
async def test_a_provider_that_cannot_be_asked_is_no_answer(
    engines: Engines, clean: None, issuer: Issuer, fault: str
) -> None:
    """Neither a yes nor a no: it may be right."""
    inside = [] if fault == "inside" else OURS
    issuers = Issuers(trusting(issuer) if fault != "away" else ssl.create_default_context(), inside)
    async with opened(engines, [], issuers=issuers) as house:
        await house.account(house.at("alice"))
        await provide(house, issuer)
        if fault == "error":
            issuer.status = 500
        elif fault == "redirect":
            issuer.redirect = f"{issuer.url}/elsewhere"
        elif fault == "large":
            issuer.padding = 600_000
        elif fault == "other issuer":
            issuer.configuration = {"issuer": "https://elsewhere.example"}
        elif fault == "http keys":
            issuer.configuration = {"jwks_uri": "http://localhost/keys"}
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await bear(house, issuer.token(house.at("alice"), house.clock.now))
        assert error.value.code() is grpc.StatusCode.UNAVAILABLE
        if fault in ("inside", "away"):
            assert issuer.asked == []
    await issuers.close()


def test_a_provider_that_leads_inside_by_a_gateway_is_refused_like_any_other() -> None:
    inside = [ip_network("10.1.0.0/16")]
    for address in ("8.8.8.8", "64:ff9b::8.8.8.8", "10.1.2.3", "64:ff9b::10.1.2.3"):
        assert checked_address("issuer.example", [address], inside) == address
    for address in ("127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:10.2.0.1", "64:ff9b::10.2.0.1"):
        with pytest.raises(IssuerUnavailable):
            checked_address("issuer.example", ["8.8.8.8", address], inside)


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example",
        "https://",
        "https://user:pw@issuer.example",
        "https://issuer.example/?a=b",
        "https://issuer.example/#a",
        "ftp://issuer.example",
        "issuer.example",
        "https://issuer.example/a b",
        "https://b\u00fccher.example",
    ],
)
async def test_what_is_no_issuer(house: House, url: str) -> None:
    request = openid.SetOpenidProviderRequest(
        tenant=house.tenant, provider=openid.OpenidProvider(issuer=url, audiences=["mail"])
    )
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await house.openid.SetOpenidProvider(request)
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_without_an_audience_there_is_no_provider(house: House) -> None:
    request = openid.SetOpenidProviderRequest(
        tenant=house.tenant, provider=openid.OpenidProvider(issuer="https://issuer.example")
    )
    with pytest.raises(grpc.aio.AioRpcError):
        await house.openid.SetOpenidProvider(request)


async def test_a_provider_that_is_taken_away_lets_nobody_in_any_more(house: House, issuer: Issuer) -> None:
    token = issuer.token(house.at("alice"), house.clock.now)
    assert await verdict(house, token) == GRANTED
    await house.openid.DeleteOpenidProvider(
        openid.DeleteOpenidProviderRequest(tenant=house.tenant, issuer=issuer.url)
    )
    assert await verdict(house, token) == DENIED


async def test_wrong_tokens_count_as_wrong_passwords_do(house: House, issuer: Issuer) -> None:
    answers = []
    for number in range(8):
        request = wire.AuthenticateTokenRequest(
            login=house.at("alice"),
            token=issuer.token(house.at("alice"), house.clock.now, aud="another", sub=str(number)),
            door="smtp",
            client_address="203.0.113.5",
        )
        answers.append((await house.ask.AuthenticateToken(request)).answer.verdict)
    assert answers == [DENIED] * 6 + [wire.VERDICT_THROTTLED] * 2
