"""/v1/tenants/{tenant}/ldap-source."""

from typing import Annotated

from fastapi import APIRouter, FastAPI, Request
from mailwire.directory.v1 import ldap_pb2 as wire
from mailwire.directory.v1.ldap_pb2_grpc import DirectoryLdapServiceStub
from pydantic import BaseModel, Field, SecretStr

from admin_api.adapters.directory import SECONDS
from admin_api.models import Wire

router = APIRouter(tags=["ldap sources"])
PATH = "/v1/tenants/{tenant}/ldap-source"


class LdapSource(BaseModel):
    """Where the passwords of a tenant's people are kept by somebody else."""

    url: str
    base_dn: str
    filter: str
    bind_dn: str
    has_bind_password: bool
    ca_certificates: str


class NewLdapSource(Wire):
    url: Annotated[
        str,
        Field(
            max_length=1000,
            description="ldaps://, or ldap:// with StartTLS",
            examples=["ldaps://ldap.example.org"],
        ),
    ]
    base_dn: Annotated[str, Field(max_length=1000, examples=["ou=people,dc=example,dc=org"])]
    filter: Annotated[
        str, Field(max_length=1000, description="with {address}, {local_part} or {domain} in it")
    ] = "(mail={address})"
    bind_dn: Annotated[str, Field(max_length=1000, description="who looks people up; empty: nobody")] = ""
    bind_password: Annotated[SecretStr | None, Field(description="left out: it stays, for the same url")] = (
        None
    )
    ca_certificates: Annotated[
        str, Field(max_length=65_536, description="in PEM; empty: whom the world trusts")
    ] = ""


def attach(app: FastAPI, stub: DirectoryLdapServiceStub) -> None:
    """Give the routes their stub."""
    app.state.ldap = stub


def _shown(message: wire.LdapSource) -> LdapSource:
    return LdapSource(
        url=message.url,
        base_dn=message.base_dn,
        filter=message.filter,
        bind_dn=message.bind_dn,
        has_bind_password=message.has_bind_password,
        ca_certificates=message.ca_certificates,
    )


@router.put(PATH)
async def set_ldap_source(tenant: str, new: NewLdapSource, request: Request) -> LdapSource:
    """Ask an LDAP server whether passwords of a tenant's people are right, from now on. App passwords stay ours."""
    made = await request.app.state.ldap.SetLdapSource(
        wire.SetLdapSourceRequest(
            tenant=tenant,
            source=wire.LdapSource(
                url=new.url,
                base_dn=new.base_dn,
                filter=new.filter,
                bind_dn=new.bind_dn,
                ca_certificates=new.ca_certificates,
            ),
            bind_password=new.bind_password.get_secret_value() if new.bind_password is not None else None,
        ),
        timeout=SECONDS,
    )
    return _shown(made.source)


@router.get(PATH)
async def get_ldap_source(tenant: str, request: Request) -> LdapSource:
    """Where its passwords are kept."""
    found = await request.app.state.ldap.GetLdapSource(
        wire.GetLdapSourceRequest(tenant=tenant), timeout=SECONDS
    )
    return _shown(found.source)


@router.delete(PATH, status_code=204)
async def delete_ldap_source(tenant: str, request: Request) -> None:
    """Passwords are ours again: those that were set here."""
    await request.app.state.ldap.DeleteLdapSource(
        wire.DeleteLdapSourceRequest(tenant=tenant), timeout=SECONDS
    )
