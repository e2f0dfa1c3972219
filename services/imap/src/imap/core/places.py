"""Mailboxes by the names that a session has for them: its own, and those of others (RFC 2342, RFC 4314).

Names below OTHERS and SHARED are an owner's address and the mailbox's name there: `Other Users/alice@a.test/INBOX`,
`Shared/team@a.test/Archive`. A mailbox in which the session has no right that lets it know of it is not there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from directoryclient import Unavailable
from directoryclient.sharing import Person
from mailmodel import AccountRef, FlagChange, MailboxInfo, SystemFlag
from mailmodel.mailbox_name import SEPARATOR, canonical
from mailmodel.rights import (
    ALL_RIGHTS,
    DELETE_MESSAGES,
    KEEP_SEEN,
    KNOWING,
    LOOKUP,
    WRITE,
    Rights,
    identifiers,
)
from mailstore import Changes, FlagLimits, FlagOutcome, SharedMailbox, Side, Snapshot

from imap.core.answer import NO_MAILBOX, No

if TYPE_CHECKING:
    from imap.core.session import Session

OTHERS = "Other Users"
SHARED = "Shared"
NOPERM = ("You have no right to do that here", "NOPERM")
LATER = ("Who that is cannot be asked now, try again later", "UNAVAILABLE")
ALWAYS = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Reach:
    """A mailbox, and what somebody may do in it. `reader_id` is "" for the owner."""

    owner: AccountRef
    mailbox_id: int
    reader_id: str = ""
    rights: Rights = ALL_RIGHTS

    @property
    def limits(self) -> FlagLimits:
        """The flags that may be changed (RFC 4314 §4)."""
        bits = SystemFlag(0)
        if KEEP_SEEN in self.rights:
            bits |= SystemFlag.SEEN
        if DELETE_MESSAGES in self.rights:
            bits |= SystemFlag.DELETED
        if WRITE in self.rights:
            bits |= SystemFlag.ANSWERED | SystemFlag.FLAGGED | SystemFlag.DRAFT
        return FlagLimits(bits, WRITE in self.rights)

    @property
    def side(self) -> Side:
        """Where messages come from or go to."""
        return Side(self.owner, self.mailbox_id, self.reader_id, self.limits if self.reader_id else None)

    def need(self, rights: str) -> None:
        """Raises No where one is missing."""
        if not self.rights.issuperset(rights):
            raise No(*NOPERM)


@dataclass(frozen=True, slots=True)
class Place:
    """A mailbox that was found. Its name is the session's name for it."""

    reach: Reach
    info: MailboxInfo

    @property
    def is_own(self) -> bool:
        return not self.reach.reader_id


def is_foreign(name: str) -> bool:
    """Whether a name is below a prefix that is not one's own (or is it)."""
    return name.split(SEPARATOR, 1)[0] in (OTHERS, SHARED)


def full_name(person: Person, name: str) -> str:
    """What others call a mailbox. A separator within an address is written in another way."""
    return SEPARATOR.join((SHARED if person.shared else OTHERS, quote(person.address, safe="@+ "), name))


async def who(session: "Session", reader: AccountRef | None = None) -> list[str]:
    """All identifiers that mean an account, without one this session's. Raises Unavailable."""
    account = reader or session.account
    assert session.people is not None
    known = (await session.people.by_id(account.tenant_id, [account.account_id])).get(account.account_id)
    return identifiers(account.account_id, known.groups if known is not None else ())


async def owner_of(
    session: "Session", name: str, reader: AccountRef | None = None
) -> tuple[AccountRef, str] | None:
    """Whose mailbox a foreign name means (to a reader, without one this session's account), and its name there; None
    where there is nobody. Raises No.
    """
    reader = reader or session.account
    levels = name.split(SEPARATOR, 2)
    if session.people is None or len(levels) < 3 or not levels[2]:
        return None
    try:
        person = await session.people.by_address(reader.tenant_id, unquote(levels[1]))
    except Unavailable:
        raise No(*LATER) from None
    if person is None or person.suspended or person.account_id == reader.account_id:
        return None
    if person.shared != (levels[0] == SHARED):
        return None
    return AccountRef(reader.tenant_id, person.account_id), levels[2]


