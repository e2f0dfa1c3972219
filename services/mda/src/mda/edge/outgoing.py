"""What scripts send: through the one gate, under queue ids that are made of what caused it.

A process that dies in between sends again what is known then already.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from directoryclient import DirectoryClient, Disposition
from mailmodel import AccountRef
from mailmsg.compose import build_text
from mailproto.smtp.wishes import NO_WISHES, TlsWish, Wishes
from servicekit import logs
from spool import Letter, Recipient, Source, Speaker, Spool

from mda import metrics

LOG = logs.logger("mda.outgoing")


class Outgoing:
    """All methods raise directoryclient.Unavailable, SpoolUnavailable, OutcomeUnknown: then it is to be tried again."""

    def __init__(self, hostname: str, spool: Spool, directory: DirectoryClient) -> None:
        self.hostname = hostname
        self._spool = spool
        self._directory = directory

    async def accept(
        self,
        account: AccountRef,
        queue_id: str,
        reverse_path: str,
        addresses: Sequence[str],
        content: bytes,
        prefix: bytes = b"",
        *,
        tls: TlsWish = TlsWish.USUAL,
        is_binary: bool = False,
        speaker: Speaker | None = None,
    ) -> None:
        """Send for an account. `tls` is the wish of who sent what this comes from (RFC 8689 §6), `speaker` who that was."""
        recipients: list[Recipient] = []
        resolutions = await self._directory.resolve(list(addresses))
        for address, resolution in zip(addresses, resolutions, strict=True):
            if resolution.disposition is Disposition.REMOTE:
                recipients.append(Recipient(address, address, account.tenant_id, None))
            else:
                recipients += [
                    Recipient(target.address, address, target.tenant_id, target.account_id)
                    for target in resolution.targets
                ]
        if not recipients:
            LOG.info("script_mail_dropped", queue_id=queue_id, account_id=account.account_id)
            return
        await self._spool.accept(
            Letter(
                queue_id=queue_id,
                reverse_path=reverse_path,
                recipients=tuple(recipients),
                content=content,
                trace_prefix=prefix,
                source=Source.SIEVE,
                arrived_at=datetime.now(UTC),
                sender_account_id=account.account_id,
                smtputf8=not (reverse_path + "".join(each.address for each in recipients)).isascii(),
                eight_bit=is_binary or not content.isascii(),
                binary=is_binary,
                speaker=speaker,
                wishes=NO_WISHES if tls is TlsWish.USUAL else Wishes(tls=tls),
            )
        )
        metrics.SCRIPT_MAIL.inc()
        LOG.info("script_mail_sent", queue_id=queue_id, account_id=account.account_id)

    async def tell_owner(
        self, account: AccountRef, address: str, queue_id: str, subject: str, text: str
    ) -> None:
        """A word from us to the owner of an account."""
        now = datetime.now(UTC)
        content = build_text(
            sender=f"MAILER-DAEMON@{self.hostname}",
            recipients=[address],
            subject=subject,
            text=text,
            message_id=f"<{queue_id}@{self.hostname}>",
            sent_at=now,
            extra={"Auto-Submitted": "auto-generated"},
        )
        await self._spool.accept(
            Letter(
                queue_id=queue_id,
                reverse_path="",
                recipients=(Recipient(address, address, account.tenant_id, account.account_id),),
                content=content,
                trace_prefix=b"",
                source=Source.DSN,
                arrived_at=now,
                smtputf8=not address.isascii(),
                eight_bit=not content.isascii(),
            )
        )
