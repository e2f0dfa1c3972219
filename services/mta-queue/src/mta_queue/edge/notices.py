"""Delivery status notifications (RFC 3464): made through the one gate, exactly once.

What the sender is to be told (a failure, or with NOTIFY=SUCCESS that a system was
reached that tells nothing itself) is recorded together with the fact that its notice is due. The notice's
queue id is made of the message and its recipients, so that a notice made twice is
delivered once. Never a notice about a notice (RFC 5321 §6.1).
"""

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from blobstore import BlobMissing, BlobStore, BlobUnavailable
from directoryclient import DirectoryClient, Disposition, Unavailable
from mailmsg.dsn import Action, RecipientStatus, Subject, build_delay, build_final
from mailproto.smtp.dsn_request import Ret
from mailproto.smtp.wishes import TlsWish, Wishes
from pgkit import DatabaseUnavailable
from servicekit import logs
from spool import (
    Envelope,
    Letter,
    Malformed,
    NoSuchTenant,
    OutcomeUnknown,
    Recipient,
    Source,
    Spool,
    SpooledLetter,
    SpoolUnavailable,
    decode,
)

from mta_queue import metrics
from mta_queue.core.outcome import Outcome, Verdict, is_to_be_told, wants_delay
from mta_queue.ports import Delayed, Due, Queue

LOG = logs.logger("mta_queue.notices")
# A notice that was not made right after the failure is made by the sweep, by any process.
SWEEP_AGE = timedelta(seconds=30)
SWEEP_SECONDS = 10.0
RETURNED_MOST_OCTETS = 1024 * 1024
ACTIONS = {Verdict.FAILED: Action.FAILED, Verdict.DELIVERED: Action.RELAYED}
AWAY = (Unavailable, SpoolUnavailable, OutcomeUnknown, BlobUnavailable, DatabaseUnavailable)
# A sender is told of a delay by the process that claimed it; after so long another may.
CLAIM = timedelta(minutes=10)
SWEPT_AT_ONCE = 50
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def notice_queue_id(queue_id: str, addresses: tuple[str, ...]) -> str:
    """26 characters like any queue id: the message's time, then a digest of what the notice is about."""
    digest = hashlib.sha256("\0".join((queue_id, *sorted(addresses))).encode()).digest()
    return queue_id[:10] + "".join(ALPHABET[octet & 31] for octet in digest[:16])


def _parts(envelope: Envelope, outcomes: Sequence[Outcome]) -> list[Sequence[Outcome]]:
    """What is told together: copies of their own come back one by one."""
    if envelope.own_copies is not None:
        return [[each] for each in outcomes]
    return [outcomes] if outcomes else []


