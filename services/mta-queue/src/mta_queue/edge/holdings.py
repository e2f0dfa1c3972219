"""HoldingService: what the queue needs of stored messages, for who removes those that nobody needs."""

from typing import Any

import grpc
from mailwire.queue.v1 import holding_pb2 as wire
from mailwire.queue.v1.holding_pb2_grpc import HoldingServiceServicer
from pgkit import DatabaseUnavailable, Pool

from mta_queue.adapters.known import holdings_of

MOST_AT_ONCE = 1_000


class Holdings(HoldingServiceServicer):
    """Answers the mda."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ListHoldings(
        self, request: wire.ListHoldingsRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> wire.ListHoldingsResponse:
        if len(request.queue_ids) > MOST_AT_ONCE:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"at most {MOST_AT_ONCE} at once")
        try:
            found = await holdings_of(self._pool, request.queue_ids)
        except DatabaseUnavailable as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
            raise
        return wire.ListHoldingsResponse(
            holdings=[
                wire.Holding(queue_id=queue_id, address=address, waits=waits)
                for (queue_id, address), waits in found.items()
            ]
        )
