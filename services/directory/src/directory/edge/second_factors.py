"""DirectorySecondFactorService and DirectoryWebLoginService: the second step of a web login, and what it is made of."""

import json
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import grpc
import pyotp
import webauthn
from google.protobuf.timestamp_pb2 import Timestamp
from mailwire.directory.v1 import directory_pb2
from mailwire.directory.v1 import second_factor_pb2 as wire
from mailwire.directory.v1.second_factor_pb2_grpc import (
    DirectorySecondFactorServiceServicer,
    DirectoryWebLoginServiceServicer,
)
from webauthn.helpers import options_to_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import PublicKeyCredentialDescriptor

from directory.adapters.accounts import Accounts
from directory.adapters.second_factors import FactorRecord, Owner, SecondFactors
from directory.core import app_passwords, names, second_factor
from directory.core.sealing import Sealer, Unopened
from directory.edge.answers import mapped, order
from directory.edge.finding import account_of
from directory.edge.questions import answer_message
from directory.edge.signing_in import Attempt, Denied, Half, SecondStep, SigningIn
from directory.ports import AccountRecord, Change, InUse, Missing

Context = grpc.aio.ServicerContext[Any, Any]
RESPONSE_OCTETS = 65_536
LOGIN, ENROLMENT = "login", "enrolment"
DENIED = directory_pb2.AuthenticateResponse(granted=False, verdict=directory_pb2.VERDICT_DENIED)


class Site:
    """What WebAuthn binds credentials to: a domain (the RP ID), and the origins of its pages. None: no WebAuthn."""

    def __init__(self, domain: str, origins: Sequence[str]) -> None:
        self.domain = domain
        self.origins = list(origins)


def _factor(record: FactorRecord) -> wire.SecondFactor:
    message = wire.SecondFactor(factor_id=record.factor_id, kind=record.kind, name=record.name)
    message.created_at.FromDatetime(record.created_at)
    if record.last_used_at is not None:
        stamp = Timestamp()
        stamp.FromDatetime(record.last_used_at)
        message.last_used_at.CopyFrom(stamp)
    return message


