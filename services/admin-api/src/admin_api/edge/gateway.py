"""/v1/bans and /v1/suspended-senders."""

from fastapi import APIRouter, FastAPI, Request
from mailwire.gateway.v1 import gateway_pb2 as wire
from mailwire.gateway.v1.gateway_pb2_grpc import GatewayAdminServiceStub

from admin_api.adapters import gateway
from admin_api.adapters.access import stamp
from admin_api.adapters.gateway import SECONDS, answer
from admin_api.edge.tenants import PageSize, PageToken
from admin_api.gateway_models import Ban, LiftedBans, NewBan, NewSuspendedSender, SuspendedSender
from admin_api.models import Page

router = APIRouter()


def attach(app: FastAPI, stub: GatewayAdminServiceStub) -> None:
    """Give the routes their stub."""
    app.state.gateway = stub


@router.get("/v1/bans", tags=["front door"])
async def list_bans(
    request: Request, client_address: str = "", size: PageSize = 100, page: PageToken = ""
) -> Page[Ban]:
    """Who is banned now, the latest first; with an address: by which bans it is."""
    found = await answer(
        request.app.state.gateway.ListBans(
            wire.ListBansRequest(client_address=client_address, page_size=size, page_token=page),
            timeout=SECONDS,
        )
    )
    return Page(items=[gateway.ban(each) for each in found.bans], next_page=found.next_page_token)


@router.post("/v1/bans", status_code=201, tags=["front door"])
async def add_ban(new: NewBan, request: Request) -> Ban:
    """Ban an address or a network from all doors, in the place of an earlier ban of just this network."""
    made = await answer(
        request.app.state.gateway.AddBan(
            wire.AddBanRequest(network=new.network, reason=new.reason, until=stamp(new.until)),
            timeout=SECONDS,
        )
    )
    return gateway.ban(made.ban)


@router.delete("/v1/bans", tags=["front door"])
async def lift_ban(network: str, request: Request) -> LiftedBans:
    """Lift the bans of just this network, whoever made them, and forget its offences."""
    done = await answer(
        request.app.state.gateway.LiftBan(wire.LiftBanRequest(network=network), timeout=SECONDS)
    )
    return LiftedBans(lifted=done.lifted)


@router.get("/v1/suspended-senders", tags=["front door"])
async def list_suspended_senders(
    request: Request, tenant_id: str = "", size: PageSize = 100, page: PageToken = ""
) -> Page[SuspendedSender]:
    """Accounts that may not send now, the latest first."""
    found = await answer(
        request.app.state.gateway.ListSuspendedSenders(
            wire.ListSuspendedSendersRequest(tenant_id=tenant_id, page_size=size, page_token=page),
            timeout=SECONDS,
        )
    )
    return Page(items=[gateway.sender(each) for each in found.senders], next_page=found.next_page_token)


@router.post("/v1/suspended-senders", status_code=201, tags=["front door"])
async def suspend_sender(new: NewSuspendedSender, request: Request) -> SuspendedSender:
    """Let an account send no more; it is read and receives as ever."""
    made = await answer(
        request.app.state.gateway.SuspendSender(
            wire.SuspendSenderRequest(account=new.account, reason=new.reason), timeout=SECONDS
        )
    )
    return gateway.sender(made.sender)


@router.delete("/v1/suspended-senders", status_code=204, tags=["front door"])
async def resume_sender(account: str, request: Request) -> None:
    """Let an account, named by its address or id, send again."""
    await answer(
        request.app.state.gateway.ResumeSender(wire.ResumeSenderRequest(account=account), timeout=SECONDS)
    )
