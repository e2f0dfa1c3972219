"""/v1/reports: what other systems report of TLS with us and of mail in our name, and what we report to them."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from mailwire.queue.v1 import relay_pb2 as wire
from pydantic import AwareDatetime

from admin_api.adapters import queue, relay
from admin_api.adapters.queue import SECONDS, TenantNames, answer
from admin_api.models import Page
from admin_api.relay_models import Report, SentReport

router = APIRouter(prefix="/v1/reports", tags=["reports"])
Since = Annotated[AwareDatetime | None, Query(description="days since then; without: the last 30")]
Size = Annotated[int, Query(ge=1, le=1000)]


async def _listed(
    request: Request,
    kind: wire.ReportKind.ValueType,
    tenant: str,
    domain: str,
    since: AwareDatetime | None,
    size: int,
) -> Page[Report]:
    names: TenantNames = request.app.state.tenant_names
    found = await answer(
        request.app.state.relay.ListReports(
            wire.ListReportsRequest(
                caller=queue.caller(request),
                kind=kind,
                tenant_id=await names.id_of(tenant),
                domain=domain,
                since=queue.stamp(since),
                page_size=size,
            ),
            timeout=SECONDS,
        )
    )
    known = await names.names_of(each.tenant_id for each in found.reports)
    return Page(items=[relay.report(each, known) for each in found.reports])


@router.get("/tls")
async def list_tls_reports(
    request: Request, tenant: str = "", domain: str = "", since: Since = None, size: Size = 100
) -> Page[Report]:
    """What others saw of TLS with our hosts (RFC 8460), newest first."""
    return await _listed(request, wire.REPORT_KIND_TLS, tenant, domain, since, size)


@router.get("/dmarc")
async def list_dmarc_reports(
    request: Request, tenant: str = "", domain: str = "", since: Since = None, size: Size = 100
) -> Page[Report]:
    """What others saw of mail in the name of our domains (DMARC aggregate reports), newest first."""
    return await _listed(request, wire.REPORT_KIND_DMARC, tenant, domain, since, size)


@router.get("/sent")
async def list_sent_reports(request: Request, since: Since = None, size: Size = 100) -> Page[SentReport]:
    """Our own reports, newest first."""
    found = await answer(
        request.app.state.relay.ListSentReports(
            wire.ListSentReportsRequest(
                caller=queue.caller(request), since=queue.stamp(since), page_size=size
            ),
            timeout=SECONDS,
        )
    )
    return Page(items=[relay.sent_report(each) for each in found.reports])
