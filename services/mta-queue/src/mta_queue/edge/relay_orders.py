"""RelayAdminService: how mail leaves, as the operator sets it, and what other systems report of it."""

from datetime import UTC, datetime, timedelta

from mailwire.queue.v1 import relay_pb2 as wire
from mailwire.queue.v1.relay_pb2_grpc import RelayAdminServiceServicer

from mta_queue.adapters.egress import EgressBook, Used
from mta_queue.adapters.report_store import ReportStore
from mta_queue.adapters.routes import NewRule, RouteBook, Scope
from mta_queue.core.destinations import domain_of
from mta_queue.core.egress import Source
from mta_queue.core.item_filter import FilterInvalid
from mta_queue.core.report_mail import Kind
from mta_queue.core.tls import Minimum
from mta_queue.core.way import Protocol, WayRule
from mta_queue.edge import shapes
from mta_queue.edge.answers import Context, mapped
from mta_queue.edge.current import CurrentRules

PROTOCOLS = {
    wire.ROUTE_PROTOCOL_UNSPECIFIED: Protocol.SMTP,
    wire.ROUTE_PROTOCOL_SMTP: Protocol.SMTP,
    wire.ROUTE_PROTOCOL_LMTP: Protocol.LMTP,
}
PROTOCOL_BACK = {
    Protocol.SMTP: wire.ROUTE_PROTOCOL_SMTP,
    Protocol.LMTP: wire.ROUTE_PROTOCOL_LMTP,
}
MINIMA = {
    wire.MINIMUM_TLS_OPPORTUNISTIC: Minimum.OPPORTUNISTIC,
    wire.MINIMUM_TLS_ENCRYPTED: Minimum.ENCRYPTED,
    wire.MINIMUM_TLS_VERIFIED: Minimum.VERIFIED,
}
KINDS = {wire.REPORT_KIND_TLS: Kind.TLS, wire.REPORT_KIND_DMARC: Kind.DMARC}
SHOWN = timedelta(days=30)
PAGE = 100
LARGEST_PAGE = 1000
MINIMUM_BACK = {minimum: number for number, minimum in MINIMA.items()}


