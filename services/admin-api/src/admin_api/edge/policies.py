"""/v1/tenants/{tenant}/policy."""

from fastapi import APIRouter, FastAPI, Request
from mailwire.directory.v1 import policy_pb2 as wire
from mailwire.directory.v1.policy_pb2_grpc import DirectoryPolicyServiceStub

from admin_api.adapters import policies
from admin_api.adapters.policies import SECONDS
from admin_api.policy_models import TenantPolicy

router = APIRouter()


def attach(app: FastAPI, stub: DirectoryPolicyServiceStub) -> None:
    """Give the routes their stub."""
    app.state.policies = stub


@router.get("/v1/tenants/{tenant}/policy", tags=["tenants"])
async def get_tenant_policy(tenant: str, request: Request) -> TenantPolicy:
    """What a tenant chose."""
    found = await request.app.state.policies.GetTenantPolicy(
        wire.GetTenantPolicyRequest(tenant=tenant), timeout=SECONDS
    )
    return policies.policy(found.policy)


@router.put("/v1/tenants/{tenant}/policy", tags=["tenants"])
async def put_tenant_policy(tenant: str, chosen: TenantPolicy, request: Request) -> TenantPolicy:
    """Choose: the whole of it, what is left out is taken back."""
    done = await request.app.state.policies.SetTenantPolicy(
        wire.SetTenantPolicyRequest(
            tenant=tenant, policy=wire.TenantPolicy(dmarc=policies.DMARC[chosen.dmarc])
        ),
        timeout=SECONDS,
    )
    return policies.policy(done.policy)
