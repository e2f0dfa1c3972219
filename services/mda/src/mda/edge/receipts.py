"""Notices of delivery (NOTIFY=SUCCESS, RFC 3461 §5.2.3), and of its failure: made after the commit and before the acknowledgement.

A process that dies between them makes the notice again, under the same queue id.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType

from directoryclient import DirectoryClient, Disposition
from mailmsg.dsn import Action, RecipientStatus, Subject, build_delay, build_final
from mailproto.smtp.dsn_request import Notify
from servicekit import logs
from spool import EnvelopeRecipient, Letter, Recipient, Source, Spool, SpooledLetter

from mda import metrics
from mda.core.lateness import who_waits
from mda.core.told import Refusal, notice_queue_id, who_asked

LOG = logs.logger("mda.receipts")
FILED = Refusal("2.1.5", "")
# RFC 3463 X.4.7; it is not over.
DELAYED = Refusal("4.4.7", "")
NOBODY: Mapping[str, Refusal] = MappingProxyType({})


class Receipts:
    """Satisfies ports.Receipts."""

    def __init__(self, hostname: str, spool: Spool, directory: DirectoryClient) -> None:
        self._hostname = hostname
        self._spool = spool
        self._directory = directory

    async def tell(self, letter: SpooledLetter, refusals: Mapping[str, Refusal] = NOBODY) -> None:
        """That it was filed, but for the recipients (addresses) in `refusals`, who will not get it.

        Raises directoryclient.Unavailable, SpoolUnavailable, OutcomeUnknown: then nothing is certain, and it is to be tried again.
        """
        envelope = letter.envelope
        filed = [each for each in who_asked(envelope) if each.address not in refusals]
        if filed:
            statuses = [_status(each, FILED) for each in filed]
            if await self._send(letter, "delivered", filed, Action.DELIVERED, statuses):
                metrics.RECEIPTS.inc()
        await self.refuse(letter, {to: refusal for to, refusal in refusals.items() if not refusal.is_told})

    async def refuse(self, letter: SpooledLetter, refusals: Mapping[str, Refusal]) -> None:
        """That these recipients (addresses) will not get it. Raises the same."""
        envelope = letter.envelope
        refused = [each for each in who_asked(envelope, Notify.FAILURE) if each.address in refusals]
        # Copies of their own come back one by one, each to its reverse-path.
        parts = [refused] if envelope.own_copies is None else [[each] for each in refused]
        for part in filter(None, parts):
            statuses = [_status(each, refusals[each.address]) for each in part]
            if await self._send(letter, "refused", part, Action.FAILED, statuses):
                metrics.BOUNCED.inc()

    async def tell_late(self, letter: SpooledLetter) -> None:
        """That it takes longer than its sender wants (RFC 2852), once. Raises the same."""
        waiting = who_waits(letter.envelope)
        if waiting:
            statuses = [_status(each, DELAYED) for each in waiting]
            if await self._send(letter, "late", waiting, Action.DELAYED, statuses):
                metrics.LATE.inc()

    async def _send(
        self,
        letter: SpooledLetter,
        kind: str,
        about: Sequence[EnvelopeRecipient],
        action: Action,
        statuses: Sequence[RecipientStatus],
    ) -> bool:
        """False where there is nobody to send it to."""
        envelope = letter.envelope
        reverse_path = envelope.reverse_path_of(about[0].address)
        recipients = await self._sender(reverse_path, envelope.tenant_id)
        if not recipients:
            LOG.info("receipt_dropped", queue_id=envelope.queue_id, kind=kind)
            return False
        now, queue_id = datetime.now(UTC), notice_queue_id(envelope, kind, about)
        subject = Subject(
            reporting_mta=self._hostname,
            reverse_path=reverse_path,
            arrived_at=envelope.arrived_at,
            header=envelope.trace_prefix + letter.facts.header,
            queue_id=envelope.queue_id,
            envelope_id=envelope.request.shown_envelope_id,
            deliver_by=envelope.wishes.deliver_by_at,
            release_at=envelope.wishes.release_at,
        )
        message_id = f"<{queue_id}@{self._hostname}>"
        if action is Action.DELAYED:
            content = build_delay(subject, statuses, retry_until=None, message_id=message_id, sent_at=now)
        else:
            content = build_final(subject, statuses, action, message_id=message_id, sent_at=now)
        await self._spool.accept(
            Letter(
                queue_id=queue_id,
                reverse_path="",
                recipients=tuple(recipients),
                content=content,
                trace_prefix=b"",
                source=Source.DSN,
                arrived_at=now,
                smtputf8=not reverse_path.isascii(),
                eight_bit=not content.isascii(),
            )
        )
        LOG.info(
            "receipt_made",
            queue_id=envelope.queue_id,
            notice_queue_id=queue_id,
            kind=kind,
            recipients=len(about),
        )
        return True

    async def _sender(self, reverse_path: str, tenant_id: str) -> list[Recipient]:
        [resolution] = await self._directory.resolve([reverse_path])
        if resolution.disposition is Disposition.REMOTE:
            return [Recipient(reverse_path, reverse_path, tenant_id, None)]
        return [
            Recipient(target.address, reverse_path, target.tenant_id, target.account_id)
            for target in resolution.targets
        ]


def _status(recipient: EnvelopeRecipient, what: Refusal) -> RecipientStatus:
    return RecipientStatus(
        # What the sender wrote, not where an alias led (RFC 3461 §5.2.7).
        address=recipient.original_address,
        status=what.status,
        diagnostic=what.reason,
        original_recipient=recipient.request.shown_original_recipient,
        reason=what.filter_says,
    )
