"""Mailing lists: posts go to members page by page, through the one gate, under queue ids made of the post and the page.

A process that dies in between sends its pages again, which the gate knows then; a member is in one page only, whoever
comes and goes meanwhile. When all is sent the delivery to the list itself is settled, with nothing filed.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import assert_never

from directoryclient import DirectoryClient
from mailmodel import AccountRef
from mailmsg.header import first_value
from mailmsg.words import decode_words
from mailstore import Delivery
from servicekit import logs
from spool import OwnCopies, Spool, SpooledLetter

from mda import metrics
from mda.core.findings import Finding, Verdict
from mda.core.lists import (
    BOUNCES,
    Kind,
    MailingList,
    copies,
    detail_of,
    distributed,
    kind_of,
    made_queue_id,
    may_sign,
    posters_of,
)
from mda.core.sent_on import of_copies
from mda.edge.list_mail import ListMail
from mda.edge.membership import FOR_OWNERS, Membership
from mda.edge.running import Running
from mda.ports import MailingLists, Quarantine

LOG = logs.logger("mda.distributing")
Alive = Callable[[], Awaitable[None]]
SUBJECT_CHARACTERS = 200


async def nothing() -> None:
    """For who need not say that it takes longer."""


class Distributing:
    """All methods raise directoryclient.Unavailable, BlobUnavailable, SpoolUnavailable, OutcomeUnknown: then it is to be tried again."""

    def __init__(
        self,
        hostname: str,
        lists: MailingLists,
        running: Running,
        spool: Spool,
        directory: DirectoryClient,
        quarantine: Quarantine,
        unsubscribe_url: str = "",
    ) -> None:
        self._lists = lists
        self._running = running
        self._quarantine = quarantine
        self._url = unsubscribe_url
        self._mail = ListMail(hostname, spool, directory)
        self._membership = Membership(lists, running, self._mail)

    async def among(self, accounts: Sequence[AccountRef]) -> dict[str, MailingList]:
        """Which of the accounts are lists."""
        return await self._lists.among(accounts)

    async def settle(
        self,
        letter: SpooledLetter,
        deliveries: Sequence[Delivery],
        lists: dict[str, MailingList],
        alive: Alive = nothing,
        *,
        suspect: str = "",
        is_released: bool = False,
    ) -> list[Delivery]:
        """The deliveries; those to lists are done, and have nothing to file. `suspect`: why it is held whoever posts."""
        done = []
        for delivery in deliveries:
            mailing_list = lists.get(delivery.account.account_id)
            if mailing_list is not None:
                fate = await self._settle_one(letter, delivery, mailing_list, alive, suspect, is_released)
                metrics.LIST_MAIL.labels(fate).inc()
                LOG.info(
                    "list_mail_settled",
                    queue_id=letter.envelope.queue_id,
                    list_id=mailing_list.list_id,
                    fate=fate,
                )
                delivery = replace(delivery, new=None)
            done.append(delivery)
        return done

    async def _settle_one(
        self,
        letter: SpooledLetter,
        delivery: Delivery,
        mailing_list: MailingList,
        alive: Alive,
        suspect: str,
        is_released: bool,
    ) -> str:
        header = await self._running.header(letter)
        detail = detail_of(mailing_list, letter)
        kind = kind_of(mailing_list, letter, header, detail)
        match kind:
            case Kind.LOOP | Kind.AUTOMATIC:
                return str(kind.value)
            case Kind.FOR_OWNERS:
                await self._to_owners(letter, mailing_list)
                return str(kind.value)
            case Kind.RETURNED | Kind.COMMAND:
                if kind is Kind.COMMAND:
                    fate = await self._membership.command(letter, mailing_list, header, detail)
                else:
                    fate = await self._membership.came_back(letter, mailing_list, detail)
                if fate == FOR_OWNERS:
                    await self._to_owners(letter, mailing_list)
                return fate
            case Kind.POST:
                reason = "" if is_released else suspect or await self._objection(letter, mailing_list)
                if reason:
                    await self._hold(letter, delivery, mailing_list, header, reason)
                    return "held"
                is_signed = may_sign(mailing_list, letter, header)
                await self._distribute(
                    letter, mailing_list, copies(mailing_list, self._url, is_signed), alive
                )
                return "distributed"
            case _:
                assert_never(kind)

    async def _objection(self, letter: SpooledLetter, mailing_list: MailingList) -> str:
        """Why its sender may not post; "" where that is no question."""
        if mailing_list.posting == "anyone":
            return ""
        posters = posters_of(letter)
        trusted = {each.lower() for each in (*mailing_list.owners, *mailing_list.moderators)}
        if any(each.lower() in trusted for each in posters):
            return ""
        if mailing_list.posting == "moderators":
            return "only moderators post here"
        if posters and await self._lists.members(mailing_list, posters):
            return ""
        return "its sender is no member for certain"

    # -- what goes out

    async def _distribute(
        self, letter: SpooledLetter, mailing_list: MailingList, own_copies: OwnCopies, alive: Alive
    ) -> None:
        envelope = letter.envelope
        received = await self._running.content(letter)
        content = distributed(mailing_list, received, letter.facts.header_octets)
        prefix = f"Delivered-To: {mailing_list.address}\r\n".encode() + envelope.trace_prefix
        page = 0
        while True:
            page, members = await self._lists.page(mailing_list, page)
            if not members:
                return
            await alive()
            await self._mail.accept(
                mailing_list,
                made_queue_id(envelope.queue_id, mailing_list.list_id, "page", str(page)),
                mailing_list.beside(BOUNCES),
                members,
                content,
                prefix,
                letter,
                own_copies,
                speaker=of_copies(mailing_list.beside(BOUNCES), envelope.speaker),
            )
            metrics.LIST_COPIES.inc(len(members))
            page += 1

    async def _to_owners(self, letter: SpooledLetter, mailing_list: MailingList) -> None:
        envelope = letter.envelope
        await self._mail.accept(
            mailing_list,
            made_queue_id(envelope.queue_id, mailing_list.list_id, "owners"),
            envelope.reverse_path,
            [(each, "") for each in mailing_list.owners],
            await self._running.content(letter),
            f"Delivered-To: {mailing_list.address}\r\n".encode() + envelope.trace_prefix,
            letter,
            speaker=envelope.speaker,
        )

    async def _hold(
        self,
        letter: SpooledLetter,
        delivery: Delivery,
        mailing_list: MailingList,
        header: bytes,
        reason: str,
    ) -> None:
        envelope = letter.envelope
        held_id = made_queue_id(envelope.queue_id, mailing_list.list_id, "held")
        mine = tuple(each for each in envelope.recipients if each.account_id == delivery.account.account_id)
        held = replace(letter, envelope=replace(envelope, queue_id=held_id, recipients=mine))
        finding = Finding("list", Verdict.SKIPPED, f"held for the moderators: {reason}")
        await self._quarantine.hold(held, await self._running.content(letter), [finding])
        subject = decode_words(first_value(header, b"subject") or b"")[:SUBJECT_CHARACTERS]
        # A line of its own could name another message that is held.
        subject = "".join(sign if sign.isprintable() else " " for sign in subject)
        await self._mail.tell(
            letter,
            mailing_list,
            "told",
            mailing_list.moderators or mailing_list.owners,
            f"A post to {mailing_list.address} is held",
            f"A message to the mailing list {mailing_list.address} is held: {reason}.\n\n"
            f"From: {envelope.reverse_path}\nSubject: {subject}\nQueue id: {held_id}\n\n"
            "It lies in the quarantine; whoever runs the platform for you can release it to the members or delete it.\n",
        )
