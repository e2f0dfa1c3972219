"""Who asks the admin API: what is asked of the directory, what becomes of its answers, and whose rows are wanted then."""

import asyncio
from base64 import b64encode
from typing import Any

import grpc
import httpx
import pytest
from admin_api.adapters.confining import is_confined
from admin_api.app import build
from mailwire.directory.v1 import directory_pb2 as wire

TOKEN = "the-operators-token-of-this-test"
JWT = "eyJ.eyJ.c2ln"


class Directory:
    """Answers with what was put there, and keeps what was asked."""

    def __init__(self, answer: wire.AuthenticateResponse | Exception) -> None:
        self.answer = answer
        self.asked: list[Any] = []
        self.was_confined: list[bool] = []

    async def Authenticate(self, request: wire.AuthenticateRequest, **_: Any) -> wire.AuthenticateResponse:
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def AuthenticateToken(
        self, request: wire.AuthenticateTokenRequest, **_: Any
    ) -> wire.AuthenticateTokenResponse:
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return wire.AuthenticateTokenResponse(answer=self.answer)

    async def ListTenants(self, _: wire.ListTenantsRequest, **__: Any) -> wire.ListTenantsResponse:
        before = is_confined()
        await asyncio.sleep(0)
        assert is_confined() is before
        self.was_confined.append(before)
        return wire.ListTenantsResponse()


def granted(*roles: str) -> wire.AuthenticateResponse:
    identity = wire.Identity(address="root@a.test", tenant_id="tenant-1", roles=roles)
    return wire.AuthenticateResponse(granted=True, verdict=wire.VERDICT_GRANTED, identity=identity)


async def ask(directory: Directory, authorization: str, path: str = "/v1/whoami") -> httpx.Response:
    app = build(directory, None, TOKEN, 1000, directory)
    transport = httpx.ASGITransport(app, client=("192.0.2.9", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://admin.test") as client:
        return await client.get(path, headers={"Authorization": authorization} if authorization else {})


def basic(login: str, password: str) -> str:
    return "Basic " + b64encode(f"{login}:{password}".encode()).decode()


async def test_a_password_with_a_colon_and_the_address_of_who_asks() -> None:
    directory = Directory(granted("auditor"))
    answer = await ask(directory, basic("r\u00f6ot@a.test", "a:b"))
    assert answer.json() == {"address": "root@a.test", "tenant_id": "tenant-1", "roles": ["auditor"]}
    assert directory.asked == [
        wire.AuthenticateRequest(
            login="r\u00f6ot@a.test", password="a:b", door="admin", client_address="192.0.2.9"
        )
    ]


async def test_a_token_of_a_provider() -> None:
    directory = Directory(granted("administrator"))
    assert (await ask(directory, f"bearer {JWT}")).json()["roles"] == ["administrator"]
    [asked] = directory.asked
    assert (asked.login, asked.token, asked.door) == ("", JWT, "admin")


async def test_the_operator_asks_nobody() -> None:
    directory = Directory(granted("administrator"))
    assert (await ask(directory, f"Bearer {TOKEN}")).json()["roles"] == ["operator"]
    assert directory.asked == []


@pytest.mark.parametrize(
    "given", ["", "Bearer guess", "Bearer a.b", "Basic", "Basic %%%", "Basic YWJj", "Digest x", "Basic /w=="]
)
async def test_what_is_no_login_is_asked_of_nobody(given: str) -> None:
    directory = Directory(granted("administrator"))
    answer = await ask(directory, given)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert directory.asked == []


THROTTLED = wire.AuthenticateResponse(verdict=wire.VERDICT_THROTTLED, retry_after_seconds=7.6)


@pytest.mark.parametrize("given", [basic("root@a.test", "secret"), f"Bearer {JWT}"])
@pytest.mark.parametrize(
    ("said", "status", "retry_after"),
    [
        (wire.AuthenticateResponse(verdict=wire.VERDICT_DENIED), 401, None),
        (THROTTLED, 429, "8"),
        (granted(), 403, None),
        (grpc.StatusCode.UNAVAILABLE, 503, "2"),
        (grpc.StatusCode.INTERNAL, 503, "2"),
        (grpc.StatusCode.INVALID_ARGUMENT, 401, None),
    ],
)
async def test_nobody_comes_in_without_a_clear_yes(
    given: str, said: Any, status: int, retry_after: str | None
) -> None:
    if isinstance(said, grpc.StatusCode):
        said = grpc.aio.AioRpcError(said, grpc.aio.Metadata(), grpc.aio.Metadata(), "", "")
    directory = Directory(said)
    answer = await ask(directory, given, "/v1/tenants")
    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, retry_after)
    assert directory.was_confined == [], "nothing was looked at"
    assert "secret" not in answer.text


async def test_only_who_is_not_the_operator_is_confined() -> None:
    directory = Directory(granted("auditor"))
    assert (await ask(directory, basic("root@a.test", "x"), "/v1/tenants")).status_code == 200
    assert (await ask(directory, f"Bearer {TOKEN}", "/v1/tenants")).status_code == 200
    assert directory.was_confined == [True, False]
    assert not is_confined()


async def test_requests_at_once_do_not_stand_in_each_others_walls() -> None:
    directory = Directory(granted("auditor"))
    app = build(directory, None, TOKEN, 1000, directory)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://admin.test") as client:

        async def one(number: int) -> bool:
            authorization = f"Bearer {TOKEN}" if number % 2 else basic("root@a.test", "x")
            answer = await client.get("/v1/whoami", headers={"Authorization": authorization})
            await client.get("/v1/tenants", headers={"Authorization": authorization})
            return (answer.json()["roles"] == ["operator"]) is bool(number % 2)

        assert all(await asyncio.gather(*(one(number) for number in range(40))))
    assert sorted(directory.was_confined) == [False] * 20 + [True] * 20
