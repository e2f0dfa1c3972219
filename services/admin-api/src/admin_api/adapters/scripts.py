"""The mda's scripts over gRPC, in and out of the models."""

from collections.abc import Awaitable
from datetime import UTC
from typing import TypeVar

import grpc
from fastapi import HTTPException
from mailwire.script.v1 import script_pb2 as wire
from mailwire.script.v1.script_pb2_grpc import ScriptAdminServiceStub

from admin_api.adapters.queue import AWAY
from admin_api.script_models import AccountScript, ScriptVersion, TrialOutcome, TrialStep

SECONDS = 30.0
A = TypeVar("A")


def stub(channel: grpc.aio.Channel) -> ScriptAdminServiceStub:
    """What the routes call."""
    return ScriptAdminServiceStub(channel)


async def answer(call: Awaitable[A]) -> A:
    """The answer. Raises 503 in the mda's name where it is away."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        if error.code() in AWAY:
            raise HTTPException(
                503, "Scripts cannot be reached now; try again later.", headers={"Retry-After": "2"}
            ) from error
        raise


def version(message: wire.ScriptVersion) -> ScriptVersion:
    return ScriptVersion(
        name=message.name,
        version=message.version,
        active=message.active,
        size_octets=message.size_octets,
        made_at=message.made_at.ToDatetime(UTC),
        made_by=message.made_by,
    )


def of_account(message: wire.AccountScript) -> AccountScript:
    return AccountScript(
        name=message.name,
        version=message.version,
        active=message.active,
        size_octets=message.size_octets,
        made_at=message.made_at.ToDatetime(UTC) if message.HasField("made_at") else None,
        replaced_at=message.replaced_at.ToDatetime(UTC) if message.HasField("replaced_at") else None,
    )


def outcome(message: wire.DryRunResponse) -> TrialOutcome:
    return TrialOutcome(
        steps=[
            TrialStep(kind=each.kind, detail=each.detail, line=each.line, script=each.script)
            for each in message.steps
        ],
        error=message.error,
    )
