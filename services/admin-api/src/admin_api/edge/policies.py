"""/v1/tenants/{tenant}/policy and /v1/accounts/{account}/settings."""

from fastapi import APIRouter, FastAPI, Request
from mailwire.directory.v1 import policy_pb2 as wire
from mailwire.directory.v1.policy_pb2_grpc import DirectoryPolicyServiceStub

from admin_api.adapters import policies
from admin_api.adapters.policies import SECONDS
from admin_api.edge.callers import check_choices, check_own_choices
from admin_api.policy_models import AccountSettings, TenantPolicy

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
    return await _set_policy(tenant, chosen, [], request)


@router.patch("/v1/tenants/{tenant}/policy", tags=["tenants"])
async def patch_tenant_policy(tenant: str, chosen: TenantPolicy, request: Request) -> TenantPolicy:
    """Choose: what is left out stays as it is."""
    if not chosen.model_fields_set:
        return await get_tenant_policy(tenant, request)
    return await _set_policy(tenant, chosen, sorted(chosen.model_fields_set), request)


async def _set_policy(tenant: str, chosen: TenantPolicy, only: list[str], request: Request) -> TenantPolicy:
    check_choices(request, chosen.model_fields_set)
    done = await request.app.state.policies.SetTenantPolicy(
        wire.SetTenantPolicyRequest(tenant=tenant, policy=policies.policy_wire(chosen), only=only),
        timeout=SECONDS,
    )
    return policies.policy(done.policy)


@router.get("/v1/accounts/{account}/settings", tags=["accounts"])
async def get_account_settings(account: str, request: Request) -> AccountSettings:
    """What an account chose."""
    found = await request.app.state.policies.GetAccountSettings(
        wire.GetAccountSettingsRequest(account=account), timeout=SECONDS
    )
    return policies.settings(found.settings)


@router.put("/v1/accounts/{account}/settings", tags=["accounts"])
async def put_account_settings(account: str, chosen: AccountSettings, request: Request) -> AccountSettings:
    """Choose: the whole of it, what is left out is taken back."""
    return await _set_settings(account, chosen, [], request)


@router.patch("/v1/accounts/{account}/settings", tags=["accounts"])
async def patch_account_settings(account: str, chosen: AccountSettings, request: Request) -> AccountSettings:
    """Choose: what is left out stays as it is."""
    if not chosen.model_fields_set:
        return await get_account_settings(account, request)
    return await _set_settings(account, chosen, sorted(chosen.model_fields_set), request)


async def _set_settings(
    account: str, chosen: AccountSettings, only: list[str], request: Request
) -> AccountSettings:
    check_own_choices(request, chosen.model_fields_set)
    done = await request.app.state.policies.SetAccountSettings(
        wire.SetAccountSettingsRequest(account=account, settings=policies.settings_wire(chosen), only=only),
        timeout=SECONDS,
    )
    return policies.settings(done.settings)
