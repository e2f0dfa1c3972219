"""DirectoryAccessService: app passwords, limits of failed logins, the sign-in log."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from mailwire.directory.v1 import access_pb2 as wire
from mailwire.directory.v1.access_pb2_grpc import DirectoryAccessServiceServicer
from pgkit import tenant_within

from directory.adapters.accounts import Accounts
from directory.adapters.app_passwords import AppPasswords
from directory.adapters.limits import Limits
from directory.adapters.sign_ins import SignIns
from directory.core import app_passwords, limits, names, scram
from directory.core.limits import Breadth
from directory.edge.answers import order
from directory.edge.finding import account_of
from directory.edge.hashing import ORDER_RANK, Hashing
from directory.edge.paging import page_size
from directory.edge.signing_in import utc_now
from directory.ports import AccountRecord, AppPasswordRecord, Change, LimitRecord, Missing

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


def _limit(record: LimitRecord) -> wire.LoginLimit:
    return wire.LoginLimit(
        account_id=record.account_id,
        address=record.address,
        prefix=record.prefix,
        failures=record.failures,
        failed_at=_stamp(record.failed_at),
        blocked_until=_stamp(record.blocked_until),
        whole_prefix=record.breadth is Breadth.PREFIX,
    )


def _prefix(client_address: str) -> str:
    """The prefix of an address, or one as we write it; "" for none. Raises NameInvalid."""
    if not client_address:
        return ""
    prefix = limits.prefix_of(client_address.partition("/")[0])
    if not prefix:
        raise names.NameInvalid(f"{client_address} is not an address of a client")
    return prefix


class Access(DirectoryAccessServiceServicer):
    """Answers the operator, through admin-api."""

    def __init__(
        self,
        accounts: Accounts,
        app_passwords: AppPasswords,
        login_limits: Limits,
        sign_ins: SignIns,
        hashing: Hashing,
        scram_iterations: int,
        tell: Callable[[Change], None],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._accounts = accounts
        self._app_passwords = app_passwords
        self._limits = login_limits
        self._sign_ins = sign_ins
        self._hashing = hashing
        self._scram_iterations = scram_iterations
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
            await self._hashing.run(
                ORDER_RANK, scram.keys, password, account.scram_salt, self._scram_iterations
            ),
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

    @order
    async def ListLoginLimits(
        self, request: wire.ListLoginLimitsRequest, context: Context
    ) -> wire.ListLoginLimitsResponse:
        account = await self._account(request.account) if request.account else None
        after = request.page_token.split("|") if request.page_token else ["", "", ""]
        if len(after) != 3:
            raise names.NameInvalid("that is no page token")
        size = page_size(request.page_size)
        records = await self._limits.listing(
            account.account_id if account is not None else None,
            _prefix(request.client_address),
            after,
            size,
            self._clock(),
        )
        return wire.ListLoginLimitsResponse(
            login_limits=[_limit(record) for record in records if record.failures],
            next_page_token="|".join(records[-1].key) if len(records) == size else "",
        )

    @order
    async def LiftLoginLimits(
        self, request: wire.LiftLoginLimitsRequest, context: Context
    ) -> wire.LiftLoginLimitsResponse:
        account = await self._account(request.account) if request.account else None
        prefix = _prefix(request.client_address)
        if account is None and not prefix:
            raise names.NameInvalid("name an account or the address of a client")
        lifted = await self._limits.lift(account.account_id if account is not None else None, prefix)
        # Doors remember for a moment that somebody must wait. Of a tenant's own order no other tenant forgets anything.
        if lifted and account is not None:
            self._tell(Change(account.tenant_id, account.account_id))
        elif lifted:
            self._tell(Change(tenant_within()))
        return wire.LiftLoginLimitsResponse(lifted=lifted)

    @order
    async def ListSignIns(
        self, request: wire.ListSignInsRequest, context: Context
    ) -> wire.ListSignInsResponse:
        account = await self._account(request.account)
        size = page_size(request.page_size)
        records = await self._sign_ins.listing(account, _before(request.page_token), size)
        token = ""
        if len(records) == size:
            last = records[-1]
            token = "|".join((last.last_at.isoformat(), last.service, last.address, last.outcome))
        return wire.ListSignInsResponse(
            sign_ins=[
                wire.SignIn(
                    service=record.service,
                    address=record.address,
                    outcome=record.outcome,
                    first_at=_stamp(record.first_at),
                    last_at=_stamp(record.last_at),
                    times=record.times,
                    new_device=record.new_device,
                    suspicious=record.suspicious,
                )
                for record in records
            ],
            next_page_token=token,
        )


def _before(token: str) -> tuple[datetime, str, str, str] | None:
    """A page token of ListSignIns. Raises NameInvalid."""
    if not token:
        return None
    try:
        at, service, address, outcome = token.split("|")
        last_at = datetime.fromisoformat(at)
        if last_at.tzinfo is None:
            raise ValueError
    except ValueError:
        raise names.NameInvalid("that is no page token") from None
    return last_at, service, address, outcome
