"""The directory's DirectoryIdentityService, in and out of the models."""

from datetime import UTC

import grpc
from mailwire.directory.v1 import identity_pb2 as wire
from mailwire.directory.v1.identity_pb2_grpc import DirectoryIdentityServiceStub

from admin_api.identity_models import AccountAddress, Delegation, DeletedAccount, DomainRouting, Right

SECONDS = 15.0
RIGHTS: dict[Right, wire.DelegateRight.ValueType] = {
    "send_as": wire.DELEGATE_RIGHT_SEND_AS,
    "send_on_behalf": wire.DELEGATE_RIGHT_SEND_ON_BEHALF,
}
RIGHTS_BACK = {value: name for name, value in RIGHTS.items()}


def stub(channel: grpc.aio.Channel) -> DirectoryIdentityServiceStub:
    """What the routes call."""
    return DirectoryIdentityServiceStub(channel)


def address(message: wire.AccountAddress) -> AccountAddress:
    return AccountAddress(
        address=message.address, primary=message.primary, created_at=message.created_at.ToDatetime(UTC)
    )


def delegation(message: wire.Delegation) -> Delegation:
    return Delegation(
        address=message.address,
        delegate=message.delegate,
        right=RIGHTS_BACK[message.right],
        created_at=message.created_at.ToDatetime(UTC),
    )


def deleted_account(message: wire.DeletedAccount) -> DeletedAccount:
    return DeletedAccount(
        account_id=message.account_id,
        tenant=message.tenant_name,
        display_name=message.display_name,
        addresses=list(message.addresses),
        deleted_at=message.deleted_at.ToDatetime(UTC),
        kept_until=message.kept_until.ToDatetime(UTC),
    )


def routing(message: wire.DomainRouting) -> DomainRouting:
    return DomainRouting(alias_of=message.alias_of, catch_all=list(message.catch_all))
