"""ReachAdminService: how fast mail goes where, who gets none any more, who is told of it, as the operator sets it."""

from typing import Any

from mailwire.queue.v1 import reach_pb2 as wire
from mailwire.queue.v1.reach_pb2_grpc import ReachAdminServiceServicer

from mta_queue.adapters.hooks import Hooks
from mta_queue.adapters.shapes import ShapeBook
from mta_queue.adapters.suppressions import Suppressions
from mta_queue.core.item_filter import FilterInvalid
from mta_queue.core.shaping import Action, Reaction, Shape
from mta_queue.core.suppression import Cause, Suppression
from mta_queue.edge import shapes
from mta_queue.edge.answers import Context, mapped
from mta_queue.edge.current import CurrentRules

ACTIONS = {
    wire.REACTION_ACTION_BACK_OFF: Action.BACK_OFF,
    wire.REACTION_ACTION_SUSPEND: Action.SUSPEND,
}
ACTION_BACK = {action: number for number, action in ACTIONS.items()}
CAUSES = ("", *(each.value for each in Cause))
PAGE = 100
LARGEST_PAGE = 1000


class ReachOrders(ReachAdminServiceServicer):
    """Answers the operator."""

    def __init__(
        self, book: ShapeBook, suppressions: Suppressions, hooks: Hooks, current: CurrentRules
    ) -> None:
        self._book = book
        self._suppressions = suppressions
        self._hooks = hooks
        self._current = current

    # -- shaping

    @mapped
    async def SetShape(self, request: wire.SetShapeRequest, context: Context) -> wire.SetShapeResponse:
        asked = request.shape
        made = _shape_from(asked)
        key = await self._book.set(
            shapes.caller(request.caller),
            shapes.text("tenant_id", asked.tenant_id),
            shapes.text("matches", asked.matches),
            made,
        )
        await self._current.reload()
        return wire.SetShapeResponse(shape=_shape(key, made))

    @mapped
    async def DeleteShape(
        self, request: wire.DeleteShapeRequest, context: Context
    ) -> wire.DeleteShapeResponse:
        await self._book.delete(
            shapes.caller(request.caller),
            shapes.text("tenant_id", request.tenant_id),
            shapes.text("matches", request.matches),
        )
        await self._current.reload()
        return wire.DeleteShapeResponse()

    @mapped
    async def ListShapes(self, request: wire.ListShapesRequest, context: Context) -> wire.ListShapesResponse:
        found = await self._book.listing(shapes.caller(request.caller))
        return wire.ListShapesResponse(shapes=[_shape(key, each) for key, each in found.items()])

    # -- suppressed addresses

    @mapped
    async def AddSuppression(
        self, request: wire.AddSuppressionRequest, context: Context
    ) -> wire.AddSuppressionResponse:
        made = await self._suppressions.add(
            shapes.caller(request.caller),
            shapes.text("tenant_id", request.tenant_id),
            shapes.text("address", request.address),
            shapes.text("detail", request.detail),
            shapes.instant(request.expires_at) if request.HasField("expires_at") else None,
        )
        await self._current.reload()
        return wire.AddSuppressionResponse(suppression=_suppression(made))

    @mapped
    async def RemoveSuppression(
        self, request: wire.RemoveSuppressionRequest, context: Context
    ) -> wire.RemoveSuppressionResponse:
        await self._suppressions.remove(
            shapes.caller(request.caller),
            shapes.text("tenant_id", request.tenant_id),
            shapes.text("address", request.address),
        )
        return wire.RemoveSuppressionResponse()

    @mapped
    async def GetSuppression(
        self, request: wire.GetSuppressionRequest, context: Context
    ) -> wire.GetSuppressionResponse:
        found = await self._suppressions.show(
            shapes.caller(request.caller),
            shapes.text("tenant_id", request.tenant_id),
            shapes.text("address", request.address),
        )
        return wire.GetSuppressionResponse(suppression=_suppression(found))

    @mapped
    async def ListSuppressions(
        self, request: wire.ListSuppressionsRequest, context: Context
    ) -> wire.ListSuppressionsResponse:
        if request.cause not in CAUSES:
            raise FilterInvalid(f"there is no cause {request.cause!r}")
        size = _size(request.page_size)
        found = await self._suppressions.listing(
            shapes.caller(request.caller),
            shapes.text("tenant_id", request.tenant_id),
            request.cause,
            shapes.text("page_token", request.page_token),
            size,
        )
        return wire.ListSuppressionsResponse(
            suppressions=[_suppression(each) for each in found],
            next_page_token=found[-1].address if len(found) == size else "",
        )

    # -- webhooks

    @mapped
    async def AddWebhook(self, request: wire.AddWebhookRequest, context: Context) -> wire.AddWebhookResponse:
        row, secret = await self._hooks.add(
            shapes.caller(request.caller),
            shapes.text("tenant_id", request.tenant_id),
            request.url,
            list(request.events),
        )
        await self._current.reload()
        return wire.AddWebhookResponse(webhook=_webhook(row), secret=secret)

    @mapped
    async def RemoveWebhook(
        self, request: wire.RemoveWebhookRequest, context: Context
    ) -> wire.RemoveWebhookResponse:
        await self._hooks.remove(shapes.caller(request.caller), request.webhook_id)
        await self._current.reload()
        return wire.RemoveWebhookResponse()

    @mapped
    async def ListWebhooks(
        self, request: wire.ListWebhooksRequest, context: Context
    ) -> wire.ListWebhooksResponse:
        rows = await self._hooks.listing(
            shapes.caller(request.caller), shapes.text("tenant_id", request.tenant_id)
        )
        return wire.ListWebhooksResponse(webhooks=[_webhook(each) for each in rows])

    @mapped
    async def ListDeadEvents(
        self, request: wire.ListDeadEventsRequest, context: Context
    ) -> wire.ListDeadEventsResponse:
        size, token = _size(request.page_size), request.page_token
        if token and not (token.isascii() and token.isdigit() and len(token) <= 18):
            raise FilterInvalid("a page token that was not given by us")
        found = await self._hooks.dead(
            shapes.caller(request.caller), request.webhook_id, int(token or 0), size
        )
        return wire.ListDeadEventsResponse(
            events=[
                wire.DeadEvent(
                    delivery_id=each.delivery_id,
                    event=each.event,
                    attempts=each.attempts,
                    dead_at=shapes.stamp(each.dead_at),
                    last_error=each.last_error,
                )
                for each in found
            ],
            next_page_token=str(found[-1].delivery_id) if len(found) == size else "",
        )

    @mapped
    async def TellDeadAgain(
        self, request: wire.TellDeadAgainRequest, context: Context
    ) -> wire.TellDeadAgainResponse:
        count = await self._hooks.again(shapes.caller(request.caller), request.webhook_id)
        return wire.TellDeadAgainResponse(events=count)


