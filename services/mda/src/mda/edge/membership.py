"""What members of a mailing list ask by mail, and what follows when their mail comes back.

Answered is only who is proven to be who it says (`posters_of`), so nobody gets our mail because a stranger used its
address; what others ask goes to the owners. What confirms bears a token that only its reader was given.
"""

from servicekit import logs
from spool import SpooledLetter

from mda.core.list_commands import Verdict, Wish, asked, returned
from mda.core.lists import CONFIRM, OWNER, RETURNED, SUBSCRIBE, UNSUBSCRIBE, MailingList, posters_of
from mda.core.standing import authors_of
from mda.edge.list_mail import ListMail
from mda.edge.running import Running
from mda.ports import MailingLists, Subscription

LOG = logs.logger("mda.membership")
FOR_OWNERS = "for_owners"


class Membership:
    """All methods raise directoryclient.Unavailable, BlobUnavailable, SpoolUnavailable, OutcomeUnknown: it is tried again then.

    They say what became of it; FOR_OWNERS: they are to look at it.
    """

    def __init__(self, lists: MailingLists, running: Running, mail: ListMail) -> None:
        self._lists = lists
        self._running = running
        self._mail = mail

    async def command(
        self, letter: SpooledLetter, mailing_list: MailingList, header: bytes, detail: str
    ) -> str:
        """Somebody asks for something."""
        content = await self._running.content(letter)
        wanted = asked(detail, header, content[letter.facts.header_octets :])
        if wanted.wish is Wish.CONFIRM:
            return await self._confirm(letter, mailing_list, wanted.token)
        posters = posters_of(letter)
        if not posters:
            return FOR_OWNERS
        if wanted.wish is Wish.UNSUBSCRIBE:
            return await self._unsubscribe(letter, mailing_list, posters)
        if wanted.wish is Wish.SUBSCRIBE:
            # Who wrote it, where that is proven, and not whatever brought it.
            return await self._subscribe(letter, mailing_list, posters[-1])
        await self._mail.tell(
            letter, mailing_list, "help", posters[-1:], f"About {mailing_list.address}", _help(mailing_list)
        )
        return "helped"

    async def _unsubscribe(self, letter: SpooledLetter, mailing_list: MailingList, posters: list[str]) -> str:
        members = await self._lists.members(mailing_list, posters)
        if not members:
            # Who is a member by another address: a human looks at it.
            return FOR_OWNERS
        # Told first: after a crash in between it is done again, and its queue id is known.
        await self._mail.tell(
            letter,
            mailing_list,
            "unsubscribed",
            members,
            f"You left {mailing_list.address}",
            f"{', '.join(members)} is no member of the mailing list {mailing_list.address} any more.\n\n"
            f"If you did not ask for that, write to {mailing_list.beside(OWNER)}.\n",
        )
        await self._lists.remove(mailing_list, members)
        return "unsubscribed"

    async def _subscribe(self, letter: SpooledLetter, mailing_list: MailingList, address: str) -> str:
        state, token = await self._lists.subscribe(mailing_list, address)
        name = mailing_list.address
        if state is Subscription.ASKED:
            await self._mail.tell(
                letter,
                mailing_list,
                "asked",
                [address],
                f"confirm {token}",
                f"Somebody, you probably, wants {address} to be a member of the mailing list {name}.\n\n"
                "To confirm that, answer this message within a week, and leave its subject as it is.\n"
                "If it was not you, do nothing.\n",
                reply_to=mailing_list.beside(CONFIRM),
            )
        elif state is Subscription.MEMBER:
            await self._mail.tell(
                letter,
                mailing_list,
                "member",
                [address],
                f"You are a member of {name}",
                f"{address} is a member of the mailing list {name} already.\n",
            )
        else:
            await self._mail.tell(
                letter,
                mailing_list,
                "closed",
                [address],
                f"You cannot join {name} by mail",
                f"The owners of the mailing list {name} add its members. Write to {mailing_list.beside(OWNER)}.\n",
            )
        return f"subscription_{state.value}"

    async def _confirm(self, letter: SpooledLetter, mailing_list: MailingList, token: str) -> str:
        addresses = dict.fromkeys([letter.envelope.reverse_path, *authors_of(letter)])
        address = await self._lists.confirm(mailing_list, list(addresses), token)
        if not address:
            return FOR_OWNERS
        await self._mail.tell(
            letter,
            mailing_list,
            "subscribed",
            [address],
            f"Welcome to {mailing_list.address}",
            f"{address} is a member of the mailing list {mailing_list.address} now.\n\n"
            f"To leave it, write to {mailing_list.beside(UNSUBSCRIBE)}.\n",
        )
        return "subscribed"

    async def came_back(self, letter: SpooledLetter, mailing_list: MailingList, detail: str) -> str:
        """Something about a member's copy."""
        verdict, reply = returned(await self._running.content(letter))
        if verdict is Verdict.NOTHING:
            return "returned_nothing"
        if verdict is Verdict.UNCLEAR:
            return FOR_OWNERS
        queue_id = letter.envelope.queue_id
        bounced = await self._lists.bounced(mailing_list, detail[len(RETURNED) :], reply, queue_id)
        if not bounced.address:
            return "returned_nobodys"
        LOG.info(
            "member_bounced",
            queue_id=queue_id,
            list_id=mailing_list.list_id,
            days=bounced.days,
            suspended=bounced.is_suspended,
            removed=bounced.is_removed,
        )
        if bounced.is_suspended or bounced.is_removed:
            now = "is no member" if bounced.is_removed else "gets no mail"
            again = "" if bounced.is_removed else " Add it again, and it gets mail again."
            await self._mail.tell(
                letter,
                mailing_list,
                "bounced",
                mailing_list.owners,
                f"{bounced.address} {now} of {mailing_list.address} any more",
                f"Mail to {bounced.address} came back on {bounced.days} days, so it {now} of the mailing list "
                f"{mailing_list.address} any more.{again}\n\nThe other system said: {reply}\n",
            )
        if bounced.is_removed:
            # Last: until then the directory says the same again.
            await self._lists.remove(mailing_list, [bounced.address])
        return "returned"


def _help(mailing_list: MailingList) -> str:
    joins = mailing_list.beside(SUBSCRIBE if mailing_list.is_open else OWNER)
    return (
        f"{mailing_list.address} is a mailing list.\n\n"
        f"To become a member, write to {joins}.\n"
        f"To leave it, write to {mailing_list.beside(UNSUBSCRIBE)}.\n"
        f"Its owners read {mailing_list.beside(OWNER)}.\n"
    )
