"""The mda's quarantine over gRPC, in and out of the models."""

from collections.abc import Awaitable
from datetime import UTC
from typing import Any, TypeVar

import grpc
from fastapi import HTTPException
from mailwire.quarantine.v1 import quarantine_pb2 as wire
from mailwire.quarantine.v1.quarantine_pb2_grpc import QuarantineAdminServiceStub

from admin_api.adapters.queue import AWAY
from admin_api.quarantine_models import Finding, Held, ShownHeld

SECONDS = 30.0
A = TypeVar("A")


def stub(channel: grpc.aio.Channel) -> QuarantineAdminServiceStub:
    """What the routes call."""
    return QuarantineAdminServiceStub(channel)


async def answer(call: Awaitable[A]) -> A:
    """The answer. Raises 503 in the quarantine's name where it is away."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        if error.code() in AWAY:
            raise HTTPException(
                503, "The quarantine cannot be reached now; try again later.", headers={"Retry-After": "2"}
            ) from error
        raise


def _values(message: wire.Held) -> dict[str, Any]:
    return {
        "queue_id": message.queue_id,
        "sender": message.reverse_path,
        "recipients": list(message.recipients),
        "size_octets": message.size_octets,
        "arrived_at": message.arrived_at.ToDatetime(UTC),
        "held_at": message.held_at.ToDatetime(UTC),
        "findings": [
            Finding(scanner=each.scanner, verdict=each.verdict, detail=each.detail)
            for each in message.findings
        ],
    }


def held(message: wire.Held) -> Held:
    return Held(**_values(message))


def shown(found: wire.GetHeldResponse) -> ShownHeld:
    return ShownHeld(**_values(found.held), header=found.header.decode("utf-8", "replace"))
