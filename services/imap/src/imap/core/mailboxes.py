"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, NAMESPACE (RFC 3501 §6.3, RFC 2342, RFC 6154)."""

from mailmodel import AccountRef
from mailmodel.mailbox_name import INBOX, SEPARATOR, canonical, superiors
from mailmodel.rights import CREATE, DELETE
from mailproto.imap.commands import Create, Delete, Rename, Subscribe, Unsubscribe
from mailproto.imap.names import encode_name
from mailstore import (
    InboxProtected,
    MailboxesFull,
    MailboxExists,
    MailboxHasInferiors,
    MailboxMissing,
    MailboxNameInvalid,
)

from imap.core.answer import NO_MAILBOX, Answer, No, ok
from imap.core.languages import prefix
from imap.core.naming import say_normal_form
from imap.core.object_ids import mailbox_object
from imap.core.places import NOPERM, is_foreign, need, owner_of
from imap.core.session import Session

# Uses that a mailbox may have here (RFC 6154 §2, RFC 8457); \All and \Flagged would have to be virtual.
SPECIAL_USES = {
    use.lower(): use for use in ("\\Archive", "\\Drafts", "\\Important", "\\Junk", "\\Sent", "\\Trash")
}

TOO_MANY = ("There are as many mailboxes as there may be", "LIMIT")


async def create(session: Session, command: Create) -> Answer:
    """Mailboxes above it are made as needed."""
    uses = await _special_uses(session, command)
    name = command.mailbox.removesuffix(SEPARATOR)
    owner, name = await _own_or_permitted(session, name)
    try:
        made = await session.store.create_mailbox(owner, name, uses)
    except MailboxExists:
        raise No("There is a mailbox of that name already", "ALREADYEXISTS") from None
    except InboxProtected:
        raise No("INBOX is always there", "ALREADYEXISTS") from None
    except MailboxesFull:
        raise No(*TOO_MANY) from None
    except MailboxNameInvalid as error:
        raise No(_sentence(error), "CANNOT") from None
    await say_normal_form(session, command.mailbox)
    return ok("CREATE completed", f"MAILBOXID ({mailbox_object(made.mailbox_id)})")


async def _own_or_permitted(session: Session, name: str) -> tuple[AccountRef, str]:
    """Whose a new mailbox is to be and its name there; another's where the nearest one above allows it. Raises No."""
    if not is_foreign(name):
        return session.account, name
    owned = await owner_of(session, name)
    if owned is None:
        raise No(*NOPERM)
    owner, inner = owned
    front = name[: len(name) - len(inner)]
    for superior in reversed(superiors(inner)):
        if await session.store.get_mailbox(owner, superior) is not None:
            await need(session, front + superior, CREATE, NOPERM)
            return owner, inner
    raise No(*NOPERM)


async def _special_uses(session: Session, command: Create) -> frozenset[str]:
    """The uses asked for, as we write them. One mailbox has each: a second would leave clients to guess."""
    if not command.special_use:
        return frozenset()
    uses = frozenset(SPECIAL_USES.get(name.lower(), "") for name in command.special_use)
    if "" in uses or is_foreign(command.mailbox):
        raise No("A mailbox cannot have that use here", "USEATTR")
    for info in await session.store.list_mailboxes(session.account):
        if info.special_use & uses:
            raise No("Another mailbox has that use already", "USEATTR")
    return uses


async def delete(session: Session, command: Delete) -> Answer:
    """A mailbox with others below it stays."""
    try:
        place = await need(session, command.mailbox, DELETE)
        inner = command.mailbox if place.is_own else (await _there(session, command.mailbox))[1]
        await session.store.delete_mailbox(place.reach.owner, inner)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    except MailboxHasInferiors:
        raise No("There are mailboxes below it", "HASCHILDREN") from None
    except InboxProtected:
        raise No("INBOX cannot be deleted", "CANNOT") from None
    except MailboxNameInvalid as error:
        raise No(_sentence(error), "NONEXISTENT") from None
    if session.selected is not None and session.selected.name == canonical(command.mailbox):
        session.select(None)
    await say_normal_form(session, command.mailbox, ("\\NonExistent",))
    return ok("DELETE completed")


async def rename(session: Session, command: Rename) -> Answer:
    """INBOX stays and gives its messages away."""
    try:
        place = await need(session, command.old, DELETE)
        owner, new = await _own_or_permitted(session, command.new.removesuffix(SEPARATOR))
        if owner != place.reach.owner:
            raise No("A mailbox stays with its owner; move its messages", "CANNOT")
        old = command.old if place.is_own else (await _there(session, command.old))[1]
        if not place.is_own and canonical(old) == INBOX:
            raise No("Another's INBOX is not renamed", "CANNOT")
        await session.store.rename_mailbox(owner, old, new)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    except MailboxExists:
        raise No("There is a mailbox of that name already", "ALREADYEXISTS") from None
    except MailboxesFull:
        raise No(*TOO_MANY) from None
    except (InboxProtected, MailboxNameInvalid) as error:
        raise No(_sentence(error) or "That name cannot be used", "CANNOT") from None
    await say_normal_form(session, command.new)
    return ok("RENAME completed")


async def _there(session: Session, name: str) -> tuple[AccountRef, str]:
    """Whose it is, and its name there. Raises No."""
    owned = await owner_of(session, name)
    if owned is None:
        raise No(*NO_MAILBOX)
    return owned


async def subscribe(session: Session, command: Subscribe) -> Answer:
    """Any name may be subscribed."""
    try:
        await session.store.subscribe(session.account, command.mailbox)
    except MailboxesFull:
        raise No("So many names cannot be subscribed", "LIMIT") from None
    except MailboxNameInvalid as error:
        raise No(_sentence(error), "CANNOT") from None
    return ok("SUBSCRIBE completed")


async def unsubscribe(session: Session, command: Unsubscribe) -> Answer:
    """A name that was not subscribed is no error of anybody's."""
    try:
        await session.store.unsubscribe(session.account, command.mailbox)
    except MailboxNameInvalid as error:
        raise No(_sentence(error), "CANNOT") from None
    return ok("UNSUBSCRIBE completed")


async def namespace(session: Session) -> Answer:
    """One's own mailboxes at the top; those of other people; those that nobody owns (RFC 2342 §5)."""
    await session.say(namespaces(session))
    return ok("NAMESPACE completed")


def namespaces(session: Session) -> bytes:
    """The NAMESPACE response; with what the prefixes are called in the client's language (RFC 5255 §3.4)."""
    others = b"NIL NIL"
    if session.people is not None:
        others = b" ".join(_namespace(session, name) for name in ("Other Users/", "Shared/"))
    return b'* NAMESPACE (("" "/")) %b\r\n' % others


def _namespace(session: Session, name: str) -> bytes:
    called = prefix(name, session.language)
    translation = b' "TRANSLATION" ("%b")' % encode_name(called) if called else b""
    return b'(("%b" "/"%b))' % (name.encode("ascii"), translation)


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]
