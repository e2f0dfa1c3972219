"""Who has logged in and may not be here any more is sent away: the account was suspended or deleted meanwhile, or the
password or certificate that it came in with was changed or taken away.

A door says of each connection whose it is (`Connection.owner`: tenant, account, credential). When the directory tells of a change, those whom it may
concern are asked about, at once and once more a little later, for somebody may just be coming in by an answer of before.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import grpc
from eventbus import EventBus, subjects
from google.protobuf.message import DecodeError
from mailwire.directory.v1 import directory_pb2 as wire
from mailwire.directory.v1.directory_pb2_grpc import DirectoryServiceStub
from servicekit import logs
from servicekit.run import Service

LOG = logs.logger("directoryclient.barring")
ANSWER_SECONDS = 10.0
# Longer than anybody waits for the directory's yes (`client.ANSWER_SECONDS`): it may have been found before the change.
AGAIN_SECONDS = 15.0
RETRY_SECONDS = 1.0
# A directory that is overcome by so many questions is asked less and less often.
RETRY_MOST_SECONDS = 30.0
# Of a thousand changes in a second (accounts brought in, a bus that is back) the connections are gone through a few times.
PAUSE_SECONDS = 0.2
ASKED_AT_ONCE = 500
# Of changes that wait to be looked at; more of them are looked at as one that concerns everybody.
MOST_DUE = 1000

# Tenant and account; "" stands for all of them.
Concerned = tuple[str, str]
EVERYBODY: Concerned = ("", "")


class Guest(Protocol):
    """A connection."""

    owner: tuple[str, str, str] | None

    def abort(self) -> None:
        """Close it."""


async def send_away_the_barred(service: Service[Any], bus: EventBus, channel: grpc.aio.Channel) -> None:
    """For all connections of a door, until the drain."""
    barring = Barring(channel, service.connections)
    await bus.listen(subjects.DIRECTORY_CHANGED, barring.changed)
    service.spawn(barring.run(service.draining), name="send-away-the-barred")


def concerned(payload: bytes) -> Concerned | None:
    """Whom a change of the directory may shut out; None: nobody."""
    try:
        change = wire.DirectoryChanged.FromString(payload)
    except DecodeError:
        return EVERYBODY
    if change.addresses and not change.account_id and not change.domains:
        return None
    return change.tenant_id, change.account_id


class Barring:
    """Of one process."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        guests: Callable[[], Iterable[Guest]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stub = DirectoryServiceStub(channel)
        self._guests = guests
        self._clock = clock
        # When each is looked at next, and whether that is the last time.
        self._due: dict[Concerned, tuple[float, bool]] = {}
        self._came = asyncio.Event()
        self._failures = 0

    def changed(self, _subject: str, payload: bytes) -> None:
        """Something in the directory changed."""
        who = concerned(payload)
        if who is None:
            return
        if len(self._due) >= MOST_DUE:
            self._due.clear()
            who = EVERYBODY
        self._due[who] = self._clock(), False
        self._came.set()

    async def run(self, draining: asyncio.Event) -> None:
        """Until the drain."""
        ended = asyncio.ensure_future(draining.wait())
        try:
            while not ended.done():
                seconds = min((at for at, _ in self._due.values()), default=None)
                came = asyncio.ensure_future(self._came.wait())
                await asyncio.wait(
                    (came, ended),
                    timeout=None if seconds is None else max(0.0, seconds - self._clock()),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                came.cancel()
                await self.look()
                await asyncio.wait((ended,), timeout=PAUSE_SECONDS)
        finally:
            ended.cancel()

    async def look(self) -> None:
        """For whom it is time; while the directory is away it is tried again and again."""
        self._came.clear()
        now = self._clock()
        ready = {who: due for who, due in self._due.items() if due[0] <= now}
        if not ready:
            return
        try:
            await self._send_away(set(ready))
        except grpc.aio.AioRpcError as error:
            LOG.warning("barred_unknown", code=error.code().name)
            again = self._clock() + min(RETRY_SECONDS * 2.0 ** min(self._failures, 10), RETRY_MOST_SECONDS)
            self._failures += 1
            for who, due in ready.items():
                if self._due.get(who) == due:
                    self._due[who] = again, due[1]
            return
        self._failures = 0
        for who, due in ready.items():
            # What was told once more meanwhile is looked at anew.
            if self._due.get(who) != due:
                continue
            if due[1]:
                del self._due[who]
            else:
                self._due[who] = now + AGAIN_SECONDS, True

    def _here(self, whom: set[Concerned]) -> dict[tuple[str, str], list[Guest]]:
        """By account and credential."""
        found: dict[tuple[str, str], list[Guest]] = {}
        for guest in self._guests():
            if guest.owner is not None:
                tenant_id, account_id, credential = guest.owner
                if whom & {(tenant_id, account_id), (tenant_id, ""), ("", account_id), EVERYBODY}:
                    found.setdefault((account_id, credential), []).append(guest)
        return found

    async def _send_away(self, whom: set[Concerned]) -> None:
        """Raises AioRpcError."""
        here = self._here(whom)
        asked = sorted(here)
        for start in range(0, len(asked), ASKED_AT_ONCE):
            some = [
                wire.Guest(account_id=account_id, credential=credential)
                for account_id, credential in asked[start : start + ASKED_AT_ONCE]
            ]
            try:
                answer = await self._stub.FindBarred(
                    wire.FindBarredRequest(guests=some), timeout=ANSWER_SECONDS
                )
            except grpc.aio.AioRpcError as error:
                # A directory of before this question bars nobody who is in.
                if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                    return
                raise
            for each in answer.guests:
                # Who left meanwhile, and whose connection is somebody else's now, stays.
                who = each.account_id, each.credential
                gone = [guest for guest in here.get(who, ()) if guest.owner and guest.owner[1:] == who]
                for guest in gone:
                    guest.abort()
                LOG.info("barred_sent_away", account_id=each.account_id, connections=len(gone))
