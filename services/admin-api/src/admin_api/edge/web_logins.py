"""/login: people log in as at a web site, with a second factor where they have one.

What they get is an app password of the scope admin that ends by itself: from then on they ask as programs do. The directory
decides and counts (BeginWebLogin, FinishWebLogin), as it does for every door. No token guards this: it is where one is had.
"""

import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from google.protobuf.timestamp_pb2 import Timestamp
from mailwire.directory.v1 import access_pb2, second_factor_pb2
from mailwire.directory.v1 import directory_pb2 as wire
from mailwire.directory.v1.second_factor_pb2_grpc import DirectoryWebLoginServiceStub
from pydantic import BaseModel, Field, SecretStr

from admin_api.adapters.directory import SECONDS
from admin_api.edge.callers import DOOR
from admin_api.edge.problems import problem
from admin_api.models import Wire

NAME = "web login "
LASTS = timedelta(hours=1)
# Of one account at once; the oldest one goes.
MOST = 10

router = APIRouter(prefix="/login", include_in_schema=False)


class Login(Wire):
    """The first step."""

    login: Annotated[str, Field(max_length=320, description="an address of the account")]
    password: Annotated[SecretStr, Field(max_length=1024)]


class SecondStep(Wire):
    """One of them."""

    totp_code: Annotated[str, Field(max_length=20)] = ""
    recovery_code: Annotated[str, Field(max_length=100)] = ""
    webauthn: Annotated[dict[str, Any] | None, Field(description="what navigator.credentials.get gave")] = (
        None
    )


class Challenge(BaseModel):
    """A second step is to come, at /login/{challenge_id}."""

    challenge_id: str
    kinds: Annotated[list[str], Field(description="what it may be: totp, webauthn, recovery")]
    webauthn_options: Annotated[dict[str, Any] | None, Field(description="for navigator.credentials.get")]


class Entered(BaseModel):
    """To be shown as `Authorization: Basic` with the address; the only answer that has the password."""

    address: str
    roles: list[str]
    password: str
    app_password_id: str
    expires_at: datetime


def attach(app: FastAPI, stub: DirectoryWebLoginServiceStub) -> None:
    """Give the routes their stub, and the application those that the operator's token does not guard."""
    app.state.web_logins = stub
    app.include_router(router)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


@router.post("", response_model=Entered | Challenge)
async def log_in(given: Login, request: Request) -> Entered | Challenge | JSONResponse:
    """With an address and a password: in, or asked for the second factor."""
    found = await request.app.state.web_logins.BeginWebLogin(
        second_factor_pb2.BeginWebLoginRequest(
            login=given.login, password=given.password.get_secret_value(), client_address=_address(request)
        ),
        timeout=SECONDS,
    )
    if not found.challenge_id:
        return await _entered(found.answer, request)
    options = found.webauthn_options_json
    return Challenge(
        challenge_id=found.challenge_id,
        kinds=list(found.kinds),
        webauthn_options=json.loads(options) if options else None,
    )


@router.post("/{challenge_id}", response_model=Entered)
async def finish(challenge_id: str, given: SecondStep, request: Request) -> Entered | JSONResponse:
    """The second factor: good for some minutes, and for some attempts."""
    asked = second_factor_pb2.FinishWebLoginRequest(
        challenge_id=challenge_id, client_address=_address(request)
    )
    if given.webauthn is not None:
        asked.webauthn_response_json = json.dumps(given.webauthn)
    elif given.recovery_code:
        asked.recovery_code = given.recovery_code
    else:
        asked.totp_code = given.totp_code
    found = await request.app.state.web_logins.FinishWebLogin(asked, timeout=SECONDS)
    return await _entered(found.answer, request)


async def _entered(answer: wire.AuthenticateResponse, request: Request) -> Entered | JSONResponse:
    if answer.verdict == wire.VERDICT_THROTTLED:
        after = str(max(1, round(answer.retry_after_seconds)))
        return problem(429, "Too many requests", "Too many failed logins; wait.", {"Retry-After": after})
    if not answer.granted:
        return problem(401, "Unauthorized", "That is wrong, or nobody's.")
    identity = answer.identity
    await _make_room(identity.account_id, request)
    now = datetime.now(UTC)
    expires_at = Timestamp()
    expires_at.FromDatetime(now + LASTS)
    made = await request.app.state.access.CreateAppPassword(
        access_pb2.CreateAppPasswordRequest(
            account=identity.account_id,
            name=f"{NAME}{now:%Y-%m-%d %H:%M:%S} {secrets.token_hex(4)}",
            scopes=[DOOR],
            expires_at=expires_at,
        ),
        timeout=SECONDS,
    )
    return Entered(
        address=identity.address,
        roles=list(identity.roles),
        password=made.password,
        app_password_id=made.app_password.app_password_id,
        expires_at=made.app_password.expires_at.ToDatetime(UTC),
    )


async def _make_room(account_id: str, request: Request) -> None:
    """Those that have ended go, and the oldest ones of too many."""
    access = request.app.state.access
    listed = await access.ListAppPasswords(
        access_pb2.ListAppPasswordsRequest(account=account_id), timeout=SECONDS
    )
    now = datetime.now(UTC)
    logins = sorted(
        (
            each
            for each in listed.app_passwords
            # One that has no end is somebody's own, whatever it is called.
            if each.name.startswith(NAME) and list(each.scopes) == [DOOR] and each.HasField("expires_at")
        ),
        key=lambda each: each.created_at.ToDatetime(UTC),
        reverse=True,
    )
    for place, each in enumerate(logins):
        if place >= MOST - 1 or each.expires_at.ToDatetime(UTC) <= now:
            await access.DeleteAppPassword(
                access_pb2.DeleteAppPasswordRequest(account=account_id, app_password_id=each.app_password_id),
                timeout=SECONDS,
            )
