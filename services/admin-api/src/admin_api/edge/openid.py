"""/v1/tenants/{tenant}/openid-providers."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, FastAPI, Request
from mailwire.directory.v1 import openid_pb2 as wire
from mailwire.directory.v1.openid_pb2_grpc import DirectoryOpenidServiceStub
from pydantic import BaseModel, Field, SecretStr

from admin_api.adapters.directory import SECONDS
from admin_api.models import Page, Wire

router = APIRouter()
Words = Annotated[list[str], Field(max_length=20)]
Issuer = Annotated[
    str,
    Field(
        max_length=500, description="its https URL, exactly as in `iss`", examples=["https://login.example"]
    ),
]


class OpenidProvider(BaseModel):
    """An OpenID provider whose access tokens let the tenant's people in."""

    issuer: str
    audiences: list[str]
    address_claim: str
    required_scopes: list[str]
    client_id: str
    has_client_secret: bool
    created_at: datetime


class NewOpenidProvider(Wire):
    issuer: Issuer
    audiences: Annotated[
        list[str],
        Field(
            min_length=1,
            max_length=20,
            description="one of them must be in a token's `aud`",
            examples=[["mail"]],
        ),
    ]
    address_claim: Annotated[str, Field(max_length=300, description="the claim that is an address")] = "email"
    required_scopes: Annotated[
        Words, Field(description="all of them must be in a token", default_factory=list)
    ]
    client_id: Annotated[
        str,
        Field(max_length=1000, description="to ask about tokens that are no JWT; empty: those are refused"),
    ] = ""
    client_secret: Annotated[SecretStr | None, Field(description="left out: it stays")] = None


def attach(app: FastAPI, stub: DirectoryOpenidServiceStub) -> None:
    """Give the routes their stub."""
    app.state.openid = stub


def _shown(message: wire.OpenidProvider) -> OpenidProvider:
    return OpenidProvider(
        issuer=message.issuer,
        audiences=list(message.audiences),
        address_claim=message.address_claim,
        required_scopes=list(message.required_scopes),
        client_id=message.client_id,
        has_client_secret=message.has_client_secret,
        created_at=message.created_at.ToDatetime(UTC),
    )


@router.put("/v1/tenants/{tenant}/openid-providers", tags=["openid providers"])
async def set_openid_provider(tenant: str, new: NewOpenidProvider, request: Request) -> OpenidProvider:
    """Trust a provider, or change all of one that is trusted, by its issuer."""
    made = await request.app.state.openid.SetOpenidProvider(
        wire.SetOpenidProviderRequest(
            tenant=tenant,
            provider=wire.OpenidProvider(
                issuer=new.issuer,
                audiences=new.audiences,
                address_claim=new.address_claim,
                required_scopes=new.required_scopes,
                client_id=new.client_id,
            ),
            client_secret=new.client_secret.get_secret_value() if new.client_secret is not None else None,
        ),
        timeout=SECONDS,
    )
    return _shown(made.provider)


@router.get("/v1/tenants/{tenant}/openid-providers", tags=["openid providers"])
async def list_openid_providers(tenant: str, request: Request) -> Page[OpenidProvider]:
    """Whose tokens let a tenant's people in; at most 10."""
    found = await request.app.state.openid.ListOpenidProviders(
        wire.ListOpenidProvidersRequest(tenant=tenant), timeout=SECONDS
    )
    return Page(items=[_shown(each) for each in found.providers])


@router.delete("/v1/tenants/{tenant}/openid-providers", status_code=204, tags=["openid providers"])
async def delete_openid_provider(tenant: str, issuer: str, request: Request) -> None:
    """Trust it no more: its tokens let nobody in from now on."""
    await request.app.state.openid.DeleteOpenidProvider(
        wire.DeleteOpenidProviderRequest(tenant=tenant, issuer=issuer), timeout=SECONDS
    )
