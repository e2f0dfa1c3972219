"""Notices of delivery (NOTIFY=SUCCESS, RFC 3461 §5.2.3): made after the commit and before the acknowledgement.

A process that dies between them makes the notice again, under the same queue id.
"""

from datetime import UTC, datetime

from directoryclient import DirectoryClient, Disposition
from mailmsg.dsn import Action, RecipientStatus, Subject, build_final
from servicekit import logs
from spool import Letter, Recipient, Source, Spool, SpooledLetter

from mda import metrics
from mda.core.told import notice_queue_id, who_asked

LOG = logs.logger("mda.receipts")
STATUS = "2.1.5"


class Receipts:
    """Satisfies ports.Receipts."""

    def __init__(self, hostname: str, spool: Spool, directory: DirectoryClient) -> None:
        self._hostname = hostname
        self._spool = spool
        self._directory = directory

    async def tell(self, letter: SpooledLetter) -> None:
        """Raises directoryclient.Unavailable, SpoolUnavailable, OutcomeUnknown: then nothing is certain, and it is to be tried again."""
        envelope = letter.envelope
        asked = who_asked(envelope)
        if not asked:
            return
        recipients = await self._sender(letter)
        if not recipients:
            LOG.info("receipt_dropped", queue_id=envelope.queue_id)
            return
        now, queue_id = datetime.now(UTC), notice_queue_id(envelope)
        content = build_final(
            Subject(
                reporting_mta=self._hostname,
                reverse_path=envelope.reverse_path,
                arrived_at=envelope.arrived_at,
                header=envelope.trace_prefix + letter.facts.header,
                queue_id=envelope.queue_id,
                envelope_id=envelope.request.shown_envelope_id,
            ),
            [
                RecipientStatus(
                    # What the sender wrote, not where an alias led (RFC 3461 §5.2.7).
                    address=recipient.original_address,
                    status=STATUS,
                    original_recipient=recipient.request.shown_original_recipient,
                )
                for recipient in asked
            ],
            Action.DELIVERED,
            message_id=f"<{queue_id}@{self._hostname}>",
            sent_at=now,
        )
        await self._spool.accept(
            Letter(
                queue_id=queue_id,
                reverse_path="",
                recipients=tuple(recipients),
                content=content,
                trace_prefix=b"",
                source=Source.DSN,
                arrived_at=now,
                smtputf8=not envelope.reverse_path.isascii(),
                eight_bit=not content.isascii(),
            )
        )
        metrics.RECEIPTS.inc()
        LOG.info("receipt_made", queue_id=envelope.queue_id, notice_queue_id=queue_id, recipients=len(asked))

    async def _sender(self, letter: SpooledLetter) -> list[Recipient]:
        reverse_path = letter.envelope.reverse_path
        [resolution] = await self._directory.resolve([reverse_path])
        if resolution.disposition is Disposition.REMOTE:
            return [Recipient(reverse_path, reverse_path, letter.envelope.tenant_id, None)]
        return [
            Recipient(target.address, reverse_path, target.tenant_id, target.account_id)
            for target in resolution.targets
        ]
