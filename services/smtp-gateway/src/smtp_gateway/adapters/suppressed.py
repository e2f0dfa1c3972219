"""Asking the mta-queue who gets none of a tenant's mail any more."""

from collections.abc import Mapping, Sequence

import grpc
from mailwire.queue.v1 import suppressed_pb2 as wire
from mailwire.queue.v1.suppressed_pb2_grpc import SuppressedServiceStub
from servicekit import logs

ANSWER_SECONDS = 5.0
LOG = logs.logger("smtp_gateway.suppressed")


class QueueSuppressed:
    """Satisfies ports.Suppressed."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = SuppressedServiceStub(channel)

    async def among(self, tenant_id: str, addresses: Sequence[str]) -> Mapping[str, str]:
        request = wire.FindSuppressedRequest(tenant_id=tenant_id, addresses=addresses)
        try:
            answer = await self._stub.FindSuppressed(request, timeout=ANSWER_SECONDS)
        except grpc.aio.AioRpcError as error:
            # What is taken now is looked at again before it leaves, and then its sender is told.
            LOG.warning("suppressed_not_asked", error=error.code().name)
            return {}
        return {each.address: each.reason for each in answer.suppressed}
