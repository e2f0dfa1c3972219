"""SuppressedService: who gets none of a tenant's mail any more, for doors that refuse it at once."""

from typing import Any
from uuid import UUID

import grpc
from mailwire.queue.v1 import suppressed_pb2 as wire
from mailwire.queue.v1.suppressed_pb2_grpc import SuppressedServiceServicer
from pgkit import DatabaseUnavailable

from mta_queue.core.suppression import refusal
from mta_queue.ports import SuppressionList

MOST_AT_ONCE = 1_000


class Suppressed(SuppressedServiceServicer):
    """Answers the smtp-gateway."""

    def __init__(self, known: SuppressionList) -> None:
        self._known = known

    async def FindSuppressed(
        self, request: wire.FindSuppressedRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> wire.FindSuppressedResponse:
        try:
            UUID(request.tenant_id)
        except ValueError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "that is no tenant's id")
        if len(request.addresses) > MOST_AT_ONCE:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"at most {MOST_AT_ONCE} at once")
        try:
            found = await self._known.among(request.tenant_id, list(request.addresses))
        except DatabaseUnavailable as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
            raise
        return wire.FindSuppressedResponse(
            suppressed=[
                wire.Suppressed(address=address, reason=refusal(entry).text)
                for address, entry in found.items()
            ]
        )