class Notices:
    """Makes notices and records that they are made."""

    def __init__(
        self, hostname: str, queue: Queue, spool: Spool, blobs: BlobStore, directory: DirectoryClient
    ) -> None:
        self._hostname = hostname
        self._queue = queue
        self._spool = spool
        self._blobs = blobs
        self._directory = directory

    async def make(self, due: Due) -> None:
        """One notice; when something is away it stays due."""
        addresses = tuple(outcome.address for outcome in due.outcomes)
        try:
            try:
                letter = decode(due.payload)
            except Malformed as error:
                metrics.NOTICES.labels("unreadable").inc()
                LOG.error("notice_unreadable", queue_id=due.queue_id, error=str(error))
            else:
                if letter.envelope.may_answer_sender:
                    for verdict, action in ACTIONS.items():
                        await self._send(letter, due, verdict, action)
            await self._queue.notice_made(due.tenant_id, due.queue_id, addresses)
        except AWAY as error:
            metrics.NOTICES.labels("postponed").inc()
            LOG.warning("notice_postponed", queue_id=due.queue_id, error=str(error))
        except Exception:
            # It stays due, and stops no other.
            metrics.NOTICES.labels("failed").inc()
            LOG.exception("notice_failed", queue_id=due.queue_id)

    async def _send(self, letter: SpooledLetter, due: Due, verdict: Verdict, action: Action) -> None:
        envelope = letter.envelope
        known = {recipient.address: recipient for recipient in envelope.recipients}
        # A bounce that the operator asks for is no reason to tell somebody who said NEVER.
        outcomes = [
            outcome
            for outcome in due.outcomes
            if outcome.verdict is verdict
            and outcome.address in known
            and is_to_be_told(outcome, known[outcome.address].request)
        ]
        for part in _parts(envelope, outcomes):
            queue_id = notice_queue_id(envelope.queue_id, tuple(outcome.address for outcome in part))
            build = partial(build_final, action=action)
            await self._post(letter, part, queue_id, build, await self._content(letter, action))

    async def warn(self, delayed: Delayed) -> None:
        """Tell the sender that it takes longer (RFC 3461 §5.2.6: who did not say may be told).

        When something is away it is tried again when the claim on it is over.
        """
        try:
            letter = decode(delayed.payload)
            known = {recipient.address: recipient for recipient in letter.envelope.recipients}
            by = letter.envelope.wishes.deliver_by
            outcomes = [
                outcome
                for outcome in delayed.outcomes
                if outcome.address in known and wants_delay(known[outcome.address].request, by)
            ]
            for part in _parts(letter.envelope, outcomes) if letter.envelope.may_answer_sender else ():
                addresses = tuple(outcome.address for outcome in part)
                queue_id = notice_queue_id(delayed.queue_id, ("delayed", *addresses))
                build = partial(build_delay, retry_until=delayed.expires_at)
                await self._post(letter, part, queue_id, build, b"")
            await self._queue.warned(delayed.tenant_id, delayed.item_id)
        except Malformed as error:
            metrics.NOTICES.labels("unreadable").inc()
            LOG.error("notice_unreadable", queue_id=delayed.queue_id, error=str(error))
        except AWAY as error:
            metrics.NOTICES.labels("postponed").inc()
            LOG.warning("notice_postponed", queue_id=delayed.queue_id, error=str(error))
        except Exception:
            metrics.NOTICES.labels("failed").inc()
            LOG.exception("notice_failed", queue_id=delayed.queue_id)

    async def _post(
        self,
        letter: SpooledLetter,
        outcomes: Sequence[Outcome],
        queue_id: str,
        build: Callable[..., bytes],
        returned: bytes,
    ) -> None:
        """Make it and hand it to the gate, if anybody gets it."""
        envelope = letter.envelope
        known = {recipient.address: recipient for recipient in envelope.recipients}
        reverse_path = envelope.reverse_path_of(outcomes[0].address)
        [resolution] = await self._directory.resolve([reverse_path])
        if resolution.disposition is Disposition.REMOTE:
            recipients = [Recipient(reverse_path, reverse_path, envelope.tenant_id, None)]
        else:
            recipients = [
                Recipient(target.address, reverse_path, target.tenant_id, target.account_id)
                for target in resolution.targets
            ]
        if not recipients:
            metrics.NOTICES.labels("unwanted").inc()
            LOG.info("notice_dropped", queue_id=envelope.queue_id, reason=resolution.disposition.value)
            return
        now = datetime.now(UTC)
        content = build(
            Subject(
                reporting_mta=self._hostname,
                reverse_path=reverse_path,
                arrived_at=envelope.arrived_at,
                header=envelope.trace_prefix + await self._header(letter),
                queue_id=envelope.queue_id,
                envelope_id=envelope.request.shown_envelope_id,
                content=returned,
                deliver_by=envelope.wishes.deliver_by_at,
                release_at=envelope.wishes.release_at,
            ),
            [
                RecipientStatus(
                    address=outcome.address,
                    status=outcome.status,
                    diagnostic=outcome.diagnostic,
                    remote_mta=outcome.host,
                    original_address=known[outcome.address].original_address,
                    original_recipient=known[outcome.address].request.shown_original_recipient,
                    last_attempt_at=now,
                )
                for outcome in outcomes
            ],
            message_id=f"<{queue_id}@{self._hostname}>",
            sent_at=now,
        )
        notice = Letter(
            queue_id=queue_id,
            reverse_path="",
            recipients=tuple(recipients),
            content=content,
            trace_prefix=b"",
            source=Source.DSN,
            arrived_at=now,
            # RFC 6533 §3: who sent with an address outside ASCII is told in kind.
            smtputf8=not reverse_path.isascii(),
            eight_bit=not content.isascii(),
            wishes=Wishes(tls=envelope.wishes.tls),
        )
        try:
            await self._spool.accept(notice)
        except NoSuchTenant as error:
            # Nothing can be put in its name any more, however often it is tried.
            metrics.NOTICES.labels("unwanted").inc()
            LOG.info("notice_dropped", queue_id=envelope.queue_id, reason=str(error))
            return
        metrics.NOTICES.labels("made").inc()
        LOG.info(
            "notice_made", queue_id=envelope.queue_id, notice_queue_id=queue_id, recipients=len(outcomes)
        )

    async def _content(self, letter: SpooledLetter, action: Action) -> bytes:
        """The whole message where the sender wants it back and it is not too big (RFC 3461 §4.3, §6.2)."""
        envelope, body = letter.envelope, letter.body
        wanted = envelope.request.ret is Ret.FULL and action is Action.FAILED and not envelope.binary
        # RFC 8689 §5: of what had to travel in TLS only the header comes back.
        wanted = wanted and envelope.wishes.tls is not TlsWish.REQUIRED
        if not wanted or body.length > RETURNED_MOST_OCTETS:
            return b""
        try:
            return envelope.trace_prefix + await self._blobs.get_range(
                body.object_key, body.offset, body.length
            )
        except BlobMissing:
            return b""

    async def _header(self, letter: SpooledLetter) -> bytes:
        if letter.facts.header:
            return letter.facts.header
        body = letter.body
        try:
            start = await self._blobs.get_range(body.object_key, body.offset, min(body.length, 64 * 1024))
        except BlobMissing:
            return b""
        end = start.find(b"\r\n\r\n")
        return start if end < 0 else start[: end + 4]

    async def sweep_once(self, draining: asyncio.Event) -> None:
        """All that is due now. What cannot be made now comes again with the next sweep. Raises DatabaseUnavailable."""
        seen: set[tuple[str, str]] = set()
        # Recipients whose notices cannot be made now: they hide nobody who comes after them.
        stuck = 0
        while not draining.is_set():
            dues = await self._queue.notices_due(SWEPT_AT_ONCE, datetime.now(UTC) - SWEEP_AGE, stuck)
            if not dues:
                break
            for due in dues:
                if (due.tenant_id, due.queue_id) in seen:
                    stuck += len(due.outcomes)
                else:
                    seen.add((due.tenant_id, due.queue_id))
                    await self.make(due)
        while not draining.is_set():
            now = datetime.now(UTC)
            delayed = await self._queue.delayed(SWEPT_AT_ONCE, now, now + CLAIM)
            for each in delayed:
                await self.warn(each)
            if len(delayed) < SWEPT_AT_ONCE:
                break

    async def sweep(self, draining: asyncio.Event) -> None:
        """Make what a process that died left due, until the drain."""
        while not draining.is_set():
            try:
                await self.sweep_once(draining)
            except DatabaseUnavailable as error:
                LOG.warning("notice_sweep_failed", error=str(error))
            try:
                async with asyncio.timeout(SWEEP_SECONDS):
                    await draining.wait()
            except TimeoutError:
                continue
