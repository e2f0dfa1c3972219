"""/v1/routes: where and how mail goes, where that is not the domain's MX as it comes."""

from fastapi import APIRouter, FastAPI, Request
from mailwire.queue.v1 import relay_pb2 as wire
from mailwire.queue.v1.relay_pb2_grpc import RelayAdminServiceStub

from admin_api.adapters import queue, relay
from admin_api.adapters.queue import SECONDS, TenantNames, answer
from admin_api.models import Page
from admin_api.relay_models import NewRoute, Route

router = APIRouter(prefix="/v1/routes", tags=["relay"])


def attach(app: FastAPI, stub: RelayAdminServiceStub) -> None:
    """Give the routes their stub."""
    app.state.relay = stub


def _names(request: Request) -> TenantNames:
    names: TenantNames = request.app.state.tenant_names
    return names


@router.put("")
async def set_route(new: NewRoute, request: Request) -> Route:
    """Set, or set anew, the rule for just this tenant and domain. What waits for it is tried now."""
    found = await answer(
        request.app.state.relay.SetRoute(
            wire.SetRouteRequest(
                caller=queue.caller(request),
                route=relay.new_route(new, await _names(request).id_of(new.tenant)),
            ),
            timeout=SECONDS,
        )
    )
    return relay.route(found.route, await _names(request).names_of([found.route.tenant_id]))


@router.get("")
async def list_routes(request: Request) -> Page[Route]:
    """All rules."""
    found = await answer(
        request.app.state.relay.ListRoutes(
            wire.ListRoutesRequest(caller=queue.caller(request)), timeout=SECONDS
        )
    )
    names = await _names(request).names_of(each.tenant_id for each in found.routes)
    return Page(items=[relay.route(each, names) for each in found.routes])


@router.delete("", status_code=204)
async def delete_route(request: Request, tenant: str = "", domain: str = "") -> None:
    """Back to the next wider one, or to the MX."""
    await answer(
        request.app.state.relay.DeleteRoute(
            wire.DeleteRouteRequest(
                caller=queue.caller(request), tenant_id=await _names(request).id_of(tenant), domain=domain
            ),
            timeout=SECONDS,
        )
    )
