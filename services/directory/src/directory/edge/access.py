"""DirectoryAccessService: app passwords."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from mailwire.directory.v1 import access_pb2 as wire
from mailwire.directory.v1.access_pb2_grpc import DirectoryAccessServiceServicer

from directory.adapters.accounts import Accounts
from directory.adapters.app_passwords import AppPasswords
from directory.core import app_passwords, names
from directory.edge.answers import order
from directory.edge.finding import account_of
from directory.edge.signing_in import utc_now
from directory.ports import AccountRecord, AppPasswordRecord, Change, Missing

Context = grpc.aio.ServicerContext[Any, Any]


def _stamp(at: datetime | None) -> Timestamp | None:
    if at is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


def _instant(stamp: Timestamp) -> datetime:
    try:
        return stamp.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise names.NameInvalid("that is no time") from error


def _app_password(record: AppPasswordRecord) -> wire.AppPassword:
    return wire.AppPassword(
        app_password_id=record.app_password_id,
        account_id=record.account_id,
        name=record.name,
        scopes=record.scopes,
        created_at=_stamp(record.created_at),
        expires_at=_stamp(record.expires_at),
        last_used_at=_stamp(record.last_used_at),
        last_used_service=record.last_used_service,
        last_used_address=record.last_used_address,
    )


class Access(DirectoryAccessServiceServicer):
    """Answers the operator, through admin-api."""

    def __init__(
        self,
        accounts: Accounts,
        app_passwords: AppPasswords,
        tell: Callable[[Change], None],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._accounts = accounts
        self._app_passwords = app_passwords
        self._tell = tell
        self._clock = clock

    async def _account(self, address_or_id: str) -> AccountRecord:
        return await account_of(self._accounts, address_or_id)

    @order
    async def CreateAppPassword(
        self, request: wire.CreateAppPasswordRequest, context: Context
    ) -> wire.CreateAppPasswordResponse:
        account = await self._account(request.account)
        expires_at = _instant(request.expires_at) if request.HasField("expires_at") else None
        if expires_at is not None and expires_at <= self._clock():
            raise names.NameInvalid("an app password cannot expire in the past")
        password = app_passwords.make()
        record = await self._app_passwords.create(
            account,
            app_passwords.name(request.name),
            app_passwords.verifier(password) or "",
            app_passwords.scopes(request.scopes),
            expires_at,
        )
        return wire.CreateAppPasswordResponse(app_password=_app_password(record), password=password)

    @order
    async def ListAppPasswords(
        self, request: wire.ListAppPasswordsRequest, context: Context
    ) -> wire.ListAppPasswordsResponse:
        records = await self._app_passwords.listing(await self._account(request.account))
        return wire.ListAppPasswordsResponse(app_passwords=[_app_password(record) for record in records])

    @order
    async def DeleteAppPassword(
        self, request: wire.DeleteAppPasswordRequest, context: Context
    ) -> wire.DeleteAppPasswordResponse:
        account = await self._account(request.account)
        if not names.is_id(request.app_password_id):
            raise Missing(f"the account has no app password {request.app_password_id}")
        await self._app_passwords.delete(account, request.app_password_id)
        # Doors remember a yes for a while: this ends it at once.
        self._tell(Change(account.tenant_id, account.account_id, (account.address,)))
        return wire.DeleteAppPasswordResponse()
