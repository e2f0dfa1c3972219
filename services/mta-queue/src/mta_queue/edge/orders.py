"""QueueAdminService: what the operator sees and changes, through admin-api. Every order leaves a line in the audit."""

from mailwire.queue.v1 import queue_pb2 as wire
from mailwire.queue.v1.queue_pb2_grpc import QueueAdminServiceServicer
from servicekit import logs

from mta_queue.adapters.changes import Changes
from mta_queue.adapters.items import Items
from mta_queue.adapters.rules import RuleBook
from mta_queue.core.change import action_of
from mta_queue.core.item_filter import FilterInvalid
from mta_queue.core.records import Missing
from mta_queue.edge import shapes
from mta_queue.edge.answers import Context, mapped
from mta_queue.edge.current import CurrentRules
from mta_queue.edge.jobs import Jobs

LOG = logs.logger("mta_queue.orders")
PAGE = 100
LARGEST_PAGE = 1000


def _size(asked: int) -> int:
    return min(asked, LARGEST_PAGE) if asked > 0 else PAGE


def _place(token: str) -> int:
    """Raises FilterInvalid."""
    if not token:
        return 0
    if not (token.isascii() and token.isdigit() and len(token) <= 18):
        raise FilterInvalid("a page token that was not given by us")
    return int(token)


class Orders(QueueAdminServiceServicer):
    """Answers the operator."""

    def __init__(
        self, items: Items, changes: Changes, jobs: Jobs, rules: RuleBook, current: CurrentRules
    ) -> None:
        self._rules = rules
        self._current = current
        self._items = items
        self._changes = changes
        self._jobs = jobs

    @mapped
    async def ListItems(self, request: wire.ListItemsRequest, context: Context) -> wire.ListItemsResponse:
        size = _size(request.page_size)
        records = await self._items.listing(
            shapes.caller(request.caller),
            shapes.item_filter(request.filter),
            _place(request.page_token),
            size,
        )
        return wire.ListItemsResponse(
            items=[shapes.item(record) for record in records],
            next_page_token=str(records[-1].item_id) if len(records) == size else "",
        )

    @mapped
    async def Summarize(self, request: wire.SummarizeRequest, context: Context) -> wire.SummarizeResponse:
        if request.key not in shapes.SUMMARY_KEYS:
            raise FilterInvalid("say by what: tenant, domain, status, sender or reply")
        records = await self._items.summary(
            shapes.caller(request.caller),
            shapes.item_filter(request.filter),
            shapes.SUMMARY_KEYS[request.key],
            _size(request.page_size),
        )
        return wire.SummarizeResponse(groups=[shapes.group(record) for record in records])

    @mapped
    async def GetMessage(self, request: wire.GetMessageRequest, context: Context) -> wire.GetMessageResponse:
        if not request.queue_id or len(request.queue_id) > 100 or "\0" in request.queue_id:
            raise Missing("there is no such message")
        found = await self._items.message(shapes.caller(request.caller), request.queue_id)
        return wire.GetMessageResponse(
            items=[shapes.item(each) for each in found.items],
            settled=[shapes.settled(each) for each in found.settled],
            attempts=[shapes.attempt(each) for each in found.attempts],
        )

    @mapped
    async def ChangeItems(
        self, request: wire.ChangeItemsRequest, context: Context
    ) -> wire.ChangeItemsResponse:
        caller = shapes.caller(request.caller)
        wanted = shapes.item_filter(request.filter)
        change = shapes.change(request.change)
        if wanted.is_everything and not request.everything:
            raise FilterInvalid("no filter: say which items, or that you mean everything")
        job_id = await self._changes.begin(caller, wanted, change)
        LOG.info("change_ordered", job_id=job_id, action=action_of(change), actor=caller.actor)
        # Few items are done at once; of many the first batch, and the rest goes on by itself.
        await self._jobs.step(job_id)
        return wire.ChangeItemsResponse(job=shapes.job(await self._changes.job(caller, job_id)))

    @mapped
    async def GetJob(self, request: wire.GetJobRequest, context: Context) -> wire.GetJobResponse:
        record = await self._changes.job(shapes.caller(request.caller), request.job_id)
        return wire.GetJobResponse(job=shapes.job(record))

    @mapped
    async def CancelJob(self, request: wire.CancelJobRequest, context: Context) -> wire.CancelJobResponse:
        record = await self._changes.cancel(shapes.caller(request.caller), request.job_id)
        return wire.CancelJobResponse(job=shapes.job(record))

    @mapped
    async def Suspend(self, request: wire.SuspendRequest, context: Context) -> wire.SuspendResponse:
        caller = shapes.caller(request.caller)
        if not (request.tenant_id or request.domain or caller.tenant_id or request.everything):
            raise FilterInvalid("say which tenant or domain, or that you mean all mail")
        expires_at = shapes.instant(request.expires_at) if request.HasField("expires_at") else None
        record = await self._rules.suspend(
            caller,
            shapes.text("tenant_id", request.tenant_id),
            shapes.text("domain", request.domain),
            shapes.text("reason", request.reason),
            expires_at,
        )
        await self._current.reload()
        return wire.SuspendResponse(suspension=shapes.suspension(record))

    @mapped
    async def Resume(self, request: wire.ResumeRequest, context: Context) -> wire.ResumeResponse:
        await self._rules.resume(
            shapes.caller(request.caller),
            shapes.text("tenant_id", request.tenant_id),
            shapes.text("domain", request.domain),
        )
        await self._current.reload()
        return wire.ResumeResponse()

    @mapped
    async def ListSuspensions(
        self, request: wire.ListSuspensionsRequest, context: Context
    ) -> wire.ListSuspensionsResponse:
        records = await self._rules.suspensions(shapes.caller(request.caller))
        return wire.ListSuspensionsResponse(suspensions=[shapes.suspension(each) for each in records])

    @mapped
    async def SetSchedule(
        self, request: wire.SetScheduleRequest, context: Context
    ) -> wire.SetScheduleResponse:
        asked = request.schedule
        schedule = shapes.schedule_from(asked)
        scope = (shapes.text("tenant_id", asked.tenant_id), shapes.text("domain", asked.domain))
        await self._rules.set_schedule(shapes.caller(request.caller), *scope, schedule)
        await self._current.reload()
        return wire.SetScheduleResponse(schedule=shapes.schedule(scope, schedule))

    @mapped
    async def DeleteSchedule(
        self, request: wire.DeleteScheduleRequest, context: Context
    ) -> wire.DeleteScheduleResponse:
        await self._rules.delete_schedule(
            shapes.caller(request.caller),
            shapes.text("tenant_id", request.tenant_id),
            shapes.text("domain", request.domain),
        )
        await self._current.reload()
        return wire.DeleteScheduleResponse()

    @mapped
    async def ListSchedules(
        self, request: wire.ListSchedulesRequest, context: Context
    ) -> wire.ListSchedulesResponse:
        found = await self._rules.schedules(shapes.caller(request.caller))
        return wire.ListSchedulesResponse(
            schedules=[shapes.schedule(scope, schedule) for scope, schedule in found.items()]
        )

    @mapped
    async def ListAudit(self, request: wire.ListAuditRequest, context: Context) -> wire.ListAuditResponse:
        size = _size(request.page_size)
        records = await self._items.audit(
            shapes.caller(request.caller), request.tenant_id, _place(request.page_token), size
        )
        return wire.ListAuditResponse(
            entries=[shapes.audit(record) for record in records],
            next_page_token=str(records[-1].audit_id) if len(records) == size else "",
        )
