"""MailboxAdminService: the operator's look at an account's mailboxes and at who may do what with them (RFC 4314).

Identifiers are as they are kept (mailmodel.rights): admin-api, which asks the directory, makes them from addresses.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import grpc
from mailmodel import AccountRef, MailboxInfo
from mailmodel.rights import NO_RIGHTS, Rights, RightsInvalid, changed, kept_form, shown_form
from mailstore import (
    InboxProtected,
    MailboxesFull,
    MailboxExists,
    MailboxHasInferiors,
    MailboxMissing,
    MailboxNameInvalid,
    MailStore,
    RightsFull,
    StoreUnavailable,
)
from mailwire.mailbox.v1 import admin_pb2 as wire
from mailwire.mailbox.v1.admin_pb2_grpc import MailboxAdminServiceServicer

Context = grpc.aio.ServicerContext[Any, Any]
S = TypeVar("S")
Q = TypeVar("Q")
A = TypeVar("A")
CODES: tuple[tuple[type[Exception], grpc.StatusCode, str], ...] = (
    (MailboxMissing, grpc.StatusCode.NOT_FOUND, "there is no such mailbox"),
    (MailboxExists, grpc.StatusCode.ALREADY_EXISTS, "there is a mailbox of that name already"),
    (MailboxHasInferiors, grpc.StatusCode.FAILED_PRECONDITION, "there are mailboxes below it"),
    (InboxProtected, grpc.StatusCode.FAILED_PRECONDITION, "INBOX is always there"),
    (MailboxesFull, grpc.StatusCode.FAILED_PRECONDITION, "the account has as many mailboxes as it may have"),
    (RightsFull, grpc.StatusCode.FAILED_PRECONDITION, "the list of rights is full"),
    (MailboxNameInvalid, grpc.StatusCode.INVALID_ARGUMENT, ""),
    (RightsInvalid, grpc.StatusCode.INVALID_ARGUMENT, ""),
    (StoreUnavailable, grpc.StatusCode.UNAVAILABLE, ""),
)


def mapped(method: Callable[[S, Q, Context], Awaitable[A]]) -> Callable[[S, Q, Context], Awaitable[A]]:
    """A method whose errors become status codes."""

    async def call(self: S, request: Q, context: Context) -> A:
        try:
            return await method(self, request, context)
        except tuple(kind for kind, _, _ in CODES) as error:
            code, sentence = next((code, said) for kind, code, said in CODES if isinstance(error, kind))
            await context.abort(code, sentence or str(error))
            raise

    return call


class Mailboxes(MailboxAdminServiceServicer):
    """Answers the operator, through admin-api."""

    def __init__(self, store: MailStore) -> None:
        self._store = store

    @mapped
    async def ListMailboxes(
        self, request: wire.ListMailboxesRequest, context: Context
    ) -> wire.ListMailboxesResponse:
        """By name, INBOX first."""
        account = _account(request.tenant_id, request.account_id)
        found = []
        for info in await self._store.list_mailboxes(account):
            rights = await self._store.rights(account, info.mailbox_id)
            found.append(
                wire.Mailbox(
                    name=info.name,
                    messages=info.messages,
                    unseen=info.unseen,
                    size_octets=info.size_octets,
                    rights=rights,
                )
            )
        return wire.ListMailboxesResponse(mailboxes=found)

    @mapped
    async def CreateMailbox(
        self, request: wire.CreateMailboxRequest, context: Context
    ) -> wire.CreateMailboxResponse:
        """With those above it."""
        await self._store.create_mailbox(_account(request.tenant_id, request.account_id), request.name)
        return wire.CreateMailboxResponse()

    @mapped
    async def DeleteMailbox(
        self, request: wire.DeleteMailboxRequest, context: Context
    ) -> wire.DeleteMailboxResponse:
        """With its messages."""
        await self._store.delete_mailbox(_account(request.tenant_id, request.account_id), request.name)
        return wire.DeleteMailboxResponse()

    @mapped
    async def SetRights(self, request: wire.SetRightsRequest, context: Context) -> wire.SetRightsResponse:
        """Of one mailbox, or of all where none is named."""
        account = _account(request.tenant_id, request.account_id)
        now = NO_RIGHTS
        # Raises what is wrong with the letters before anything is done.
        changed(NO_RIGHTS, request.rights)

        def change(before: Rights) -> Rights:
            nonlocal now
            now = changed(before, request.rights)
            return frozenset(kept_form(now))

        for info in await self._named(account, request.name):
            await self._store.change_rights(account, info.mailbox_id, request.identifier, change)
        return wire.SetRightsResponse(rights=shown_form(now))

    async def _named(self, account: AccountRef, name: str) -> list[MailboxInfo]:
        if not name:
            return await self._store.list_mailboxes(account)
        found = await self._store.get_mailbox(account, name)
        if found is None:
            raise MailboxMissing(name)
        return [found]


def _account(tenant_id: str, account_id: str) -> AccountRef:
    try:
        return AccountRef(str(UUID(tenant_id)), str(UUID(account_id)))
    except ValueError as error:
        raise MailboxMissing from error
