"""/v1/routes: where and how mail goes, where that is not the domain's MX as it comes. /v1/egress: where it leaves from."""

from fastapi import APIRouter, FastAPI, Request
from mailwire.queue.v1 import relay_pb2 as wire
from mailwire.queue.v1.relay_pb2_grpc import RelayAdminServiceStub

from admin_api.adapters import queue, relay
from admin_api.adapters.queue import SECONDS, TenantNames, answer
from admin_api.models import Page
from admin_api.relay_models import NewRoute, NewSource, Route, Source

router = APIRouter(prefix="/v1", tags=["relay"])


def attach(app: FastAPI, stub: RelayAdminServiceStub) -> None:
    """Give the routes their stub."""
    app.state.relay = stub


def _names(request: Request) -> TenantNames:
    names: TenantNames = request.app.state.tenant_names
    return names


@router.put("/routes")
async def set_route(new: NewRoute, request: Request) -> Route:
    """Set, or set anew, the rule for just this tenant and domain. It holds from the next attempt on."""
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


@router.get("/routes")
async def list_routes(request: Request) -> Page[Route]:
    """All rules."""
    found = await answer(
        request.app.state.relay.ListRoutes(
            wire.ListRoutesRequest(caller=queue.caller(request)), timeout=SECONDS
        )
    )
    names = await _names(request).names_of(each.tenant_id for each in found.routes)
    return Page(items=[relay.route(each, names) for each in found.routes])


@router.delete("/routes", status_code=204)
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


@router.put("/egress")
async def set_source(new: NewSource, request: Request) -> Source:
    """Add a source to a pool, or change it."""
    found = await answer(
        request.app.state.relay.SetSource(
            wire.SetSourceRequest(caller=queue.caller(request), source=relay.new_source(new)),
            timeout=SECONDS,
        )
    )
    return relay.source(found.source)


@router.get("/egress")
async def list_sources(request: Request) -> Page[Source]:
    """All sources, by pool."""
    found = await answer(
        request.app.state.relay.ListSources(
            wire.ListSourcesRequest(caller=queue.caller(request)), timeout=SECONDS
        )
    )
    return Page(items=[relay.source(each) for each in found.sources])


@router.delete("/egress", status_code=204)
async def delete_source(request: Request, pool: str, address: str = "", proxy: str = "") -> None:
    """Take a source out of its pool."""
    await answer(
        request.app.state.relay.DeleteSource(
            wire.DeleteSourceRequest(caller=queue.caller(request), pool=pool, address=address, proxy=proxy),
            timeout=SECONDS,
        )
    )
