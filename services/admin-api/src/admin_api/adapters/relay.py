"""The mta-queue's part in how mail leaves, over gRPC, in and out of the models."""

import json
from datetime import UTC

import grpc
from mailwire.queue.v1 import relay_pb2 as wire
from mailwire.queue.v1.relay_pb2_grpc import RelayAdminServiceStub

from admin_api import relay_models as models

PROTOCOLS: dict[models.Protocol, wire.RouteProtocol.ValueType] = {
    "smtp": wire.ROUTE_PROTOCOL_SMTP,
    "lmtp": wire.ROUTE_PROTOCOL_LMTP,
}
MINIMA: dict[models.Minimum, wire.MinimumTls.ValueType] = {
    "": wire.MINIMUM_TLS_UNSPECIFIED,
    "opportunistic": wire.MINIMUM_TLS_OPPORTUNISTIC,
    "encrypted": wire.MINIMUM_TLS_ENCRYPTED,
    "verified": wire.MINIMUM_TLS_VERIFIED,
}
PROTOCOL_BACK = {number: name for name, number in PROTOCOLS.items()}
MINIMUM_BACK = {number: name for name, number in MINIMA.items()}


def stub(channel: grpc.aio.Channel) -> RelayAdminServiceStub:
    """What the routes call."""
    return RelayAdminServiceStub(channel)


def new_route(new: models.NewRoute, tenant_id: str) -> wire.Route:
    """The tenant is its id here."""
    return wire.Route(
        tenant_id=tenant_id,
        domain=new.domain,
        host=new.host,
        protocol=PROTOCOLS[new.protocol],
        username=new.username,
        password=new.password,
        minimum_tls=MINIMA[new.minimum_tls],
        egress=new.egress,
    )


def route(message: wire.Route, names: dict[str, str]) -> models.Route:
    """Tenants by name, as far as it is known."""
    return models.Route(
        tenant=names.get(message.tenant_id, ""),
        tenant_id=message.tenant_id,
        domain=message.domain,
        host=message.host,
        protocol=PROTOCOL_BACK[message.protocol],
        username=message.username,
        minimum_tls=MINIMUM_BACK[message.minimum_tls],
        egress=message.egress,
    )


def new_source(new: models.NewSource) -> wire.Source:
    return wire.Source(**new.model_dump())


def source(message: wire.Source) -> models.Source:
    return models.Source(
        pool=message.pool,
        address=message.address,
        proxy=message.proxy,
        username=message.username,
        hello=message.hello,
        weight=message.weight,
        warmup_first=message.warmup_first,
        warmup_began=message.warmup_began,
        messages_today=message.messages_today,
        attempts_most=message.attempts_most,
    )


def report(message: wire.Report, names: dict[str, str]) -> models.Report:
    """Tenants by name, as far as it is known."""
    return models.Report(
        tenant=names.get(message.tenant_id, ""),
        tenant_id=message.tenant_id,
        domain=message.domain,
        organization=message.organization,
        report_id=message.report_id,
        begin_at=message.begin_at.ToDatetime(UTC),
        end_at=message.end_at.ToDatetime(UTC),
        passed=message.passed,
        failed=message.failed,
        figures=json.loads(message.figures),
    )


def sent_report(message: wire.SentReport) -> models.SentReport:
    return models.SentReport.model_validate(
        {
            "kind": message.kind,
            "day": message.day,
            "domain": message.domain,
            "sent_to": list(message.sent_to),
            "problem": message.problem,
        }
    )
