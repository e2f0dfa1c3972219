"""Asking the mta-queue what it needs of stored messages."""

from collections.abc import Sequence

import grpc
from mailwire.queue.v1 import holding_pb2 as wire
from mailwire.queue.v1.holding_pb2_grpc import HoldingServiceStub

from mda.ports import HoldingsUnavailable

ANSWER_SECONDS = 30.0
AT_ONCE = 1_000


class QueueHoldings:
    """Satisfies ports.Holdings."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = HoldingServiceStub(channel)

    async def of(self, queue_ids: Sequence[str]) -> dict[tuple[str, str], bool]:
        """Raises HoldingsUnavailable."""
        found: dict[tuple[str, str], bool] = {}
        for start in range(0, len(queue_ids), AT_ONCE):
            asked = wire.ListHoldingsRequest(queue_ids=queue_ids[start : start + AT_ONCE])
            try:
                answer = await self._stub.ListHoldings(asked, timeout=ANSWER_SECONDS)
            except grpc.aio.AioRpcError as error:
                raise HoldingsUnavailable(f"the queue does not answer: {error.code().name}") from error
            for each in answer.holdings:
                found[each.queue_id, each.address] = each.waits
        return found
