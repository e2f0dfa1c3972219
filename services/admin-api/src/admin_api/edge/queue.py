"""/v1/queue: what waits to leave, seen and steered."""

from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request, Response
from mailwire.queue.v1 import queue_pb2 as wire
from mailwire.queue.v1.queue_pb2_grpc import QueueAdminServiceStub

from admin_api.adapters import queue
from admin_api.adapters.queue import SECONDS, TenantNames, answer
from admin_api.edge.tenants import PageSize, PageToken
from admin_api.models import Page
from admin_api.queue_models import AuditEntry, Group, Item, ItemFilter, Job, Message, NewChange, SummaryKey

router = APIRouter(prefix="/v1/queue", tags=["queue"])


class ListQuery(ItemFilter):
    """A filter, and which page of what it finds."""

    size: PageSize = 100
    page: PageToken = ""


def attach(app: FastAPI, stub: QueueAdminServiceStub) -> None:
    """Give the routes the queue, beside the directory that is there already."""
    app.state.queue = stub
    app.state.tenant_names = TenantNames(app.state.directory)


def _names(request: Request) -> TenantNames:
    names: TenantNames = request.app.state.tenant_names
    return names


@router.get("/items")
async def list_items(request: Request, wanted: Annotated[ListQuery, Query()]) -> Page[Item]:
    """Items that wait, oldest first. Durations are the client's to make instants of."""
    tenant_id = await _names(request).id_of(wanted.tenant)
    found = await answer(
        request.app.state.queue.ListItems(
            wire.ListItemsRequest(
                caller=queue.caller(request),
                filter=queue.item_filter(wanted, tenant_id),
                page_size=wanted.size,
                page_token=wanted.page,
            ),
            timeout=SECONDS,
        )
    )
    names = await _names(request).names_of(each.tenant_id for each in found.items)
    return Page(items=[queue.item(each, names) for each in found.items], next_page=found.next_page_token)


class SummaryQuery(ItemFilter):
    """A filter, and what the items of a group have in common."""

    by: SummaryKey = "domain"
    size: PageSize = 100


@router.get("/summary")
async def summarize(request: Request, wanted: Annotated[SummaryQuery, Query()]) -> list[Group]:
    """How many wait; the largest groups first."""
    tenant_id = await _names(request).id_of(wanted.tenant)
    found = await answer(
        request.app.state.queue.Summarize(
            wire.SummarizeRequest(
                caller=queue.caller(request),
                filter=queue.item_filter(wanted, tenant_id),
                key=queue.SUMMARY_KEYS[wanted.by],
                page_size=wanted.size,
            ),
            timeout=SECONDS,
        )
    )
    ids = [each.key for each in found.groups] if wanted.by == "tenant" else []
    names = await _names(request).names_of(ids)
    return [queue.group(each, names) for each in found.groups]


@router.get("/messages/{queue_id}")
async def get_message(queue_id: str, request: Request) -> Message:
    """One message: what waits of it, what is settled, every attempt."""
    found = await answer(
        request.app.state.queue.GetMessage(
            wire.GetMessageRequest(caller=queue.caller(request), queue_id=queue_id), timeout=SECONDS
        )
    )
    names = await _names(request).names_of(each.tenant_id for each in found.items)
    return Message(
        queue_id=queue_id,
        items=[queue.item(each, names) for each in found.items],
        settled=[queue.settled(each) for each in found.settled],
        attempts=[queue.attempt(each) for each in found.attempts],
    )


@router.post("/changes")
async def change_items(new: NewChange, request: Request, response: Response) -> Job:
    """Hold, release, retry, bounce, delete, reroute or expire what a filter finds.

    Few items are changed at once (200, status done); many go on as a job (202, status running).
    """
    tenant_id = await _names(request).id_of(new.filter.tenant)
    found = await answer(
        request.app.state.queue.ChangeItems(
            wire.ChangeItemsRequest(
                caller=queue.caller(request),
                filter=queue.item_filter(new.filter, tenant_id),
                everything=new.everything,
                change=queue.change(new),
            ),
            timeout=SECONDS,
        )
    )
    made = queue.job(found.job)
    if made.status == "running":
        response.status_code = 202
    return made


@router.get("/jobs/{job_id}")
async def get_job(job_id: str, request: Request) -> Job:
    """How far a change is."""
    found = await answer(
        request.app.state.queue.GetJob(
            wire.GetJobRequest(caller=queue.caller(request), job_id=job_id), timeout=SECONDS
        )
    )
    return queue.job(found.job)


@router.delete("/jobs/{job_id}")
async def cancel_job(job_id: str, request: Request) -> Job:
    """Let a change go no further; what it has done stays done."""
    found = await answer(
        request.app.state.queue.CancelJob(
            wire.CancelJobRequest(caller=queue.caller(request), job_id=job_id), timeout=SECONDS
        )
    )
    return queue.job(found.job)


@router.get("/audit")
async def list_audit(
    request: Request, tenant: str = "", size: PageSize = 100, page: PageToken = ""
) -> Page[AuditEntry]:
    """Who asked for what, newest first."""
    tenant_id = await _names(request).id_of(tenant)
    found = await answer(
        request.app.state.queue.ListAudit(
            wire.ListAuditRequest(
                caller=queue.caller(request), tenant_id=tenant_id, page_size=size, page_token=page
            ),
            timeout=SECONDS,
        )
    )
    names = await _names(request).names_of(each.tenant_id for each in found.entries)
    return Page(items=[queue.audit(each, names) for each in found.entries], next_page=found.next_page_token)
