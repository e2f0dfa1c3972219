"""The keys that sign for a domain, as the directory keeps them, ready to sign with.

They are remembered for a while, and forgotten when the directory tells of a change that may concern them; while no
change would be heard nothing is remembered.
"""

import time
from collections.abc import Callable

import grpc
from google.protobuf.message import DecodeError
from mailwire.directory.v1 import directory_pb2
from mailwire.directory.v1 import dkim_pb2 as wire
from mailwire.directory.v1.dkim_pb2_grpc import DirectorySigningServiceStub
from senderauth.dkim import SigningKey, kept_signing_key

from directoryclient.answers import Unavailable

ANSWER_SECONDS = 10.0
KEPT_SECONDS = 300.0
MOST_KEPT = 5_000


class SigningKeys:
    """The directory's DirectorySigningService as one process asks it."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        hears_changes: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stub = DirectorySigningServiceStub(channel)
        self._hears_changes = hears_changes
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[float, tuple[SigningKey, ...]]] = {}
        # Counts the changes heard: an answer that was under way while one came is not kept.
        self._changes = 0

    def changed(self, _subject: str, payload: bytes) -> None:
        """Something in the directory changed. Accounts and addresses come and go often, and have no keys."""
        try:
            change = directory_pb2.DirectoryChanged.FromString(payload)
        except DecodeError:
            change = directory_pb2.DirectoryChanged()
        if not change.domains and (change.account_id or change.addresses):
            return
        self._changes += 1
        for key in [key for key in self._kept if not change.domains or key[1] in change.domains]:
            del self._kept[key]

    async def of(self, tenant_id: str, domain: str) -> tuple[SigningKey, ...]:
        """All keys that sign for a domain (A-labels, lower case); none where it is not this tenant's. Raises Unavailable."""
        if not self._hears_changes():
            self._kept.clear()
        kept = self._kept.get((tenant_id, domain))
        if kept is not None and kept[0] > self._clock():
            return kept[1]
        changes = self._changes
        try:
            answer = await self._stub.GetSigningKeys(
                wire.GetSigningKeysRequest(tenant_id=tenant_id, domain=domain), timeout=ANSWER_SECONDS
            )
        except grpc.aio.AioRpcError as error:
            raise Unavailable(f"the directory does not answer: {error.code().name}") from error
        keys = tuple(kept_signing_key(domain, each.selector, each.private_key) for each in answer.keys)
        if changes == self._changes and self._hears_changes():
            if len(self._kept) >= MOST_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[tenant_id, domain] = (self._clock() + KEPT_SECONDS, keys)
        return keys
