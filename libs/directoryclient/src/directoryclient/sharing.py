"""Who owns a mailbox that others are let into, and what groups somebody is in: with a brief memory, forgotten when the
directory tells of a change, and not kept while no change would be heard.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import grpc
from mailwire.directory.v1 import sharing_pb2 as wire
from mailwire.directory.v1.sharing_pb2_grpc import DirectorySharingServiceStub

from directoryclient.answers import Unavailable

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
        # By tenant, and id or address; None: there is nobody.
        self._kept: dict[tuple[str, str], tuple[float, Person | None]] = {}
        self._changes = 0

    def changed(self, _subject: str, _payload: bytes) -> None:
        """Something in the directory changed."""
        self._changes += 1
        self._kept.clear()

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
            self._kept.clear()
        now = self._clock()
        known: dict[str, Person | None] = {}
        for name in (*account_ids, *addresses):
            kept = self._kept.get((tenant_id, name))
            if kept is not None and kept[0] > now:
                known[name] = kept[1]
        ids = [each for each in account_ids if each not in known]
        names = [each for each in addresses if each not in known]
        if ids or names:
            changes = self._changes
            try:
                answer = await self._stub.DescribeAccounts(
                    wire.DescribeAccountsRequest(tenant_id=tenant_id, account_ids=ids, addresses=names),
                    timeout=ANSWER_SECONDS,
                )
            except grpc.aio.AioRpcError as error:
                raise Unavailable(f"the directory does not answer: {error.code().name}") from error
            found: dict[str, Person] = {}
            for each in answer.accounts:
                person = Person(
                    each.account_id, each.address, each.shared, each.suspended, tuple(each.groups)
                )
                found[person.account_id] = found[person.address] = person
            for name in (*ids, *names):
                known[name] = found.get(name)
                if changes == self._changes and self._hears_changes():
                    if len(self._kept) >= MOST_KEPT:
                        del self._kept[next(iter(self._kept))]
                    self._kept[(tenant_id, name)] = (now + KEPT_SECONDS, known[name])
        return {name: person for name, person in known.items() if person is not None}
