"""/v1/queue/suspensions and /v1/queue/schedules: whose mail goes out, and how often it is tried."""

from fastapi import APIRouter, Request
from mailwire.queue.v1 import queue_pb2 as wire

from admin_api.adapters import queue
from admin_api.adapters.queue import SECONDS, TenantNames, answer
from admin_api.models import Page
from admin_api.queue_models import NewSchedule, NewSuspension, Schedule, Suspension

router = APIRouter(prefix="/v1/queue", tags=["queue"])


def _names(request: Request) -> TenantNames:
    names: TenantNames = request.app.state.tenant_names
    return names


@router.post("/suspensions", status_code=201)
async def suspend(new: NewSuspension, request: Request) -> Suspension:
    """Stop mail; again for the same tenant and domain to give another reason or end."""
    found = await answer(
        request.app.state.queue.Suspend(
            wire.SuspendRequest(
                caller=queue.caller(request),
                tenant_id=await _names(request).id_of(new.tenant),
                domain=new.domain,
                everything=new.everything,
                reason=new.reason,
                expires_at=queue.stamp(new.expires_at),
            ),
            timeout=SECONDS,
        )
    )
    names = await _names(request).names_of([found.suspension.tenant_id])
    return queue.suspension(found.suspension, names)


@router.get("/suspensions")
async def list_suspensions(request: Request) -> Page[Suspension]:
    """Those that hold now, oldest first."""
    found = await answer(
        request.app.state.queue.ListSuspensions(
            wire.ListSuspensionsRequest(caller=queue.caller(request)), timeout=SECONDS
        )
    )
    names = await _names(request).names_of(each.tenant_id for each in found.suspensions)
    return Page(items=[queue.suspension(each, names) for each in found.suspensions])


@router.delete("/suspensions", status_code=204)
async def resume(request: Request, tenant: str = "", domain: str = "") -> None:
    """Lift the suspension of just this tenant and domain; what waits is tried now."""
    await answer(
        request.app.state.queue.Resume(
            wire.ResumeRequest(
                caller=queue.caller(request), tenant_id=await _names(request).id_of(tenant), domain=domain
            ),
            timeout=SECONDS,
        )
    )


@router.put("/schedules")
async def set_schedule(new: NewSchedule, request: Request) -> Schedule:
    """It holds from the next attempt on."""
    found = await answer(
        request.app.state.queue.SetSchedule(
            wire.SetScheduleRequest(
                caller=queue.caller(request),
                schedule=wire.Schedule(
                    tenant_id=await _names(request).id_of(new.tenant),
                    domain=new.domain,
                    first_seconds=new.first_seconds,
                    longest_seconds=new.longest_seconds,
                    expire_seconds=new.expire_seconds,
                    jitter=new.jitter,
                    warn_seconds=new.warn_seconds,
                ),
            ),
            timeout=SECONDS,
        )
    )
    return queue.schedule(found.schedule, await _names(request).names_of([found.schedule.tenant_id]))


@router.get("/schedules")
async def list_schedules(request: Request) -> Page[Schedule]:
    """All that were set, after the one that holds where none was."""
    found = await answer(
        request.app.state.queue.ListSchedules(
            wire.ListSchedulesRequest(caller=queue.caller(request)), timeout=SECONDS
        )
    )
    names = await _names(request).names_of(each.tenant_id for each in found.schedules)
    return Page(items=[queue.schedule(each, names) for each in found.schedules])


@router.delete("/schedules", status_code=204)
async def delete_schedule(request: Request, tenant: str = "", domain: str = "") -> None:
    """Back to the next wider one."""
    await answer(
        request.app.state.queue.DeleteSchedule(
            wire.DeleteScheduleRequest(
                caller=queue.caller(request), tenant_id=await _names(request).id_of(tenant), domain=domain
            ),
            timeout=SECONDS,
        )
    )
