"""Who owns a mailbox that others are let into, and what groups somebody is in: with a brief memory, forgotten when the
directory tells of a change of their tenant, and not kept while no change would be heard.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import grpc
from mailwire.directory.v1 import sharing_pb2 as wire
from mailwire.directory.v1.sharing_pb2_grpc import DirectorySharingServiceStub

from directoryclient.answers import Unavailable
from directoryclient.memory import Changes, Memory, parsed

ANSWER_SECONDS = 10.0
KEPT_SECONDS = 60.0
MOST_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Person:
    """An account as others of its tenant may know it. `groups`: addresses of aliases that lead straight to it."""

    account_id: str
    address: str
    shared: bool
    suspended: bool = False
    groups: tuple[str, ...] = ()


class People:
    """The directory's DirectorySharingService as one process asks it."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        *,
        hears_changes: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stub = DirectorySharingServiceStub(channel)
        self._hears_changes = hears_changes
        self._clock = clock
        # By tenant, and id or address; in them is who that is, or nobody.
        self._kept: Memory[tuple[str, str], tuple[Person | None]] = Memory(MOST_KEPT)
        # An answer that was under way while its tenant changed is not kept.
        self._changes = Changes()

    def changed(self, _subject: str, payload: bytes) -> None:
        """Something in the directory changed. An answer is one tenant's: it is found within its walls."""
        tenant_id = parsed(payload).tenant_id
        names = frozenset((tenant_id,)) if tenant_id else None
        self._changes.tell(names)
        self._kept.forget(names)

    async def by_id(self, tenant_id: str, account_ids: Iterable[str]) -> dict[str, Person]:
        """Those of the tenant that are there, by id. Raises Unavailable."""
        return await self._of(tenant_id, list(dict.fromkeys(account_ids)), [])

    async def by_address(self, tenant_id: str, address: str) -> Person | None:
        """The account whose primary address this is, in any case. Raises Unavailable."""
        address = address.lower()
        return (await self._of(tenant_id, [], [address])).get(address)

    async def _of(
        self, tenant_id: str, account_ids: Sequence[str], addresses: Sequence[str]
    ) -> dict[str, Person]:
        if not self._hears_changes():
            self._kept.forget(None)
        now = self._clock()
        known: dict[str, Person | None] = {}
        for name in (*account_ids, *addresses):
            if (kept := self._kept.recall((tenant_id, name), now)) is not None:
                known[name] = kept[0]
        ids = [each for each in account_ids if each not in known]
        names = [each for each in addresses if each not in known]
        if ids or names:
            try:
                with self._changes.under_way() as heard:
                    answer = await self._stub.DescribeAccounts(
                        wire.DescribeAccountsRequest(tenant_id=tenant_id, account_ids=ids, addresses=names),
                        timeout=ANSWER_SECONDS,
                    )
            except grpc.aio.AioRpcError as error:
                raise Unavailable(f"the directory does not answer: {error.code().name}") from error
            found: dict[str, Person] = {}
            for each in answer.accounts:
                somebody = Person(
                    each.account_id, each.address, each.shared, each.suspended, tuple(each.groups)
                )
                found[somebody.account_id] = found[somebody.address] = somebody
            whose = frozenset((tenant_id,))
            may_keep = not heard.concerns(whose) and self._hears_changes()
            for name in (*ids, *names):
                person = known[name] = found.get(name)
                if may_keep:
                    self._kept.keep((tenant_id, name), (person,), now + KEPT_SECONDS, whose)
        return {name: person for name, person in known.items() if person is not None}
