"""DirectoryService: ResolveRecipients and Authenticate."""

from typing import Any, assert_never

import grpc
from mailwire.directory.v1 import directory_pb2 as wire
from mailwire.directory.v1.directory_pb2_grpc import DirectoryServiceServicer

from directory import metrics
from directory.core import guests, names
from directory.core.resolving import Disposition, resolve
from directory.edge.answers import mapped
from directory.edge.signing_in import (
    Attempt,
    Bearer,
    Decision,
    Denied,
    Entry,
    Half,
    Proof,
    Shown,
    SigningIn,
    Throttled,
)
from directory.ports import LookUps

Context = grpc.aio.ServicerContext[Any, Any]
DISPOSITIONS = {
    Disposition.DELIVER: wire.DISPOSITION_DELIVER,
    Disposition.REMOTE: wire.DISPOSITION_REMOTE,
    Disposition.UNKNOWN: wire.DISPOSITION_UNKNOWN,
    Disposition.DISABLED: wire.DISPOSITION_DISABLED,
    Disposition.LOOP: wire.DISPOSITION_LOOP,
}
ADDRESSES = 1000
MOST_BARRED = 1000


class Questions(DirectoryServiceServicer):
    """Answers the mail services."""

    def __init__(self, lookups: LookUps, signing_in: SigningIn) -> None:
        self._lookups = lookups
        self._signing_in = signing_in

    @mapped
    async def ResolveRecipients(
        self, request: wire.ResolveRecipientsRequest, context: Context
    ) -> wire.ResolveRecipientsResponse:
        """One answer for each address, in order; one query for most requests."""
        if len(request.addresses) > ADDRESSES:
            raise names.NameInvalid(f"at most {ADDRESSES} addresses can be asked for at once")
        resolutions = await resolve(request.addresses, self._lookups.found)
        for resolution in resolutions:
            metrics.RESOLUTIONS.labels(resolution.disposition.value).inc()
        return wire.ResolveRecipientsResponse(
            resolutions=[
                wire.Resolution(
                    address=resolution.address,
                    disposition=DISPOSITIONS[resolution.disposition],
                    targets=[
                        wire.Target(
                            address=target.address,
                            account_id=target.account_id or "",
                            tenant_id=target.tenant_id,
                        )
                        for target in resolution.targets
                    ],
                    tenant_id=resolution.tenant_id,
                    found_in_tenant_ids=sorted(resolution.found_in),
                )
                for resolution in resolutions
            ]
        )

    @mapped
    async def Authenticate(
        self, request: wire.AuthenticateRequest, context: Context
    ) -> wire.AuthenticateResponse:
        """Wrong password, unknown login and suspended account look the same and take the same time."""
        attempt = Attempt(request.login, request.password, request.door, request.client_address)
        return answer_message(await self._signing_in.decide(attempt))

    @mapped
    async def FindBarred(self, request: wire.FindBarredRequest, context: Context) -> wire.FindBarredResponse:
        """Of sessions that are open: a change may have shut their owners out."""
        if len(request.guests) > MOST_BARRED:
            raise names.NameInvalid(f"up to {MOST_BARRED} can be asked about at once")
        asked = [guests.guest(each.account_id, each.credential) for each in request.guests]
        return wire.FindBarredResponse(
            guests=[request.guests[place] for place in await self._lookups.barred(asked)]
        )

    @mapped
    async def StartScram(self, request: wire.StartScramRequest, context: Context) -> wire.StartScramResponse:
        """The same for every login that does not exist or has no keys: a salt, and no proof is right."""
        material = await self._signing_in.scram(request.login, request.door, request.client_address)
        if isinstance(material, Throttled):
            return wire.StartScramResponse(
                verdict=wire.VERDICT_THROTTLED, retry_after_seconds=material.retry_after_seconds
            )
        return wire.StartScramResponse(
            salt=material.salt,
            iterations=material.iterations,
            candidates=[
                wire.ScramCandidate(
                    credential_id=each.credential_id, stored_key=each.stored_key, server_key=each.server_key
                )
                for each in material.candidates
            ],
        )

    @mapped
    async def FinishScram(
        self, request: wire.FinishScramRequest, context: Context
    ) -> wire.FinishScramResponse:
        """Counts what a wrong password counts."""
        proof = Proof(request.login, request.credential_id, request.door, request.client_address)
        return wire.FinishScramResponse(answer=answer_message(await self._signing_in.decide(proof)))

    @mapped
    async def AuthenticateToken(
        self, request: wire.AuthenticateTokenRequest, context: Context
    ) -> wire.AuthenticateTokenResponse:
        """A no says where one gets a token for this domain, whoever is or is not in it."""
        bearer = Bearer(request.login, request.token, request.door, request.client_address)
        answer = wire.AuthenticateTokenResponse(answer=answer_message(await self._signing_in.decide(bearer)))
        if not answer.answer.granted and (providers := await self._signing_in.providers(request.login)):
            answer.openid_configuration = providers[0].configuration_url
            answer.scope = " ".join(providers[0].required_scopes)
        return answer

    @mapped
    async def AuthenticateCertificate(
        self, request: wire.AuthenticateCertificateRequest, context: Context
    ) -> wire.AuthenticateCertificateResponse:
        """One that is the account's own, or that an authority of its tenant made for one of its addresses."""
        shown = Shown(request.login, request.certificate, request.door, request.client_address)
        return wire.AuthenticateCertificateResponse(
            answer=answer_message(await self._signing_in.decide(shown))
        )


def answer_message(decision: Decision) -> wire.AuthenticateResponse:
    """As doors hear it."""
    match decision:
        case Denied() | Half():
            return wire.AuthenticateResponse(granted=False, verdict=wire.VERDICT_DENIED)
        case Throttled():
            return wire.AuthenticateResponse(
                granted=False,
                verdict=wire.VERDICT_THROTTLED,
                retry_after_seconds=decision.retry_after_seconds,
            )
        case Entry():
            return _welcome(decision)
        case _:
            assert_never(decision)


def _welcome(entry: Entry) -> wire.AuthenticateResponse:
    login = entry.login
    return wire.AuthenticateResponse(
        granted=True,
        verdict=wire.VERDICT_GRANTED,
        identity=wire.Identity(
            account_id=login.account_id,
            tenant_id=login.tenant_id,
            address=login.address,
            store=login.store,
            may_send_as=login.may_send_as,
            may_send_on_behalf_of=login.may_send_on_behalf_of,
            roles=login.roles,
        ),
        credential=entry.credential,
        remember_seconds=entry.remember_seconds,
    )
