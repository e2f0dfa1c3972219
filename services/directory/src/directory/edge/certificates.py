"""DirectoryCertificateService, and whom a certificate lets in."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc
from mailwire.directory.v1 import certificate_pb2 as wire
from mailwire.directory.v1.certificate_pb2_grpc import DirectoryCertificateServiceServicer

from directory.adapters.accounts import Accounts
from directory.adapters.client_certificates import CertificateRecord, ClientCertificates, Holder
from directory.adapters.tenants import Tenants
from directory.core import app_passwords, certificates, guests, names
from directory.edge.answers import order
from directory.edge.finding import account_of
from directory.ports import Change, Login

Context = grpc.aio.ServicerContext[Any, Any]


class CertificateLogins:
    """Decides about certificates whose key the client has shown to have: TLS sees to that, at the door."""

    def __init__(self, kept: ClientCertificates) -> None:
        self._kept = kept

    async def login_of(self, der: bytes) -> str:
        """Whom it stands for where the client does not say so; "" where that is nobody, or not clear."""
        found = certificates.read(der)
        if found is None:
            return ""
        holders = await self._kept.addresses_of(found.fingerprint)
        named = holders or found.addresses
        return named[0] if len(named) == 1 else ""

    async def credential_of(self, der: bytes, login: Login) -> str:
        """What is kept of it, where it is the account's own (core/guests.py)."""
        found = certificates.read(der)
        holder = Holder(login.tenant_id, login.account_id)
        is_own = found is not None and await self._kept.holds(holder, found.fingerprint)
        return guests.by_certificate(found.fingerprint) if found is not None and is_own else ""

    async def seconds_granted(self, der: bytes, login: Login, asked: str, now: datetime) -> float | None:
        """How long it lets this account in; None: not at all. `asked` is the address that was logged in with."""
        found = certificates.read(der)
        if found is None or not found.not_before <= now < found.not_after:
            return None
        if not await self._kept.holds(Holder(login.tenant_id, login.account_id), found.fingerprint):
            named = {key for each in found.addresses if (key := names.split(each)) is not None}
            # Only an address of the account itself: the primary one, or the one that it has logged in with.
            if not named & {names.split(login.address), names.split(asked)}:
                return None
            authorities = await self._kept.listing(Holder(login.tenant_id))
            if not certificates.is_made_by(found, [each.der for each in authorities], now):
                return None
        return (found.not_after - now).total_seconds()


def _message(record: CertificateRecord) -> wire.ClientCertificate:
    message = wire.ClientCertificate(fingerprint=record.fingerprint, name=record.name, subject=record.subject)
    message.expires_at.FromDatetime(record.expires_at)
    message.created_at.FromDatetime(record.created_at)
    return message


class CertificateOrders(DirectoryCertificateServiceServicer):
    """Answers the operator, through admin-api."""

    def __init__(
        self,
        tenants: Tenants,
        accounts: Accounts,
        kept: ClientCertificates,
        tell: Callable[[Change], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._tenants = tenants
        self._accounts = accounts
        self._kept = kept
        self._tell = tell
        self._clock = clock

    async def _account(self, account: str) -> Holder:
        record = await account_of(self._accounts, account)
        return Holder(record.tenant_id, record.account_id)

    async def _tenant(self, tenant: str) -> Holder:
        return Holder((await self._tenants.get(tenant)).tenant_id)

    async def _add(self, holder: Holder, name: str, pem: str) -> wire.ClientCertificate:
        found = certificates.read_pem(pem)
        if found.not_after <= self._clock():
            raise names.NameInvalid("that certificate does not hold any more")
        if found.is_authority is not (holder.account_id is None):
            raise names.NameInvalid(
                "an account has no authority's certificate"
                if found.is_authority
                else "that is no authority's certificate"
            )
        return _message(await self._kept.add(holder, app_passwords.name(name), found))

    async def _delete(self, holder: Holder, fingerprint: str) -> None:
        await self._kept.delete(holder, fingerprint.lower().replace(":", ""))
        # Doors remember a yes for a while: this ends it at once.
        self._tell(Change(holder.tenant_id, holder.account_id or ""))

    @order
    async def AddClientCertificate(
        self, request: wire.AddClientCertificateRequest, context: Context
    ) -> wire.AddClientCertificateResponse:
        made = await self._add(await self._account(request.account), request.name, request.certificate)
        return wire.AddClientCertificateResponse(certificate=made)

    @order
    async def ListClientCertificates(
        self, request: wire.ListClientCertificatesRequest, context: Context
    ) -> wire.ListClientCertificatesResponse:
        records = await self._kept.listing(await self._account(request.account))
        return wire.ListClientCertificatesResponse(certificates=[_message(each) for each in records])

    @order
    async def DeleteClientCertificate(
        self, request: wire.DeleteClientCertificateRequest, context: Context
    ) -> wire.DeleteClientCertificateResponse:
        await self._delete(await self._account(request.account), request.fingerprint)
        return wire.DeleteClientCertificateResponse()

    @order
    async def AddClientAuthority(
        self, request: wire.AddClientAuthorityRequest, context: Context
    ) -> wire.AddClientAuthorityResponse:
        made = await self._add(await self._tenant(request.tenant), request.name, request.certificate)
        return wire.AddClientAuthorityResponse(authority=made)

    @order
    async def ListClientAuthorities(
        self, request: wire.ListClientAuthoritiesRequest, context: Context
    ) -> wire.ListClientAuthoritiesResponse:
        records = await self._kept.listing(await self._tenant(request.tenant))
        return wire.ListClientAuthoritiesResponse(authorities=[_message(each) for each in records])

    @order
    async def DeleteClientAuthority(
        self, request: wire.DeleteClientAuthorityRequest, context: Context
    ) -> wire.DeleteClientAuthorityResponse:
        await self._delete(await self._tenant(request.tenant), request.fingerprint)
        return wire.DeleteClientAuthorityResponse()
