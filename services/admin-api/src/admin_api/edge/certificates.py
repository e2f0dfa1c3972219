"""/v1/accounts/{account}/certificates and /v1/tenants/{tenant}/client-authorities."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, FastAPI, Request
from mailwire.directory.v1 import certificate_pb2 as wire
from mailwire.directory.v1.certificate_pb2_grpc import DirectoryCertificateServiceStub
from pydantic import BaseModel, Field

from admin_api.adapters.directory import SECONDS
from admin_api.models import Page, Wire

of_accounts = APIRouter(tags=["certificates"])
of_tenants = APIRouter(tags=["certificates"])


class Certificate(BaseModel):
    """A certificate that lets somebody in without a password (SASL EXTERNAL)."""

    fingerprint: Annotated[str, Field(description="SHA-256 of the DER, in hex")]
    name: str
    subject: str
    expires_at: datetime
    created_at: datetime


class NewCertificate(Wire):
    name: Annotated[str, Field(max_length=100, examples=["laptop"])]
    certificate: Annotated[str, Field(max_length=32_768, description="in PEM; the first one counts")]


def attach(app: FastAPI, stub: DirectoryCertificateServiceStub) -> None:
    """Give the routes their stub."""
    app.state.certificates = stub


def _shown(message: wire.ClientCertificate) -> Certificate:
    return Certificate(
        fingerprint=message.fingerprint,
        name=message.name,
        subject=message.subject,
        expires_at=message.expires_at.ToDatetime(UTC),
        created_at=message.created_at.ToDatetime(UTC),
    )


@of_accounts.post("/v1/accounts/{account:path}/certificates", status_code=201)
async def add_certificate(account: str, new: NewCertificate, request: Request) -> Certificate:
    """Let whoever has this certificate's key into an account, whoever made it."""
    made = await request.app.state.certificates.AddClientCertificate(
        wire.AddClientCertificateRequest(account=account, name=new.name, certificate=new.certificate),
        timeout=SECONDS,
    )
    return _shown(made.certificate)


@of_accounts.get("/v1/accounts/{account:path}/certificates")
async def list_certificates(account: str, request: Request) -> Page[Certificate]:
    """Certificates that let somebody into an account; at most 20."""
    found = await request.app.state.certificates.ListClientCertificates(
        wire.ListClientCertificatesRequest(account=account), timeout=SECONDS
    )
    return Page(items=[_shown(each) for each in found.certificates])


@of_accounts.delete("/v1/accounts/{account:path}/certificates/{fingerprint}", status_code=204)
async def delete_certificate(account: str, fingerprint: str, request: Request) -> None:
    """It lets nobody in any more, at once."""
    await request.app.state.certificates.DeleteClientCertificate(
        wire.DeleteClientCertificateRequest(account=account, fingerprint=fingerprint), timeout=SECONDS
    )


@of_tenants.post("/v1/tenants/{tenant}/client-authorities", status_code=201)
async def add_authority(tenant: str, new: NewCertificate, request: Request) -> Certificate:
    """Let in whom certificates of this authority name: an address of an account of the tenant, as rfc822Name."""
    made = await request.app.state.certificates.AddClientAuthority(
        wire.AddClientAuthorityRequest(tenant=tenant, name=new.name, certificate=new.certificate),
        timeout=SECONDS,
    )
    return _shown(made.authority)


@of_tenants.get("/v1/tenants/{tenant}/client-authorities")
async def list_authorities(tenant: str, request: Request) -> Page[Certificate]:
    """Authorities that say who a tenant's people are; at most 20."""
    found = await request.app.state.certificates.ListClientAuthorities(
        wire.ListClientAuthoritiesRequest(tenant=tenant), timeout=SECONDS
    )
    return Page(items=[_shown(each) for each in found.authorities])


@of_tenants.delete("/v1/tenants/{tenant}/client-authorities/{fingerprint}", status_code=204)
async def delete_authority(tenant: str, fingerprint: str, request: Request) -> None:
    """Its certificates let nobody in any more."""
    await request.app.state.certificates.DeleteClientAuthority(
        wire.DeleteClientAuthorityRequest(tenant=tenant, fingerprint=fingerprint), timeout=SECONDS
    )