async def find(session: "Session", name: str) -> Place | None:
    """A mailbox by the session's name for it. Raises No, MailboxNameInvalid."""
    found = await find_as(session, session.account, name)
    if found is None or found.is_own:
        return found
    subscribed = canonical(found.info.name) in await session.store.list_subscriptions(session.account)
    return replace(found, info=replace(found.info, subscribed=subscribed))


async def find_as(session: "Session", reader: AccountRef, name: str) -> Place | None:
    """The same by the name that an account has for it, with what that account may do. Raises No, MailboxNameInvalid."""
    if not is_foreign(name):
        info = await session.store.get_mailbox(reader, name)
        return None if info is None else Place(Reach(reader, info.mailbox_id), info)
    owned = await owner_of(session, name, reader)
    if owned is None:
        return None
    owner, inner = owned
    try:
        shared = await session.store.get_shared(owner, inner, reader, await who(session, reader))
    except Unavailable:
        raise No(*LATER) from None
    if shared is None or not shared.rights & KNOWING:
        return None
    front = name[: len(name) - len(inner)]
    return _place(reader, shared, front + shared.info.name, is_subscribed=False)


def _place(reader: AccountRef, shared: SharedMailbox, name: str, *, is_subscribed: bool) -> Place:
    info = replace(shared.info, name=name, subscribed=is_subscribed)
    return Place(Reach(shared.owner, info.mailbox_id, reader.account_id, shared.rights), info)


async def need(session: "Session", name: str, rights: str, missing: tuple[str, str] = NO_MAILBOX) -> Place:
    """The same, with these rights. Raises No: that it is not there, or what may not be done there."""
    found = await find(session, name)
    if found is None:
        raise No(*missing)
    found.reach.need(rights)
    return found


async def visible(session: "Session", *, own_only: bool = False) -> list[Place]:
    """All mailboxes that may be listed, one's own first; one query. Others' are left out where nobody can say whose
    they are.
    """
    try:
        if own_only or session.people is None:
            raise Unavailable("nobody is asked")
        own, shared = await session.store.list_visible(session.account, await who(session))
        owners = await session.people.by_id(
            session.account.tenant_id, [each.owner.account_id for each in shared]
        )
    except Unavailable:
        own, shared, owners = await session.store.list_mailboxes(session.account), [], {}
    places = [Place(Reach(session.account, info.mailbox_id), info) for info in own]
    subscribed = set(await session.store.list_subscriptions(session.account)) if shared else set()
    for each in shared:
        person = owners.get(each.owner.account_id)
        if person is None or person.suspended or LOOKUP not in each.rights:
            continue
        name = full_name(person, each.info.name)
        places.append(_place(session.account, each, name, is_subscribed=name in subscribed))
    return places


async def again(session: "Session", reach: Reach) -> Reach | None:
    """With the rights as they are now; None where there are none any more. Raises No."""
    if not reach.reader_id:
        return reach
    try:
        found = await session.store.get_shared_by_id(
            reach.owner, reach.mailbox_id, session.account, await who(session)
        )
    except Unavailable:
        raise No(*LATER) from None
    return None if found is None else replace(reach, rights=found.rights)


# -- what is done in a mailbox, whoever owns it


async def snapshot(session: "Session", reach: Reach, *, claim_recent: bool = False) -> Snapshot:
    """Raises MailboxMissing."""
    if reach.reader_id:
        return await session.store.snapshot_as(
            reach.owner, reach.mailbox_id, reach.reader_id, claim_recent=claim_recent
        )
    return await session.store.snapshot(reach.owner, reach.mailbox_id, claim_recent=claim_recent)


async def changes_since(session: "Session", reach: Reach, modseq: int) -> Changes:
    """What changed for this session."""
    if reach.reader_id:
        return await session.store.changes_as(reach.owner, reach.mailbox_id, modseq, reach.reader_id)
    return await session.store.changes_since(reach.owner, reach.mailbox_id, modseq)


async def store_flags(
    session: "Session", reach: Reach, uids: Sequence[int], change: FlagChange, unchanged_since: int = ALWAYS
) -> FlagOutcome:
    """What of it may be done is done. Raises MailboxMissing."""
    if reach.reader_id:
        return await session.store.store_flags_as(
            reach.owner, reach.mailbox_id, uids, change, unchanged_since, reach.reader_id, reach.limits
        )
    return await session.store.store_flags_unless_changed(
        reach.owner, reach.mailbox_id, uids, change, unchanged_since
    )