def _size(asked: int) -> int:
    return min(asked, LARGEST_PAGE) if asked > 0 else PAGE


def _shape_from(asked: wire.Shape) -> Shape:
    """Raises ShapeInvalid, FilterInvalid."""
    for each in asked.reactions:
        if each.action not in ACTIONS:
            raise FilterInvalid("a reaction says what is done: back-off or suspend")
    return Shape(
        connections=asked.connections,
        messages_a_connection=asked.messages_a_connection,
        messages_a_minute=asked.messages_a_minute,
        messages_an_hour=asked.messages_an_hour,
        reactions=tuple(
            Reaction(each.pattern, ACTIONS[each.action], each.seconds) for each in asked.reactions
        ),
    )


def _shape(key: tuple[str, str], made: Shape) -> wire.Shape:
    return wire.Shape(
        tenant_id=key[0],
        matches=key[1],
        connections=made.connections,
        messages_a_connection=made.messages_a_connection,
        messages_a_minute=made.messages_a_minute,
        messages_an_hour=made.messages_an_hour,
        reactions=[
            wire.Reaction(pattern=each.pattern, action=ACTION_BACK[each.action], seconds=each.seconds)
            for each in made.reactions
        ],
    )


def _suppression(found: Suppression) -> wire.Suppression:
    return wire.Suppression(
        tenant_id=found.tenant_id,
        address=found.address,
        cause=found.cause.value,
        detail=found.detail,
        queue_id=found.queue_id,
        created_at=shapes.stamp(found.created_at),
        expires_at=shapes.stamp(found.expires_at),
    )


def _webhook(row: Any) -> wire.Webhook:
    return wire.Webhook(
        webhook_id=str(row["webhook_id"]),
        tenant_id=str(row["tenant_id"]),
        url=row["url"],
        events=row["events"],
        created_at=shapes.stamp(row["created_at"]),
        failures=row["failures"],
        last_error=row["last_error"],
        next_at=shapes.stamp(row["next_at"]),
        waiting=row["waiting"],
        dead=row["dead"],
    )
