"""What mailing lists send, through the one gate."""

from collections.abc import Sequence
from datetime import UTC, datetime

from directoryclient import DirectoryClient, Disposition
from mailmsg.compose import build_text
from mailproto.smtp.wishes import NO_WISHES, TlsWish, Wishes
from spool import Letter, OwnCopies, Recipient, Source, Speaker, Spool, SpooledLetter

from mda.core.lists import OWNER, MailingList, made_queue_id


class ListMail:
    """All methods raise directoryclient.Unavailable, SpoolUnavailable, OutcomeUnknown: then it is to be tried again."""

    def __init__(self, hostname: str, spool: Spool, directory: DirectoryClient) -> None:
        self._hostname = hostname
        self._spool = spool
        self._directory = directory

    async def tell(
        self,
        letter: SpooledLetter,
        mailing_list: MailingList,
        what: str,
        addresses: Sequence[str],
        subject: str,
        text: str,
        *,
        reply_to: str = "",
    ) -> None:
        """Because of a letter; once for each `what`."""
        queue_id = made_queue_id(letter.envelope.queue_id, mailing_list.list_id, what)
        extra = {"Auto-Submitted": "auto-generated"}
        if reply_to:
            extra["Reply-To"] = reply_to
        content = build_text(
            sender=mailing_list.beside(OWNER),
            recipients=addresses,
            subject=subject,
            text=text,
            message_id=f"<{queue_id}@{self._hostname}>",
            sent_at=letter.envelope.arrived_at,
            extra=extra,
        )
        await self.accept(mailing_list, queue_id, "", [(each, "") for each in addresses], content, b"", None)

    async def accept(
        self,
        mailing_list: MailingList,
        queue_id: str,
        reverse_path: str,
        addresses: Sequence[tuple[str, str]],
        content: bytes,
        prefix: bytes,
        letter: SpooledLetter | None,
        own_copies: OwnCopies | None = None,
        *,
        speaker: Speaker | None = None,
    ) -> None:
        """To addresses, each with its token. `speaker`: whose word its From is, where that is not the list's."""
        resolutions = await self._directory.resolve([address for address, _ in addresses])
        recipients: dict[tuple[str, str | None], Recipient] = {}
        for (address, token), resolution in zip(addresses, resolutions, strict=True):
            if resolution.disposition is Disposition.REMOTE:
                recipients.setdefault(
                    (address.lower(), None),
                    Recipient(address, address, mailing_list.tenant_id, None, token=token),
                )
            else:
                for target in resolution.targets:
                    recipients.setdefault(
                        (target.address.lower(), target.account_id),
                        Recipient(target.address, address, target.tenant_id, target.account_id, token=token),
                    )
        if not recipients:
            return
        is_binary = letter is not None and letter.envelope.binary
        tls = TlsWish.USUAL if letter is None else letter.envelope.wishes.tls
        international = reverse_path + "".join(each.address for each in recipients.values())
        await self._spool.accept(
            Letter(
                queue_id=queue_id,
                reverse_path=reverse_path,
                recipients=tuple(recipients.values()),
                content=content,
                trace_prefix=prefix,
                source=Source.SIEVE,
                arrived_at=datetime.now(UTC),
                sender_account_id=mailing_list.list_id,
                smtputf8=not international.isascii() or (letter is not None and letter.envelope.smtputf8),
                eight_bit=is_binary or not content.isascii(),
                binary=is_binary,
                wishes=NO_WISHES if tls is TlsWish.USUAL else Wishes(tls=tls),
                own_copies=own_copies,
                speaker=speaker,
            )
        )
