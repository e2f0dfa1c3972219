"""/v1/queue/shapes, /v1/suppressions, /v1/webhooks: how fast mail goes, who gets none any more, who is told."""

from fastapi import APIRouter, FastAPI, Request
from mailwire.queue.v1 import reach_pb2 as wire
from mailwire.queue.v1.reach_pb2_grpc import ReachAdminServiceStub

from admin_api.adapters import queue, reach
from admin_api.adapters.queue import SECONDS, TenantNames, answer
from admin_api.edge.tenants import PageSize, PageToken
from admin_api.models import Page
from admin_api.reach_models import (
    Cause,
    DeadEvent,
    MadeWebhook,
    NewShape,
    NewSuppression,
    NewWebhook,
    Shape,
    Suppression,
    ToldAgain,
    Webhook,
)

router = APIRouter(prefix="/v1", tags=["queue"])


def attach(app: FastAPI, stub: ReachAdminServiceStub) -> None:
    """Give the routes their stub."""
    app.state.reach = stub


def _names(request: Request) -> TenantNames:
    names: TenantNames = request.app.state.tenant_names
    return names


@router.put("/queue/shapes")
async def set_shape(new: NewShape, request: Request) -> Shape:
    """Set, or set anew, the rule of this tenant for what it matches."""
    found = await answer(
        request.app.state.reach.SetShape(
            wire.SetShapeRequest(
                caller=queue.caller(request),
                shape=reach.new_shape(new, await _names(request).id_of(new.tenant)),
            ),
            timeout=SECONDS,
        )
    )
    return reach.shape(found.shape, await _names(request).names_of([found.shape.tenant_id]))


@router.get("/queue/shapes")
async def list_shapes(request: Request) -> Page[Shape]:
    """All rules, after the one that holds where none was set."""
    found = await answer(
        request.app.state.reach.ListShapes(
            wire.ListShapesRequest(caller=queue.caller(request)), timeout=SECONDS
        )
    )
    names = await _names(request).names_of(each.tenant_id for each in found.shapes)
    return Page(items=[reach.shape(each, names) for each in found.shapes])


@router.delete("/queue/shapes", status_code=204)
async def delete_shape(request: Request, matches: str, tenant: str = "") -> None:
    """Back to the next wider one."""
    await answer(
        request.app.state.reach.DeleteShape(
            wire.DeleteShapeRequest(
                caller=queue.caller(request), tenant_id=await _names(request).id_of(tenant), matches=matches
            ),
            timeout=SECONDS,
        )
    )


@router.post("/suppressions", status_code=201)
async def add_suppression(new: NewSuppression, request: Request) -> Suppression:
    """No more mail of the tenant to this address: it fails at once with 5.1.0."""
    found = await answer(
        request.app.state.reach.AddSuppression(
            wire.AddSuppressionRequest(
                caller=queue.caller(request),
                tenant_id=await _names(request).id_of(new.tenant),
                address=new.address,
                detail=new.detail,
                expires_at=queue.stamp(new.expires_at),
            ),
            timeout=SECONDS,
        )
    )
    return reach.suppression(found.suppression, await _names(request).names_of([found.suppression.tenant_id]))


@router.get("/suppressions")
async def list_suppressions(
    request: Request, tenant: str, cause: Cause = "", size: PageSize = 100, page: PageToken = ""
) -> Page[Suppression]:
    """A tenant's list, in the order of addresses."""
    found = await answer(
        request.app.state.reach.ListSuppressions(
            wire.ListSuppressionsRequest(
                caller=queue.caller(request),
                tenant_id=await _names(request).id_of(tenant),
                cause=cause,
                page_size=size,
                page_token=page,
            ),
            timeout=SECONDS,
        )
    )
    names = await _names(request).names_of(each.tenant_id for each in found.suppressions)
    return Page(
        items=[reach.suppression(each, names) for each in found.suppressions],
        next_page=found.next_page_token,
    )


@router.get("/suppressions/{address}")
async def get_suppression(request: Request, address: str, tenant: str) -> Suppression:
    """Why an address is on a tenant's list."""
    found = await answer(
        request.app.state.reach.GetSuppression(
            wire.GetSuppressionRequest(
                caller=queue.caller(request), tenant_id=await _names(request).id_of(tenant), address=address
            ),
            timeout=SECONDS,
        )
    )
    return reach.suppression(found.suppression, await _names(request).names_of([found.suppression.tenant_id]))


@router.delete("/suppressions/{address}", status_code=204)
async def remove_suppression(request: Request, address: str, tenant: str) -> None:
    """Mail goes there again."""
    await answer(
        request.app.state.reach.RemoveSuppression(
            wire.RemoveSuppressionRequest(
                caller=queue.caller(request), tenant_id=await _names(request).id_of(tenant), address=address
            ),
            timeout=SECONDS,
        )
    )


@router.post("/webhooks", status_code=201)
async def add_webhook(new: NewWebhook, request: Request) -> MadeWebhook:
    """From now on; the secret that requests are signed with is told this once."""
    found = await answer(
        request.app.state.reach.AddWebhook(
            wire.AddWebhookRequest(
                caller=queue.caller(request),
                tenant_id=await _names(request).id_of(new.tenant),
                url=new.url,
                events=new.events,
            ),
            timeout=SECONDS,
        )
    )
    names = await _names(request).names_of([found.webhook.tenant_id])
    return reach.made_webhook(found.webhook, found.secret, names)


@router.get("/webhooks")
async def list_webhooks(request: Request, tenant: str = "") -> Page[Webhook]:
    """A tenant's, or all, with how much waits for each."""
    found = await answer(
        request.app.state.reach.ListWebhooks(
            wire.ListWebhooksRequest(
                caller=queue.caller(request), tenant_id=await _names(request).id_of(tenant)
            ),
            timeout=SECONDS,
        )
    )
    names = await _names(request).names_of(each.tenant_id for each in found.webhooks)
    return Page(items=[reach.webhook(each, names) for each in found.webhooks])


@router.delete("/webhooks/{webhook_id}", status_code=204)
async def remove_webhook(request: Request, webhook_id: str) -> None:
    """With all that waits for it."""
    await answer(
        request.app.state.reach.RemoveWebhook(
            wire.RemoveWebhookRequest(caller=queue.caller(request), webhook_id=webhook_id), timeout=SECONDS
        )
    )


@router.get("/webhooks/{webhook_id}/dead")
async def list_dead_events(
    request: Request, webhook_id: str, size: PageSize = 100, page: PageToken = ""
) -> Page[DeadEvent]:
    """What could not be told for three days, oldest first; kept for two weeks."""
    found = await answer(
        request.app.state.reach.ListDeadEvents(
            wire.ListDeadEventsRequest(
                caller=queue.caller(request), webhook_id=webhook_id, page_size=size, page_token=page
            ),
            timeout=SECONDS,
        )
    )
    return Page(items=[reach.dead_event(each) for each in found.events], next_page=found.next_page_token)


@router.post("/webhooks/{webhook_id}/dead/again")
async def tell_dead_again(request: Request, webhook_id: str) -> ToldAgain:
    """All that was given up is told again, now."""
    found = await answer(
        request.app.state.reach.TellDeadAgain(
            wire.TellDeadAgainRequest(caller=queue.caller(request), webhook_id=webhook_id), timeout=SECONDS
        )
    )
    return ToldAgain(events=found.events)
