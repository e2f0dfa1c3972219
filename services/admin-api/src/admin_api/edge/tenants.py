"""/v1/tenants and /v1/domains."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from mailwire.directory.v1 import directory_pb2 as wire

from admin_api.adapters import directory
from admin_api.edge import certificates, dkim, ldap, openid, policies, scim
from admin_api.models import Domain, DomainChange, NewDomain, NewTenant, Page, Tenant, TenantChange

router = APIRouter()
router.include_router(dkim.router)
router.include_router(policies.router)
router.include_router(openid.router)
router.include_router(scim.tokens)
router.include_router(ldap.router)
router.include_router(certificates.of_tenants)
PageSize = Annotated[int, Query(ge=1, le=1000, description="how many at most")]
PageToken = Annotated[str, Query(max_length=400, description="`next_page` of the page before")]


@router.post("/v1/tenants", status_code=201, tags=["tenants"])
async def create_tenant(new: NewTenant, request: Request) -> Tenant:
    """Create a tenant."""
    answer = await request.app.state.directory.CreateTenant(
        wire.CreateTenantRequest(name=new.name, display_name=new.display_name), timeout=directory.SECONDS
    )
    return directory.tenant(answer.tenant)


@router.get("/v1/tenants", tags=["tenants"])
async def list_tenants(request: Request, size: PageSize = 100, page: PageToken = "") -> Page[Tenant]:
    """All tenants by name."""
    answer = await request.app.state.directory.ListTenants(
        wire.ListTenantsRequest(page_size=size, page_token=page), timeout=directory.SECONDS
    )
    return Page(items=[directory.tenant(each) for each in answer.tenants], next_page=answer.next_page_token)


@router.get("/v1/tenants/{tenant}", tags=["tenants"])
async def get_tenant(tenant: str, request: Request) -> Tenant:
    """One tenant by its name or id."""
    answer = await request.app.state.directory.GetTenant(
        wire.GetTenantRequest(tenant=tenant), timeout=directory.SECONDS
    )
    return directory.tenant(answer.tenant)


@router.patch("/v1/tenants/{tenant}", tags=["tenants"])
async def update_tenant(tenant: str, change: TenantChange, request: Request) -> Tenant:
    """Change a tenant; suspended, it gets no mail and nobody of it can log in."""
    answer = await request.app.state.directory.UpdateTenant(
        wire.UpdateTenantRequest(tenant=tenant, display_name=change.display_name, suspended=change.suspended),
        timeout=directory.SECONDS,
    )
    return directory.tenant(answer.tenant)


@router.delete("/v1/tenants/{tenant}", status_code=204, tags=["tenants"])
async def delete_tenant(tenant: str, request: Request) -> None:
    """Delete a tenant that has no domains any more."""
    await request.app.state.directory.DeleteTenant(
        wire.DeleteTenantRequest(tenant=tenant), timeout=directory.SECONDS
    )


@router.post("/v1/domains", status_code=201, tags=["domains"])
async def create_domain(new: NewDomain, request: Request) -> Domain:
    """Give a domain to a tenant. Names are kept in A-label form."""
    answer = await request.app.state.directory.CreateDomain(
        wire.CreateDomainRequest(name=new.name, tenant=new.tenant, even_if_confusable=new.even_if_confusable),
        timeout=directory.SECONDS,
    )
    return directory.domain(answer.domain)


@router.get("/v1/domains", tags=["domains"])
async def list_domains(
    request: Request, tenant: str = "", size: PageSize = 100, page: PageToken = ""
) -> Page[Domain]:
    """All domains, or a tenant's, by name."""
    answer = await request.app.state.directory.ListDomains(
        wire.ListDomainsRequest(tenant=tenant, page_size=size, page_token=page), timeout=directory.SECONDS
    )
    return Page(items=[directory.domain(each) for each in answer.domains], next_page=answer.next_page_token)


@router.get("/v1/domains/{name}", tags=["domains"])
async def get_domain(name: str, request: Request) -> Domain:
    """One domain."""
    answer = await request.app.state.directory.GetDomain(
        wire.GetDomainRequest(name=name), timeout=directory.SECONDS
    )
    return directory.domain(answer.domain)


@router.patch("/v1/domains/{name}", tags=["domains"])
async def update_domain(name: str, change: DomainChange, request: Request) -> Domain:
    """Suspend a domain or let it go on."""
    answer = await request.app.state.directory.UpdateDomain(
        wire.UpdateDomainRequest(name=name, suspended=change.suspended), timeout=directory.SECONDS
    )
    return directory.domain(answer.domain)


@router.delete("/v1/domains/{name}", status_code=204, tags=["domains"])
async def delete_domain(name: str, request: Request) -> None:
    """Delete a domain that has no accounts and aliases any more."""
    await request.app.state.directory.DeleteDomain(
        wire.DeleteDomainRequest(name=name), timeout=directory.SECONDS
    )
