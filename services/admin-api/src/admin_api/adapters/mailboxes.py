"""The mda's mailboxes over gRPC, and identifiers of rights from addresses and back."""

from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar
from uuid import UUID

import grpc
from fastapi import HTTPException
from mailwire.directory.v1 import directory_pb2 as directory_wire
from mailwire.directory.v1 import sharing_pb2 as sharing_wire
from mailwire.directory.v1.sharing_pb2_grpc import DirectorySharingServiceStub
from mailwire.mailbox.v1.admin_pb2_grpc import MailboxAdminServiceStub

from admin_api.adapters.directory import SECONDS as DIRECTORY_SECONDS
from admin_api.adapters.queue import AWAY

SECONDS = 30.0
A = TypeVar("A")


def stub(channel: grpc.aio.Channel) -> MailboxAdminServiceStub:
    """What the routes call."""
    return MailboxAdminServiceStub(channel)


def sharing_stub(channel: grpc.aio.Channel) -> DirectorySharingServiceStub:
    """Of the directory."""
    return DirectorySharingServiceStub(channel)


async def answer(call: Awaitable[A]) -> A:
    """The answer. Raises 503 in the mailboxes' name where the mda is away."""
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        if error.code() in AWAY:
            raise HTTPException(
                503, "The mailboxes cannot be reached now; try again later.", headers={"Retry-After": "2"}
            ) from error
        raise


async def account(directory: Any, name: str) -> directory_wire.Account:
    """By address or id. Raises the directory's NOT_FOUND."""
    found = await directory.GetAccount(
        directory_wire.GetAccountRequest(account=name), timeout=DIRECTORY_SECONDS
    )
    account: directory_wire.Account = found.account
    return account


async def kept(directory: Any, owner: directory_wire.Account, identifier: str) -> str:
    """As mailboxes keep it. Raises 422 for one who cannot be meant."""
    sign = "-" if identifier.startswith("-") else ""
    name = identifier.removeprefix("-")
    if name in ("anyone", "authenticated"):
        return sign + name
    if name.startswith("$"):
        return sign + name.lower()
    try:
        found = await account(directory, name)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        try:
            # Of an account that is gone the entry can still be taken off.
            return sign + str(UUID(name))
        except ValueError:
            raise HTTPException(422, f"There is no account {name}.") from None
    if found.tenant_id != owner.tenant_id:
        raise HTTPException(422, f"There is no account {name} in the tenant of {owner.address}.")
    if found.account_id == owner.account_id:
        raise HTTPException(422, "The owner has all rights, always.")
    return sign + found.account_id


async def names(sharing: Any, tenant_id: str, identifiers: Iterable[str]) -> dict[str, str]:
    """How they are shown."""
    plain = sorted({each.removeprefix("-") for each in identifiers})
    found = await sharing.DescribeAccounts(
        sharing_wire.DescribeAccountsRequest(tenant_id=tenant_id, account_ids=plain[:1000]),
        timeout=DIRECTORY_SECONDS,
    )
    addresses = {each.account_id: each.address for each in found.accounts}
    return {each: addresses.get(each, each) for each in plain}