class SecondFactorOrders(DirectorySecondFactorServiceServicer):
    """Answers owners and the operator."""

    def __init__(
        self,
        accounts: Accounts,
        factors: SecondFactors,
        sealer: Sealer | None,
        site: Site | None,
        tell: Callable[[Change], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._accounts = accounts
        self._factors = factors
        self._sealer = sealer
        self._site = site
        self._tell = tell
        self._clock = clock

    def _changed(self, account: AccountRecord) -> None:
        # Doors remember for a while that the password alone was enough.
        self._tell(Change(account.tenant_id, account.account_id, (account.address,)))

    async def _one(self, account: AccountRecord, factor_id: str) -> FactorRecord:
        for each in await self._factors.listing(account):
            if each.factor_id == factor_id:
                return each
        raise Missing(f"the account has no second factor {factor_id}")

    @order
    async def ListSecondFactors(
        self, request: wire.ListSecondFactorsRequest, context: Context
    ) -> wire.ListSecondFactorsResponse:
        account = await account_of(self._accounts, request.account)
        return wire.ListSecondFactorsResponse(
            factors=[_factor(each) for each in await self._factors.listing(account) if each.confirmed],
            recovery_codes_left=await self._factors.codes_left(account),
        )

    @order
    async def EnrolTotp(self, request: wire.EnrolTotpRequest, context: Context) -> wire.EnrolTotpResponse:
        account, name = await account_of(self._accounts, request.account), app_passwords.name(request.name)
        if self._sealer is None:
            raise InUse("this installation has no secret to keep seeds of TOTP with")
        factor_id, secret = str(uuid4()), pyotp.random_base32()
        sealed = self._sealer.seal(secret.encode(), ("totp", account.account_id, factor_id))
        await self._factors.add_totp(account, name, factor_id, sealed)
        uri = second_factor.totp_uri(secret, account.address, account.address.rpartition("@")[2])
        return wire.EnrolTotpResponse(factor_id=factor_id, secret=secret, uri=uri)

    @order
    async def ConfirmTotp(
        self, request: wire.ConfirmTotpRequest, context: Context
    ) -> wire.ConfirmTotpResponse:
        account, now = await account_of(self._accounts, request.account), self._clock()
        record = await self._one(account, request.factor_id)
        step = totp_step(self._sealer, account, record, request.totp_code, now)
        if step is None or not await self._factors.use(account, record.factor_id, step, now):
            raise names.NameInvalid("that is not the code that it shows now")
        self._changed(account)
        return wire.ConfirmTotpResponse(factor=_factor(await self._one(account, record.factor_id)))

    @order
    async def BeginWebauthnEnrolment(
        self, request: wire.BeginWebauthnEnrolmentRequest, context: Context
    ) -> wire.BeginWebauthnEnrolmentResponse:
        account, site = await account_of(self._accounts, request.account), self._the_site()
        challenge = os.urandom(32)
        known = [each for each in await self._factors.listing(account) if each.webauthn_id is not None]
        options = webauthn.generate_registration_options(
            rp_id=site.domain,
            rp_name=site.domain,
            user_id=account.account_id.encode(),
            user_name=account.address,
            user_display_name=account.display_name or account.address,
            challenge=challenge,
            exclude_credentials=_descriptors(known),
        )
        challenge_id = await self._factors.challenge(account, ENROLMENT, challenge, self._clock())
        return wire.BeginWebauthnEnrolmentResponse(
            challenge_id=challenge_id, options_json=options_to_json(options)
        )

    @order
    async def FinishWebauthnEnrolment(
        self, request: wire.FinishWebauthnEnrolmentRequest, context: Context
    ) -> wire.FinishWebauthnEnrolmentResponse:
        account, site = await account_of(self._accounts, request.account), self._the_site()
        name = app_passwords.name(request.name)
        challenge_id = request.challenge_id
        found = None
        if names.is_id(challenge_id):
            found = await self._factors.attempt(challenge_id, ENROLMENT, self._clock())
        if found is None or found.account_id != account.account_id:
            raise Missing("there is no such challenge any more; begin again")
        try:
            made = webauthn.verify_registration_response(
                credential=_response(request.response_json),
                expected_challenge=found.challenge,
                expected_rp_id=site.domain,
                expected_origin=site.origins,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError) as error:
            raise names.NameInvalid("that is no answer to the challenge") from error
        if not await self._factors.settle(challenge_id):
            raise Missing("there is no such challenge any more; begin again")
        factor_id = str(uuid4())
        await self._factors.add_webauthn(
            account, name, factor_id, made.credential_id, made.credential_public_key, made.sign_count
        )
        self._changed(account)
        return wire.FinishWebauthnEnrolmentResponse(factor=_factor(await self._one(account, factor_id)))

    def _the_site(self) -> Site:
        if self._site is None:
            raise InUse("this installation has not said at which web site its users log in")
        return self._site

    @order
    async def MakeRecoveryCodes(
        self, request: wire.MakeRecoveryCodesRequest, context: Context
    ) -> wire.MakeRecoveryCodesResponse:
        account, codes = (
            await account_of(self._accounts, request.account),
            second_factor.make_recovery_codes(),
        )
        await self._factors.replace_codes(account, [second_factor.recovery_verifier(each) for each in codes])
        return wire.MakeRecoveryCodesResponse(codes=codes)

    @order
    async def DeleteSecondFactor(
        self, request: wire.DeleteSecondFactorRequest, context: Context
    ) -> wire.DeleteSecondFactorResponse:
        account = await account_of(self._accounts, request.account)
        if not names.is_id(request.factor_id):
            raise Missing(f"the account has no second factor {request.factor_id}")
        await self._factors.delete(account, request.factor_id)
        self._changed(account)
        return wire.DeleteSecondFactorResponse()


class WebLogins(DirectoryWebLoginServiceServicer):
    """Answers the web door."""

    def __init__(
        self,
        signing_in: SigningIn,
        factors: SecondFactors,
        sealer: Sealer | None,
        site: Site | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._signing_in = signing_in
        self._factors = factors
        self._sealer = sealer
        self._site = site
        self._clock = clock

    @mapped
    async def BeginWebLogin(
        self, request: wire.BeginWebLoginRequest, context: Context
    ) -> wire.BeginWebLoginResponse:
        """The same for a wrong password, an unknown login and a suspended account."""
        attempt = Attempt(
            request.login, request.password, "web", request.client_address, second_step_follows=True
        )
        decision = await self._signing_in.decide(attempt)
        if not isinstance(decision, Half):
            return wire.BeginWebLoginResponse(answer=answer_message(decision))
        login, challenge = decision.login, os.urandom(32)
        known = [each for each in await self._factors.listing(login) if each.confirmed]
        kinds = sorted({each.kind for each in known if each.kind != "webauthn" or self._site is not None})
        if await self._factors.codes_left(login):
            kinds.append("recovery")
        options = ""
        if "webauthn" in kinds and self._site is not None:
            keys = [each for each in known if each.webauthn_id is not None]
            options = options_to_json(
                webauthn.generate_authentication_options(
                    rp_id=self._site.domain, challenge=challenge, allow_credentials=_descriptors(keys)
                )
            )
        return wire.BeginWebLoginResponse(
            answer=DENIED,
            challenge_id=await self._factors.challenge(login, LOGIN, challenge, self._clock()),
            kinds=kinds,
            webauthn_options_json=options,
        )

    @mapped
    async def FinishWebLogin(
        self, request: wire.FinishWebLoginRequest, context: Context
    ) -> wire.FinishWebLoginResponse:
        """A wrong one counts what a wrong password counts."""
        now, found = self._clock(), None
        if names.is_id(request.challenge_id):
            found = await self._factors.attempt(request.challenge_id, LOGIN, now)
        if found is None:
            return wire.FinishWebLoginResponse(answer=answer_message(Denied()))
        challenge = found

        async def is_met() -> bool:
            right = await self._is_right(challenge, challenge.challenge, request, now)
            return right and await self._factors.settle(request.challenge_id)

        step = SecondStep(challenge.address, "web", request.client_address, is_met)
        return wire.FinishWebLoginResponse(answer=answer_message(await self._signing_in.decide(step)))

    async def _is_right(
        self, owner: Owner, challenge: bytes, request: wire.FinishWebLoginRequest, now: datetime
    ) -> bool:
        match request.WhichOneof("proof"):
            case "totp_code":
                for record in await self._factors.listing(owner):
                    if record.kind == "totp" and record.confirmed:
                        step = totp_step(self._sealer, owner, record, request.totp_code, now)
                        if step is not None:
                            return await self._factors.use(owner, record.factor_id, step, now)
                return False
            case "recovery_code":
                verifier = second_factor.recovery_verifier(request.recovery_code)
                return await self._factors.use_code(owner, verifier)
            case "webauthn_response_json":
                return await self._is_signed(owner, challenge, request.webauthn_response_json, now)
            case _:
                return False

    async def _is_signed(self, owner: Owner, challenge: bytes, text: str, now: datetime) -> bool:
        if self._site is None:
            return False
        try:
            response = _response(text)
            given = webauthn.base64url_to_bytes(response["rawId"])
            for record in await self._factors.listing(owner):
                if record.webauthn_id != given or record.public_key is None:
                    continue
                proved = webauthn.verify_authentication_response(
                    credential=response,
                    expected_challenge=challenge,
                    expected_rp_id=self._site.domain,
                    expected_origin=self._site.origins,
                    credential_public_key=record.public_key,
                    credential_current_sign_count=record.counter,
                )
                return await self._factors.use(owner, record.factor_id, proved.new_sign_count, now)
        except (WebAuthnException, ValueError, KeyError, TypeError):
            return False
        return False


def totp_step(
    sealer: Sealer | None, owner: Owner, record: FactorRecord, code: str, now: datetime
) -> int | None:
    """The step of a code; None for a wrong one, and where the seed cannot be opened."""
    if sealer is None or record.sealed is None:
        return None
    try:
        secret = sealer.open(record.sealed, ("totp", owner.account_id, record.factor_id)).decode()
    except Unopened:
        return None
    return second_factor.totp_step(secret, code, now)


def _response(text: str) -> dict[str, Any]:
    """Raises ValueError."""
    if len(text) > RESPONSE_OCTETS:
        raise ValueError("too long")
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("too deep") from None
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def _descriptors(records: Sequence[FactorRecord]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(id=each.webauthn_id) for each in records if each.webauthn_id is not None
    ]
