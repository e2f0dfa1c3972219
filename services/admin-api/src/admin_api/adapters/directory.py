"""The directory's orders over gRPC, in and out of the models."""

from datetime import UTC

import grpc
from mailwire.directory.v1 import directory_pb2 as wire
from mailwire.directory.v1.directory_pb2_grpc import DirectoryAdminServiceStub

from admin_api.models import Account, Alias, Domain, Tenant

SECONDS = 15.0


def stub(channel: grpc.aio.Channel) -> DirectoryAdminServiceStub:
    """What the routes call."""
    return DirectoryAdminServiceStub(channel)


def tenant(message: wire.Tenant) -> Tenant:
    return Tenant(
        tenant_id=message.tenant_id,
        name=message.name,
        display_name=message.display_name,
        suspended=message.suspended,
        created_at=message.created_at.ToDatetime(UTC),
    )


def domain(message: wire.Domain) -> Domain:
    return Domain(
        name=message.name,
        tenant=message.tenant_name,
        tenant_id=message.tenant_id,
        suspended=message.suspended,
        created_at=message.created_at.ToDatetime(UTC),
    )


def account(message: wire.Account) -> Account:
    return Account(
        account_id=message.account_id,
        address=message.address,
        tenant=message.tenant_name,
        tenant_id=message.tenant_id,
        display_name=message.display_name,
        suspended=message.suspended,
        suspended_by_operator=message.suspended_by_operator,
        suspended_by_tenant=message.suspended_by_tenant,
        store=message.store,
        created_at=message.created_at.ToDatetime(UTC),
        shared=message.shared,
        roles=list(message.roles),
    )


def alias(message: wire.Alias) -> Alias:
    return Alias(
        address=message.address,
        targets=list(message.targets),
        tenant=message.tenant_name,
        tenant_id=message.tenant_id,
        created_at=message.created_at.ToDatetime(UTC),
    )
