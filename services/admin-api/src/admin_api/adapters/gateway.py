"""The smtp-gateway's GatewayAdminService, in and out of the models."""

from collections.abc import Awaitable
from datetime import UTC
from typing import TypeVar

import grpc
from fastapi import HTTPException
from mailwire.gateway.v1 import gateway_pb2 as wire
from mailwire.gateway.v1.gateway_pb2_grpc import GatewayAdminServiceStub

from admin_api.adapters.queue import AWAY
from admin_api.gateway_models import Ban, SuspendedSender

SECONDS = 15.0
A = TypeVar("A")


def stub(channel: grpc.aio.Channel) -> GatewayAdminServiceStub:
    """What the routes call."""
    return GatewayAdminServiceStub(channel)


async def answer(call: Awaitable[A]) -> A:
    """The answer. Raises 503 in the front door's name where it is away."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        if error.code() in AWAY:
            raise HTTPException(
                503, "The smtp-gateway cannot be reached now; try again later.", headers={"Retry-After": "2"}
            ) from error
        raise


def ban(message: wire.Ban) -> Ban:
    return Ban(
        network=message.network,
        made_by=message.made_by,
        reason=message.reason,
        since=message.since.ToDatetime(UTC),
        until=message.until.ToDatetime(UTC) if message.HasField("until") else None,
        times=message.times,
    )


def sender(message: wire.SuspendedSender) -> SuspendedSender:
    return SuspendedSender(
        account_id=message.account_id,
        address=message.address,
        tenant_id=message.tenant_id,
        made_by=message.made_by,
        reason=message.reason,
        since=message.since.ToDatetime(UTC),
    )
