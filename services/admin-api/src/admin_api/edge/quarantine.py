"""/v1/quarantine/{tenant}: messages that scanners keep from their recipients."""

from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request
from mailwire.quarantine.v1 import quarantine_pb2 as wire
from mailwire.quarantine.v1.quarantine_pb2_grpc import QuarantineAdminServiceStub

from admin_api.adapters import quarantine
from admin_api.adapters.quarantine import SECONDS, answer
from admin_api.adapters.queue import TenantNames
from admin_api.edge.callers import actor_of
from admin_api.edge.tenants import PageToken
from admin_api.models import Page
from admin_api.quarantine_models import Held, Learned, Lesson, ShownHeld

router = APIRouter(prefix="/v1/quarantine", tags=["quarantine"])
Size = Annotated[int, Query(ge=1, le=500, description="how many at most")]


def attach(app: FastAPI, stub: QuarantineAdminServiceStub) -> None:
    """Give the routes their stub."""
    app.state.quarantine = stub


async def _id(request: Request, tenant: str) -> str:
    names: TenantNames = request.app.state.tenant_names
    return await names.id_of(tenant)


@router.post("/-/learn")
async def learn(lesson: Lesson, request: Request) -> Learned:
    """Let the spam scanner learn from a message, as it learns from what users move into Junk and out of it."""
    asked = wire.LearnRequest(content=lesson.message.encode(), is_spam=lesson.spam, actor=actor_of(request))
    found = await answer(request.app.state.quarantine.Learn(asked, timeout=SECONDS))
    return Learned(learned=found.learned)


@router.get("/{tenant}")
async def list_held(tenant: str, request: Request, size: Size = 100, page: PageToken = "") -> Page[Held]:
    """What is kept for a tenant (its name or id), newest first. It is kept for 30 days."""
    found = await answer(
        request.app.state.quarantine.ListHeld(
            wire.ListHeldRequest(tenant_id=await _id(request, tenant), page_size=size, page_token=page),
            timeout=SECONDS,
        )
    )
    return Page(items=[quarantine.held(each) for each in found.held], next_page=found.next_page_token)


@router.get("/{tenant}/{queue_id}")
async def get_held(tenant: str, queue_id: str, request: Request) -> ShownHeld:
    """One message: what the scanners said of it, and its header."""
    found = await answer(
        request.app.state.quarantine.GetHeld(
            wire.GetHeldRequest(tenant_id=await _id(request, tenant), queue_id=queue_id), timeout=SECONDS
        )
    )
    return quarantine.shown(found)


@router.post("/{tenant}/{queue_id}/release", status_code=204)
async def release_held(tenant: str, queue_id: str, request: Request) -> None:
    """Let it reach the INBOX of its recipients after all, with what the scanners said in its header."""
    await answer(
        request.app.state.quarantine.ReleaseHeld(
            wire.ReleaseHeldRequest(
                tenant_id=await _id(request, tenant), queue_id=queue_id, actor=actor_of(request)
            ),
            timeout=SECONDS,
        )
    )


@router.delete("/{tenant}/{queue_id}", status_code=204)
async def delete_held(tenant: str, queue_id: str, request: Request) -> None:
    """Keep it no longer; nobody gets it."""
    await answer(
        request.app.state.quarantine.DeleteHeld(
            wire.DeleteHeldRequest(
                tenant_id=await _id(request, tenant), queue_id=queue_id, actor=actor_of(request)
            ),
            timeout=SECONDS,
        )
    )
