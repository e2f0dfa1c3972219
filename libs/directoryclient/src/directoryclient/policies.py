"""What tenants chose, with a brief memory: forgotten when the directory tells of a change, and not kept while no change
would be heard.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class TenantPolicy:
    """`dmarc`: mark, quarantine or reject; "" where the tenant chose nothing."""

    dmarc: str = ""


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
        self._hears_changes = hears_changes
        self._clock = clock
        self._kept: dict[str, tuple[float, TenantPolicy]] = {}
        # Counts the changes heard: an answer that was under way while one came is not kept.
        self._changes = 0

    def changed(self, _subject: str, payload: bytes) -> None:
        """Something in the directory changed; a tenant that nothing else is named with may have chosen."""
        try:
            change = directory_pb2.DirectoryChanged.FromString(payload)
        except DecodeError:
            change = directory_pb2.DirectoryChanged()
        if change.account_id or change.addresses or change.domains:
            return
        self._changes += 1
        self._kept.clear()

    async def of(self, tenant_id: str) -> TenantPolicy:
        """A tenant that is not there any more has chosen nothing. Raises Unavailable."""
        if not self._hears_changes():
            self._kept.clear()
        kept = self._kept.get(tenant_id)
        if kept is not None and kept[0] > self._clock():
            return kept[1]
        changes = self._changes
        try:
            answer = await self._stub.GetTenantPolicy(
                wire.GetTenantPolicyRequest(tenant=tenant_id), timeout=ANSWER_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return TenantPolicy()
            raise Unavailable(f"the directory does not answer: {error.code().name}") from error
        policy = TenantPolicy(DMARC.get(answer.policy.dmarc, ""))
        if changes == self._changes and self._hears_changes():
            if len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[tenant_id] = (self._clock() + KEPT_SECONDS, policy)
        return policy
