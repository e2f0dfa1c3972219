"""GatewayAdminService: what the operator sees of the front door, and orders."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import grpc
from directoryclient import Unavailable
from eventbus import BusUnavailable
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from mailwire.gateway.v1 import gateway_pb2 as wire
from mailwire.gateway.v1.gateway_pb2_grpc import GatewayAdminServiceServicer

from smtp_gateway.core.bans import Ban, network_text
from smtp_gateway.core.senders import Suspension
from smtp_gateway.edge.banning import Banning
from smtp_gateway.edge.suspending import Suspending
from smtp_gateway.ports import Directory

Context = grpc.aio.ServicerContext[Any, Any]
Q = TypeVar("Q", bound=Message)
A = TypeVar("A")
T = TypeVar("T")
PAGE, LARGEST_PAGE = 100, 1000
REASON_CHARACTERS = 500


class Missing(Exception):
    """There is no such thing."""


def _order(
    method: Callable[["Orders", Q, Context], Awaitable[A]],
) -> Callable[["Orders", Q, Context], Awaitable[A]]:
    """Errors of ours become status codes with their sentence; no text has a control character."""

    async def call(self: "Orders", request: Q, context: Context) -> A:
        try:
            for field, value in request.ListFields():
                if field.type == field.TYPE_STRING and not str(value).isprintable():
                    raise ValueError(f"{field.name} has a control character in it")
            return await method(self, request, context)
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except Missing as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        except (BusUnavailable, Unavailable) as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        raise AssertionError("abort raises")

    return call


class Orders(GatewayAdminServiceServicer):
    """Answers the operator, through admin-api."""

    def __init__(self, banning: Banning, suspending: Suspending, directory: Directory) -> None:
        self._banning = banning
        self._suspending = suspending
        self._directory = directory

    @_order
    async def ListBans(self, request: wire.ListBansRequest, context: Context) -> wire.ListBansResponse:
        found = self._banning.listing()
        if request.client_address:
            holding = self._banning.holding(request.client_address)
            found = [ban for ban in found if ban in holding]
        page, token = _page(found, request.page_size, request.page_token)
        return wire.ListBansResponse(bans=map(_ban, page), next_page_token=token)

    @_order
    async def AddBan(self, request: wire.AddBanRequest, context: Context) -> wire.AddBanResponse:
        until = _instant(request.until) if request.HasField("until") else None
        made = await self._banning.ban(request.network, _reason(request.reason), until)
        return wire.AddBanResponse(ban=_ban(made))

    @_order
    async def LiftBan(self, request: wire.LiftBanRequest, context: Context) -> wire.LiftBanResponse:
        lifted = await self._banning.lift(request.network)
        if not lifted:
            raise Missing(f"{network_text(request.network)} is not banned")
        return wire.LiftBanResponse(lifted=lifted)

    @_order
    async def ListSuspendedSenders(
        self, request: wire.ListSuspendedSendersRequest, context: Context
    ) -> wire.ListSuspendedSendersResponse:
        found = self._suspending.listing()
        if request.tenant_id:
            found = [each for each in found if each.tenant_id == request.tenant_id]
        page, token = _page(found, request.page_size, request.page_token)
        return wire.ListSuspendedSendersResponse(senders=map(_sender, page), next_page_token=token)

    @_order
    async def SuspendSender(
        self, request: wire.SuspendSenderRequest, context: Context
    ) -> wire.SuspendSenderResponse:
        [resolution] = await self._directory.resolve([request.account])
        if len(resolution.targets) != 1 or resolution.targets[0].account_id is None:
            raise Missing(f"there is no account {request.account}")
        [target] = resolution.targets
        made = await self._suspending.suspend(
            target.account_id or "", target.address, target.tenant_id, _reason(request.reason)
        )
        return wire.SuspendSenderResponse(sender=_sender(made))

    @_order
    async def ResumeSender(
        self, request: wire.ResumeSenderRequest, context: Context
    ) -> wire.ResumeSenderResponse:
        if not await self._suspending.resume(request.account):
            raise Missing(f"the sending of {request.account} is not suspended")
        return wire.ResumeSenderResponse()


def _reason(text: str) -> str:
    if not text.strip() or len(text) > REASON_CHARACTERS:
        raise ValueError(f"a reason has 1 to {REASON_CHARACTERS} characters")
    return text.strip()


def _page(found: Sequence[T], size: int, token: str) -> tuple[Sequence[T], str]:
    """The token is how many came before; the list may have changed since."""
    if token and not (token.isascii() and token.isdigit()):
        raise ValueError("that is no page")
    start = int(token or 0)
    end = start + (min(size, LARGEST_PAGE) or PAGE)
    return found[start:end], str(end) if end < len(found) else ""


def _stamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


def _instant(stamp: Timestamp) -> datetime:
    try:
        return stamp.ToDatetime(UTC)
    except OverflowError as error:
        raise ValueError("that is no time") from error


def _ban(ban: Ban) -> wire.Ban:
    return wire.Ban(
        network=ban.network,
        made_by=ban.by.value,
        reason=ban.reason,
        since=_stamp(ban.since),
        until=None if ban.until is None else _stamp(ban.until),
        times=ban.times,
    )


def _sender(suspension: Suspension) -> wire.SuspendedSender:
    return wire.SuspendedSender(
        account_id=suspension.account_id,
        address=suspension.address,
        tenant_id=suspension.tenant_id,
        made_by=suspension.by.value,
        reason=suspension.reason,
        since=_stamp(suspension.since),
    )
