"""/v1/accounts/{account}/second-factors."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Request
from mailwire.directory.v1 import second_factor_pb2 as wire
from mailwire.directory.v1.second_factor_pb2_grpc import DirectorySecondFactorServiceStub
from pydantic import BaseModel, Field

from admin_api.adapters.directory import SECONDS
from admin_api.models import Wire

router = APIRouter()
TAGS: list[str | Any] = ["second factors"]
PATH = "/v1/accounts/{account:path}/second-factors"
Name = Annotated[str, Field(max_length=100, examples=["phone"])]


class SecondFactor(BaseModel):
    """What a web login asks for after the password."""

    factor_id: str
    kind: Annotated[str, Field(description="totp or webauthn")]
    name: str
    created_at: datetime
    last_used_at: datetime | None


class SecondFactors(BaseModel):
    items: list[SecondFactor]
    recovery_codes_left: int


class NewTotp(Wire):
    name: Name


class MadeTotp(BaseModel):
    """The only answer that ever shows the seed. It counts when a code of it has been given."""

    factor_id: str
    secret: str
    uri: Annotated[str, Field(description="to be shown as a QR code")]


class TotpCode(Wire):
    totp_code: Annotated[str, Field(max_length=20, examples=["123456"])]


class WebauthnOptions(BaseModel):
    """For navigator.credentials.create."""

    challenge_id: str
    options: dict[str, Any]


class NewWebauthn(Wire):
    name: Name
    challenge_id: Annotated[str, Field(max_length=100)]
    response: Annotated[dict[str, Any], Field(description="what navigator.credentials.create gave")]


class RecoveryCodes(BaseModel):
    """The only answer that ever shows them; each is good once."""

    codes: list[str]


def attach(app: FastAPI, stub: DirectorySecondFactorServiceStub) -> None:
    """Give the routes their stub."""
    app.state.second_factors = stub


def _shown(message: wire.SecondFactor) -> SecondFactor:
    return SecondFactor(
        factor_id=message.factor_id,
        kind=message.kind,
        name=message.name,
        created_at=message.created_at.ToDatetime(UTC),
        last_used_at=message.last_used_at.ToDatetime(UTC) if message.HasField("last_used_at") else None,
    )


@router.get(PATH, tags=TAGS)
async def list_second_factors(account: str, request: Request) -> SecondFactors:
    """What an account's web logins ask for after the password. With one of them, other doors want app passwords."""
    found = await request.app.state.second_factors.ListSecondFactors(
        wire.ListSecondFactorsRequest(account=account), timeout=SECONDS
    )
    return SecondFactors(
        items=[_shown(each) for each in found.factors], recovery_codes_left=found.recovery_codes_left
    )


@router.post(PATH + "/totp", status_code=201, tags=TAGS)
async def enrol_totp(account: str, new: NewTotp, request: Request) -> MadeTotp:
    """Make a seed for a program that shows codes (RFC 6238)."""
    made = await request.app.state.second_factors.EnrolTotp(
        wire.EnrolTotpRequest(account=account, name=new.name), timeout=SECONDS
    )
    return MadeTotp(factor_id=made.factor_id, secret=made.secret, uri=made.uri)


@router.post(PATH + "/totp/{factor_id}/confirm", tags=TAGS)
async def confirm_totp(account: str, factor_id: str, given: TotpCode, request: Request) -> SecondFactor:
    """Show that the program has the seed: from now on it is a second factor."""
    made = await request.app.state.second_factors.ConfirmTotp(
        wire.ConfirmTotpRequest(account=account, factor_id=factor_id, totp_code=given.totp_code),
        timeout=SECONDS,
    )
    return _shown(made.factor)


@router.post(PATH + "/webauthn/options", tags=TAGS)
async def begin_webauthn(account: str, request: Request) -> WebauthnOptions:
    """What a browser needs to make a security key or passkey a second factor."""
    made = await request.app.state.second_factors.BeginWebauthnEnrolment(
        wire.BeginWebauthnEnrolmentRequest(account=account), timeout=SECONDS
    )
    return WebauthnOptions(challenge_id=made.challenge_id, options=json.loads(made.options_json))


@router.post(PATH + "/webauthn", status_code=201, tags=TAGS)
async def finish_webauthn(account: str, new: NewWebauthn, request: Request) -> SecondFactor:
    """What the browser gave back: from now on it is a second factor."""
    made = await request.app.state.second_factors.FinishWebauthnEnrolment(
        wire.FinishWebauthnEnrolmentRequest(
            account=account,
            challenge_id=new.challenge_id,
            name=new.name,
            response_json=json.dumps(new.response),
        ),
        timeout=SECONDS,
    )
    return _shown(made.factor)


@router.post(PATH + "/recovery-codes", status_code=201, tags=TAGS)
async def make_recovery_codes(account: str, request: Request) -> RecoveryCodes:
    """New recovery codes; the old ones are worth nothing any more."""
    made = await request.app.state.second_factors.MakeRecoveryCodes(
        wire.MakeRecoveryCodesRequest(account=account), timeout=SECONDS
    )
    return RecoveryCodes(codes=list(made.codes))


@router.delete(PATH + "/{factor_id}", status_code=204, tags=TAGS)
async def delete_second_factor(account: str, factor_id: str, request: Request) -> None:
    """Take a second factor away: of a telephone that was lost, say."""
    await request.app.state.second_factors.DeleteSecondFactor(
        wire.DeleteSecondFactorRequest(account=account, factor_id=factor_id), timeout=SECONDS
    )
