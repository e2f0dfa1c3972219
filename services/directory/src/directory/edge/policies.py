"""DirectoryPolicyService: what tenants chose."""

from collections.abc import Callable
from typing import Any

import grpc
from mailwire.directory.v1 import policy_pb2 as wire
from mailwire.directory.v1.policy_pb2_grpc import DirectoryPolicyServiceServicer

from directory.adapters.policies import Policies
from directory.adapters.tenants import Tenants
from directory.core.names import NameInvalid
from directory.edge.answers import order
from directory.ports import Change

Context = grpc.aio.ServicerContext[Any, Any]
DMARC = {
    "": wire.DMARC_LIMIT_UNSPECIFIED,
    "mark": wire.DMARC_LIMIT_MARK,
    "quarantine": wire.DMARC_LIMIT_QUARANTINE,
    "reject": wire.DMARC_LIMIT_REJECT,
}
DMARC_BACK = {value: key for key, value in DMARC.items()}


class TenantPolicies(DirectoryPolicyServiceServicer):
    """Answers doors and the operator."""

    def __init__(self, tenants: Tenants, policies: Policies, tell: Callable[[Change], None]) -> None:
        self._tenants = tenants
        self._policies = policies
        self._tell = tell

    @order
    async def GetTenantPolicy(
        self, request: wire.GetTenantPolicyRequest, context: Context
    ) -> wire.GetTenantPolicyResponse:
        tenant = await self._tenants.get(request.tenant)
        dmarc = await self._policies.dmarc(tenant.tenant_id)
        return wire.GetTenantPolicyResponse(policy=wire.TenantPolicy(dmarc=DMARC[dmarc]))

    @order
    async def SetTenantPolicy(
        self, request: wire.SetTenantPolicyRequest, context: Context
    ) -> wire.SetTenantPolicyResponse:
        if request.policy.dmarc not in DMARC_BACK:
            raise NameInvalid("that is nothing that can be done with mail that fails DMARC")
        tenant = await self._tenants.get(request.tenant)
        await self._policies.choose_dmarc(tenant.tenant_id, DMARC_BACK[request.policy.dmarc])
        self._tell(Change(tenant.tenant_id))
        return wire.SetTenantPolicyResponse(policy=request.policy)