class RelayOrders(RelayAdminServiceServicer):
    """Answers the operator."""

    def __init__(
        self, routes: RouteBook, current: CurrentRules, reports: ReportStore, egress: EgressBook
    ) -> None:
        self._egress = egress
        self._routes = routes
        self._current = current
        self._reports = reports

    @mapped
    async def SetRoute(self, request: wire.SetRouteRequest, context: Context) -> wire.SetRouteResponse:
        caller, asked = shapes.caller(request.caller), request.route
        new = _new_rule(asked)
        made = await self._routes.set(caller, new)
        await self._current.reload()
        domain = domain_of("@" + new.domain) if new.domain else ""
        return wire.SetRouteResponse(route=_route((new.tenant_id or caller.tenant_id, domain), made))

    @mapped
    async def DeleteRoute(
        self, request: wire.DeleteRouteRequest, context: Context
    ) -> wire.DeleteRouteResponse:
        await self._routes.delete(
            shapes.caller(request.caller),
            shapes.text("tenant_id", request.tenant_id),
            shapes.text("domain", request.domain),
        )
        await self._current.reload()
        return wire.DeleteRouteResponse()

    @mapped
    async def ListRoutes(self, request: wire.ListRoutesRequest, context: Context) -> wire.ListRoutesResponse:
        found = await self._routes.listing(shapes.caller(request.caller))
        return wire.ListRoutesResponse(routes=[_route(scope, rule) for scope, rule in found.items()])

    @mapped
    async def SetSource(self, request: wire.SetSourceRequest, context: Context) -> wire.SetSourceResponse:
        asked = request.source
        source = Source(
            pool=shapes.text("pool", asked.pool),
            address=shapes.text("address", asked.address),
            proxy=shapes.text("proxy", asked.proxy),
            username=shapes.text("username", asked.username),
            hello=shapes.text("hello", asked.hello),
            weight=asked.weight,
            warmup_first=asked.warmup_first,
            attempts_most=asked.attempts_most,
        )
        made = await self._egress.set(
            shapes.caller(request.caller), source, shapes.text("password", asked.password)
        )
        await self._current.reload()
        return wire.SetSourceResponse(source=_source(Used(made, 0)))

    @mapped
    async def DeleteSource(
        self, request: wire.DeleteSourceRequest, context: Context
    ) -> wire.DeleteSourceResponse:
        await self._egress.delete(
            shapes.caller(request.caller),
            shapes.text("pool", request.pool),
            shapes.text("address", request.address),
            shapes.text("proxy", request.proxy),
        )
        await self._current.reload()
        return wire.DeleteSourceResponse()

    @mapped
    async def ListSources(
        self, request: wire.ListSourcesRequest, context: Context
    ) -> wire.ListSourcesResponse:
        found = await self._egress.listing(shapes.caller(request.caller))
        return wire.ListSourcesResponse(sources=[_source(each) for each in found])

    @mapped
    async def ListReports(
        self, request: wire.ListReportsRequest, context: Context
    ) -> wire.ListReportsResponse:
        if request.kind not in KINDS:
            raise FilterInvalid("say of what: TLS or DMARC")
        found = await self._reports.figures(
            shapes.caller(request.caller),
            KINDS[request.kind],
            shapes.text("tenant_id", request.tenant_id),
            shapes.text("domain", request.domain),
            _since(request),
            _size(request.page_size),
        )
        return wire.ListReportsResponse(
            reports=[
                wire.Report(
                    tenant_id=each.tenant_id,
                    domain=each.domain,
                    organization=each.organization,
                    report_id=each.report_id,
                    begin_at=shapes.stamp(each.begin_at),
                    end_at=shapes.stamp(each.end_at),
                    passed=each.passed,
                    failed=each.failed,
                    figures=each.figures,
                )
                for each in found
            ]
        )

    @mapped
    async def ListSentReports(
        self, request: wire.ListSentReportsRequest, context: Context
    ) -> wire.ListSentReportsResponse:
        if shapes.caller(request.caller).tenant_id:
            raise FilterInvalid("our own reports are the operator's")
        found = await self._reports.sent(_since(request).date(), _size(request.page_size))
        return wire.ListSentReportsResponse(
            reports=[
                wire.SentReport(
                    kind=each.kind,
                    day=each.day.isoformat(),
                    domain=each.domain,
                    sent_to=each.sent_to,
                    problem=each.problem,
                )
                for each in found
            ]
        )


def _source(used: Used) -> wire.Source:
    source = used.source
    return wire.Source(
        pool=source.pool,
        address=source.address,
        proxy=source.proxy,
        username=source.username,
        hello=source.hello,
        weight=source.weight,
        warmup_first=source.warmup_first,
        warmup_began=source.warmup_began.isoformat() if source.warmup_began is not None else "",
        messages_today=used.messages,
        attempts_most=source.attempts_most,
    )


def _since(request: wire.ListReportsRequest | wire.ListSentReportsRequest) -> datetime:
    """Raises FilterInvalid."""
    if request.HasField("since"):
        return shapes.instant(request.since)
    return datetime.now(UTC) - SHOWN


def _size(asked: int) -> int:
    return min(asked, LARGEST_PAGE) if asked > 0 else PAGE


def _new_rule(asked: wire.Route) -> NewRule:
    """Raises FilterInvalid."""
    if asked.protocol not in PROTOCOLS or (asked.minimum_tls and asked.minimum_tls not in MINIMA):
        raise FilterInvalid("a protocol or a minimum of TLS that this version does not know")
    return NewRule(
        tenant_id=shapes.text("tenant_id", asked.tenant_id),
        domain=shapes.text("domain", asked.domain),
        host=shapes.text("host", asked.host).lower(),
        protocol=PROTOCOLS[asked.protocol],
        username=shapes.text("username", asked.username),
        password=shapes.text("password", asked.password),
        minimum=MINIMA.get(asked.minimum_tls),
        egress=shapes.text("egress", asked.egress),
    )


def _route(scope: Scope, rule: WayRule) -> wire.Route:
    return wire.Route(
        tenant_id=scope[0],
        domain=scope[1],
        host=rule.host,
        protocol=PROTOCOL_BACK[rule.protocol],
        username=rule.username,
        egress=rule.egress,
        minimum_tls=MINIMUM_BACK[rule.minimum] if rule.minimum is not None else wire.MINIMUM_TLS_UNSPECIFIED,
    )
