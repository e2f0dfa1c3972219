"""What tenants and accounts chose, with a brief memory: forgotten when the directory tells of a change, and not kept
while no change would be heard.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import DecodeError
from mailwire.directory.v1 import directory_pb2
from mailwire.directory.v1 import policy_pb2 as wire
from mailwire.directory.v1.policy_pb2_grpc import DirectoryPolicyServiceStub

from directoryclient.answers import Unavailable

ANSWER_SECONDS = 5.0
KEPT_SECONDS = 300.0
MOST_KEPT = 5_000
DMARC = {
    wire.DMARC_LIMIT_MARK: "mark",
    wire.DMARC_LIMIT_QUARANTINE: "quarantine",
    wire.DMARC_LIMIT_REJECT: "reject",
}
C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class TenantPolicy:
    """`dmarc`: mark, quarantine or reject. Each field's default is: the tenant chose nothing; policy.proto says what
    each is.
    """

    dmarc: str = ""
    hide_submitter_address: bool = False
    greylisting: bool = False
    max_account_messages_per_hour: int = 0
    max_account_messages_per_day: int = 0
    max_account_recipients_per_hour: int = 0
    max_account_recipients_per_day: int = 0
    max_tenant_messages_per_hour: int = 0
    max_tenant_messages_per_day: int = 0
    max_tenant_recipients_per_hour: int = 0
    max_tenant_recipients_per_day: int = 0
    junk_score: float | None = None
    quarantine_score: float | None = None
    refuse_score: float | None = None
    allowed_senders: tuple[str, ...] = ()
    blocked_senders: tuple[str, ...] = ()
    scanner_down: str = ""
    scan_before_accepting: bool = False
    account_quota_octets: int = 0
    account_quota_messages: int = 0
    tenant_quota_octets: int = 0
    subaddress_folders: bool = False
    suppress_hard_bounces: bool = False
    text_search: str = ""
    over_quota: str = ""
    encrypt_bodies: bool = False
    verp: bool = False
    refuse_suppressed: bool = False


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """Each field's default is: nothing was chosen; policy.proto says what each is."""

    quota_octets: int = 0
    quota_messages: int = 0
    mdn: str = ""
    encryption_key: str = ""
    locale: str = ""
    pop_keep_days: int = 0
    forward_to: tuple[str, ...] = ()
    forward_without_copy: bool = False
    vacation: bool = False
    vacation_subject: str = ""
    vacation_text: str = ""
    vacation_from: str = ""
    vacation_until: str = ""
    vacation_days: int = 0
    vacation_addresses: tuple[str, ...] = ()


class _Kept(Generic[C]):
    """Choices by tenant or account: asked for once, kept while changes are heard."""

    def __init__(
        self,
        ask: Callable[[str], Awaitable[C]],
        nothing: C,
        hears_changes: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._ask = ask
        self._nothing = nothing
        self._hears_changes = hears_changes
        self._clock = clock
        self._kept: dict[str, tuple[float, C]] = {}
        # Counts the changes heard: an answer that was under way while one came is not kept.
        self._changes = 0

    def forget(self, name: str = "") -> None:
        """This one's, or all."""
        self._changes += 1
        if name:
            self._kept.pop(name, None)
        else:
            self._kept.clear()

    def remembered(self, name: str) -> C | None:
        if not self._hears_changes():
            self._kept.clear()
        kept = self._kept.get(name)
        return kept[1] if kept is not None and kept[0] > self._clock() else None

    async def of(self, name: str) -> C:
        if (kept := self.remembered(name)) is not None:
            return kept
        changes = self._changes
        try:
            chosen = await self._ask(name)
        except grpc.aio.AioRpcError as error:
            # A directory of before this question has nothing chosen either.
            if error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED):
                return self._nothing
            raise Unavailable(f"the directory does not answer: {error.code().name}") from error
        if changes == self._changes and self._hears_changes():
            if len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[name] = (self._clock() + KEPT_SECONDS, chosen)
        return chosen


class TenantPolicies:
    """The directory's DirectoryPolicyService as one process asks it."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        hears_changes: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stub = DirectoryPolicyServiceStub(channel)
        self._tenants = _Kept(self._ask_tenant, TenantPolicy(), hears_changes, clock)
        self._accounts = _Kept(self._ask_account, AccountSettings(), hears_changes, clock)

    def changed(self, _subject: str, payload: bytes) -> None:
        """Something in the directory changed; a tenant that nothing else is named with may have chosen."""
        try:
            change = directory_pb2.DirectoryChanged.FromString(payload)
        except DecodeError:
            change = directory_pb2.DirectoryChanged()
        if change.account_id:
            self._accounts.forget(change.account_id)
        elif not change.addresses and not change.domains:
            self._tenants.forget()
            self._accounts.forget()

    async def of(self, tenant_id: str) -> TenantPolicy:
        """A tenant that is not there any more has chosen nothing. Raises Unavailable."""
        return await self._tenants.of(tenant_id)

    async def of_account(self, account_id: str) -> AccountSettings:
        """An account that is not there any more has chosen nothing. Raises Unavailable."""
        return await self._accounts.of(account_id)

    def remembered_of_account(self, account_id: str) -> AccountSettings | None:
        """Without asking; None where it would have to be asked for."""
        return self._accounts.remembered(account_id)

    async def _ask_tenant(self, tenant_id: str) -> TenantPolicy:
        answer = await self._stub.GetTenantPolicy(
            wire.GetTenantPolicyRequest(tenant=tenant_id), timeout=ANSWER_SECONDS
        )
        values = _values(TenantPolicy, answer.policy)
        return TenantPolicy(**{**values, "dmarc": DMARC.get(answer.policy.dmarc, "")})

    async def _ask_account(self, account_id: str) -> AccountSettings:
        answer = await self._stub.GetAccountSettings(
            wire.GetAccountSettingsRequest(account=account_id), timeout=ANSWER_SECONDS
        )
        return AccountSettings(**_values(AccountSettings, answer.settings))


def _values(kind: Any, message: Any) -> dict[str, Any]:
    """The fields of a dataclass from the message's fields of the same names."""
    found: dict[str, Any] = {}
    for field in fields(kind):
        value = getattr(message, field.name)
        if field.default is None and not message.HasField(field.name):
            value = None
        found[field.name] = tuple(value) if field.default == () else value
    return found
