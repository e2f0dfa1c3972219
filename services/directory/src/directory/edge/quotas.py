"""DirectoryQuotaService: how much accounts may keep, for many at once."""

from typing import Any

import grpc
from mailwire.directory.v1 import quota_pb2 as wire
from mailwire.directory.v1.quota_pb2_grpc import DirectoryQuotaServiceServicer

from directory.adapters.policies import Policies
from directory.core.names import NameInvalid
from directory.edge.answers import mapped

MOST_AT_ONCE = 1_000


class Quotas(DirectoryQuotaServiceServicer):
    """Answers who files."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    @mapped
    async def ListQuotas(
        self, request: wire.ListQuotasRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> wire.ListQuotasResponse:
        if len(request.account_ids) > MOST_AT_ONCE:
            raise NameInvalid(f"at most {MOST_AT_ONCE} accounts are asked for at once")
        return wire.ListQuotasResponse(
            quotas=[
                wire.AccountQuota(
                    account_id=each.account_id,
                    octets=each.octets,
                    messages=each.messages,
                    tenant_octets=each.tenant_octets,
                )
                for each in await self._policies.quotas(request.account_ids)
            ]
        )
