"""The keys that sign for a domain, as the directory keeps them, ready to sign with.

They are remembered for a while, and forgotten when the directory tells of a change that may concern them; while no
change would be heard nothing is remembered.
"""

import time
from collections.abc import Callable

import grpc
from mailwire.directory.v1 import dkim_pb2 as wire
from mailwire.directory.v1.dkim_pb2_grpc import DirectorySigningServiceStub
from senderauth.dkim import SigningKey, kept_signing_key

from directoryclient.answers import Unavailable
from directoryclient.memory import Changes, Memory, domain_of, parsed

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
        self._kept: Memory[tuple[str, str], tuple[SigningKey, ...]] = Memory(MOST_KEPT)
        # An answer that was under way while a change came that concerns it is not kept.
        self._changes = Changes()

    def changed(self, _subject: str, payload: bytes) -> None:
        """Something in the directory changed. Accounts and addresses come and go often, and have no keys."""
        change = parsed(payload)
        names: frozenset[str] | None = None
        if change.domains:
            names = frozenset(name for each in change.domains for name in domain_of(f"@{each}"))
        elif change.account_id or change.addresses:
            return
        elif change.tenant_id:
            names = frozenset((change.tenant_id,))
        self._changes.tell(names)
        self._kept.forget(names)

    async def of(self, tenant_id: str, domain: str) -> tuple[SigningKey, ...]:
        """All keys that sign for a domain (A-labels, lower case); none where it is not this tenant's. Raises Unavailable."""
        if not self._hears_changes():
            self._kept.forget(None)
        if (kept := self._kept.recall((tenant_id, domain), self._clock())) is not None:
            return kept
        try:
            with self._changes.under_way() as heard:
                answer = await self._stub.GetSigningKeys(
                    wire.GetSigningKeysRequest(tenant_id=tenant_id, domain=domain), timeout=ANSWER_SECONDS
                )
        except grpc.aio.AioRpcError as error:
            raise Unavailable(f"the directory does not answer: {error.code().name}") from error
        keys = tuple(kept_signing_key(domain, each.selector, each.private_key) for each in answer.keys)
        names = frozenset((tenant_id, *domain_of(f"@{domain}")))
        if not heard.concerns(names) and self._hears_changes():
            self._kept.keep((tenant_id, domain), keys, self._clock() + KEPT_SECONDS, names)
        return keys
