"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, LIST, LSUB, NAMESPACE (RFC 3501 §6.3, RFC 2342, RFC 6154)."""

from mailmodel import MailboxInfo
from mailmodel.mailbox_name import superiors
from mailproto.imap import responses
from mailproto.imap.commands import Create, Delete, List, Lsub, Rename, Subscribe, Unsubscribe
from mailproto.imap.names import Pattern
from mailstore import InboxProtected, MailboxExists, MailboxHasInferiors, MailboxMissing, MailboxNameInvalid

from imap.core.answer import NO_MAILBOX, Answer, No, ok
from imap.core.session import Session


async def create(session: Session, command: Create) -> Answer:
    """Mailboxes above it are made as needed."""
    try:
        await session.store.create_mailbox(session.account, command.mailbox, command.special_use)
    except MailboxExists:
        raise No("There is a mailbox of that name already", "ALREADYEXISTS") from None
    except InboxProtected:
        raise No("INBOX is always there", "ALREADYEXISTS") from None
    except MailboxNameInvalid as error:
        raise No(_sentence(error), "CANNOT") from None
    return ok("CREATE completed")


async def delete(session: Session, command: Delete) -> Answer:
    """A mailbox with others below it stays."""
    try:
        await session.store.delete_mailbox(session.account, command.mailbox)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    except MailboxHasInferiors:
        raise No("There are mailboxes below it", "HASCHILDREN") from None
    except InboxProtected:
        raise No("INBOX cannot be deleted", "CANNOT") from None
    except MailboxNameInvalid as error:
        raise No(_sentence(error), "NONEXISTENT") from None
    if session.selected is not None and session.selected.name == command.mailbox:
        session.selected = None
    return ok("DELETE completed")


async def rename(session: Session, command: Rename) -> Answer:
    """INBOX stays and gives its messages away."""
    try:
        await session.store.rename_mailbox(session.account, command.old, command.new)
    except MailboxMissing:
        raise No(*NO_MAILBOX) from None
    except MailboxExists:
        raise No("There is a mailbox of that name already", "ALREADYEXISTS") from None
    except (InboxProtected, MailboxNameInvalid) as error:
        raise No(_sentence(error) or "That name cannot be used", "CANNOT") from None
    return ok("RENAME completed")


async def subscribe(session: Session, command: Subscribe) -> Answer:
    """Any name may be subscribed."""
    try:
        await session.store.subscribe(session.account, command.mailbox)
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


async def listing(session: Session, command: List) -> Answer:
    """One query, however many mailboxes. An empty pattern asks for the separator only."""
    if not command.pattern:
        await session.say(b'* LIST (\\Noselect) "/" ""\r\n')
        return ok("LIST completed")
    pattern = Pattern(command.reference + command.pattern)
    found = await session.store.list_mailboxes(session.account)
    above = {name for info in found for name in superiors(info.name)}
    lines = [
        responses.listing(b"LIST", _attributes(info, info.name in above), info.name)
        for info in found
        if pattern.matches(info.name)
    ]
    await session.say(b"".join(lines))
    return ok("LIST completed")


def _attributes(info: MailboxInfo, has_children: bool) -> list[str]:
    return ["\\HasChildren" if has_children else "\\HasNoChildren", *sorted(info.special_use)]


async def lsub(session: Session, command: Lsub) -> Answer:
    """Subscribed names; with % also those above one, as \\Noselect (RFC 3501 §6.3.9)."""
    pattern = Pattern(command.reference + command.pattern)
    names = await session.store.list_subscriptions(session.account)
    lines = [responses.listing(b"LSUB", [], name) for name in names if pattern.matches(name)]
    if command.pattern.endswith("%"):
        above = sorted({upper for name in names for upper in superiors(name)} - set(names))
        lines += [responses.listing(b"LSUB", ["\\Noselect"], name) for name in above if pattern.matches(name)]
    await session.say(b"".join(lines))
    return ok("LSUB completed")


async def namespace(session: Session) -> Answer:
    """One's own mailboxes, at the top; none of others yet."""
    await session.say(b'* NAMESPACE (("" "/")) NIL NIL\r\n')
    return ok("NAMESPACE completed")


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]
