"""What tenants and accounts chose, with a brief memory: forgotten when the directory tells of a change of theirs, and not
kept while no change would be heard.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

import grpc
from mailwire.directory.v1 import policy_pb2 as wire
from mailwire.directory.v1.policy_pb2_grpc import DirectoryPolicyServiceStub

from directoryclient.answers import Unavailable
from directoryclient.memory import ANYBODY, Changes, Memory, parsed

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
        ask: Callable[[str], Awaitable[tuple[C, frozenset[str]]]],
        nothing: C,
        hears_changes: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._ask = ask
        self._nothing = nothing
        self._hears_changes = hears_changes
        self._clock = clock
        self._kept: Memory[str, C] = Memory(MOST_KEPT)
        # An answer that was under way while a change came that concerns it is not kept.
        self._changes = Changes()

    def forget(self, names: frozenset[str] | None) -> None:
        """What is about any of them; None: all."""
        self._changes.tell(names)
        self._kept.forget(names)

    def remembered(self, name: str) -> C | None:
        if not self._hears_changes():
            self._kept.forget(None)
        return self._kept.recall(name, self._clock())

    async def of(self, name: str) -> C:
        if (kept := self.remembered(name)) is not None:
            return kept
        try:
            with self._changes.under_way() as heard:
                chosen, names = await self._ask(name)
        except grpc.aio.AioRpcError as error:
            # A directory of before this question has nothing chosen either.
            if error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED):
                return self._nothing
            raise Unavailable(f"the directory does not answer: {error.code().name}") from error
        if not heard.concerns(names) and self._hears_changes():
            self._kept.keep(name, chosen, self._clock() + KEPT_SECONDS, names)
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
        change = parsed(payload)
        if not change.tenant_id:
            self._tenants.forget(None)
            self._accounts.forget(None)
        elif change.account_id:
            self._accounts.forget(frozenset((change.account_id,)))
        elif not change.addresses and not change.domains:
            self._tenants.forget(frozenset((change.tenant_id,)))
            self._accounts.forget(frozenset((change.tenant_id, ANYBODY)))

    async def of(self, tenant_id: str) -> TenantPolicy:
        """A tenant that is not there any more has chosen nothing. Raises Unavailable."""
        return await self._tenants.of(tenant_id)

    async def of_account(self, account_id: str) -> AccountSettings:
        """An account that is not there any more has chosen nothing. Raises Unavailable."""
        return await self._accounts.of(account_id)

    def remembered_of_account(self, account_id: str) -> AccountSettings | None:
        """Without asking; None where it would have to be asked for."""
        return self._accounts.remembered(account_id)

    async def _ask_tenant(self, tenant_id: str) -> tuple[TenantPolicy, frozenset[str]]:
        answer = await self._stub.GetTenantPolicy(
            wire.GetTenantPolicyRequest(tenant=tenant_id), timeout=ANSWER_SECONDS
        )
        values = _values(TenantPolicy, answer.policy)
        policy = TenantPolicy(**{**values, "dmarc": DMARC.get(answer.policy.dmarc, "")})
        return policy, frozenset((tenant_id,))

    async def _ask_account(self, account_id: str) -> tuple[AccountSettings, frozenset[str]]:
        answer = await self._stub.GetAccountSettings(
            wire.GetAccountSettingsRequest(account=account_id), timeout=ANSWER_SECONDS
        )
        # A directory of before does not say whose account it is: then it is ANYBODY's.
        settings = AccountSettings(**_values(AccountSettings, answer.settings))
        return settings, frozenset((account_id, answer.tenant_id))


def _values(kind: Any, message: Any) -> dict[str, Any]:
    """The fields of a dataclass from the message's fields of the same names."""
    found: dict[str, Any] = {}
    for field in fields(kind):
        value = getattr(message, field.name)
        if field.default is None and not message.HasField(field.name):
            value = None
        found[field.name] = tuple(value) if field.default == () else value
    return found
