"""What other systems send back about mail that they had taken: it becomes events, and suppressed addresses.

The mda tells of such mail after it has filed it (`mail-returned`); one process of ours looks at it. It counts where it names
a message that we did relay, by its queue id, and an address that this message did go to, both of the tenant that got
the report. So who never got a message can say nothing about it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from blobstore import BlobMissing, BlobStore, BlobUnavailable
from directoryclient import Unavailable
from pgkit import DatabaseUnavailable
from servicekit import logs
from spool import Envelope, Malformed, decode
from spool.verp import copy_of, tag_of

from mta_queue import metrics
from mta_queue.core.bounces import HARD, classify_text
from mta_queue.core.events import Event, Type, of_message
from mta_queue.core.returned import Copy, Fate, Kind, Returned, read
from mta_queue.core.suppression import Cause, key_of
from mta_queue.ports import SuppressionList

LOG = logs.logger("mta_queue.returns")
WAITING_MOST = 1000
READ_MOST_OCTETS = 1024 * 1024
THREAD_OCTETS = 64 * 1024


class Outcomes(Protocol):
    """What was relayed. Every method raises DatabaseUnavailable."""

    async def delivered(self, tenant_id: str, queue_ids: Sequence[str]) -> list[tuple[str, str]]:
        """(queue id, address) of those of these messages that another system has taken."""

    async def reported(self, events: Sequence[Event]) -> None:
        """What came back later is told."""


class Returns:
    """`wants` says whether a tenant wants addresses put on its list by themselves; raises Unavailable."""

    def __init__(
        self,
        outcomes: Outcomes,
        known: SuppressionList,
        wants: Callable[[str], Awaitable[bool]],
        blobs: BlobStore,
        keep_days: float,
        draining: asyncio.Event,
    ) -> None:
        self._outcomes = outcomes
        self._known = known
        self._wants = wants
        self._blobs = blobs
        self._keep = timedelta(days=keep_days)
        self._draining = draining
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(WAITING_MOST)

    def heard(self, _subject: str, payload: bytes) -> None:
        """Somebody told of one. In a flood what finds no room is not looked at."""
        try:
            self._waiting.put_nowait(payload)
        except asyncio.QueueFull:
            metrics.RETURNED.labels("dropped").inc()

    async def run(self) -> None:
        """Until the drain."""
        stopping = asyncio.ensure_future(self._draining.wait())
        try:
            while not self._draining.is_set():
                coming = asyncio.ensure_future(self._waiting.get())
                await asyncio.wait({coming, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    break
                await self._look(coming.result())
        finally:
            stopping.cancel()

    async def _look(self, payload: bytes) -> None:
        try:
            metrics.RETURNED.labels(await self.look(payload)).inc()
        except (BlobUnavailable, BlobMissing, DatabaseUnavailable, Unavailable, Malformed) as error:
            metrics.RETURNED.labels("failed").inc()
            LOG.warning("returned_mail_not_read", error=str(error))
        except Exception:
            metrics.RETURNED.labels("failed").inc()
            LOG.exception("returned_mail_failed")

    async def look(self, payload: bytes) -> str:
        """bounce, complaint, or other where it says nothing of any mail of ours.

        Raises Malformed, BlobMissing, BlobUnavailable, DatabaseUnavailable, Unavailable.
        """
        letter = decode(payload)
        body, envelope = letter.body, letter.envelope
        length = min(body.length, READ_MOST_OCTETS)
        content = await self._blobs.get_range(body.object_key, body.offset, length)
        if length < THREAD_OCTETS:
            found = read(content, _copy(envelope))
        else:
            # A megabyte of short fields takes a fifth of a second.
            found = await asyncio.to_thread(read, content, _copy(envelope))
        if found is None:
            return "other"
        taken = await self._outcomes.delivered(envelope.tenant_id, found.queue_ids)
        told = _about(found, taken)
        if not told:
            return "other"
        now = datetime.now(UTC)
        sender = envelope.recipients[0].address if found.kind is Kind.BOUNCE else ""
        await self._outcomes.reported(
            [
                of_message(
                    Type.BOUNCED if found.kind is Kind.BOUNCE else Type.COMPLAINED,
                    envelope.tenant_id,
                    queue_id,
                    sender,
                    now,
                    recipient=address,
                    status=fate.status,
                    reply=fate.diagnostic,
                    kind=_words(fate) if found.kind is Kind.BOUNCE else fate.diagnostic,
                    reported_by=found.reporter,
                )
                for queue_id, address, fate in told
            ]
        )
        await self._suppress(envelope.tenant_id, found.kind, told)
        LOG.info(
            "mail_returned",
            queue_id=told[0][0],
            kind=found.kind.value,
            recipients=len(told),
            reported_by=found.reporter,
        )
        return found.kind.value

    async def _suppress(self, tenant_id: str, kind: Kind, told: Sequence[tuple[str, str, Fate]]) -> None:
        if not await self._wants(tenant_id):
            return
        until = datetime.now(UTC) + self._keep
        for queue_id, address, fate in told:
            if kind is Kind.COMPLAINT:
                cause, detail = Cause.COMPLAINT, f"feedback report: {fate.diagnostic}"
            elif _is_hard(fate):
                cause, detail = Cause.HARD_BOUNCE, fate.diagnostic or fate.status
            else:
                continue
            await self._known.happened(tenant_id, address, cause, detail, queue_id, until)
            metrics.SUPPRESSED.labels("listed").inc()


def _copy(envelope: Envelope) -> Copy | None:
    """What it came to, where that is the reverse-path of one copy."""
    for each in () if envelope.reverse_path else envelope.recipients:
        if (said := copy_of(each.original_address)) is not None:
            return Copy(*said)
    return None


def _about(found: Returned, taken: Sequence[tuple[str, str]]) -> list[tuple[str, str, Fate]]:
    """Queue id, address and fate of what it says about mail of ours."""
    if found.kind is Kind.COMPLAINT and not found.fates:
        # Most reports hide who complains; where one got it, it was that one.
        return [(*taken[0], Fate(taken[0][1], "", "abuse"))] if len(taken) == 1 else []
    tagged = {fate.tag: fate for fate in found.fates if fate.tag}
    if tagged:
        return [
            (queue_id, address, tagged[tag_of(address)])
            for queue_id, address in taken
            if tag_of(address) in tagged
        ]
    fates = {key_of(fate.address): fate for fate in found.fates}
    return [
        (queue_id, address, fates[key_of(address)]) for queue_id, address in taken if key_of(address) in fates
    ]


def _words(fate: Fate) -> str:
    text = fate.diagnostic if fate.diagnostic[:1].isdigit() else f"550 {fate.status} {fate.diagnostic}"
    return classify_text(text.strip()).value


def _is_hard(fate: Fate) -> bool:
    return fate.status.startswith("5.") and _words(fate) in {each.value for each in HARD}
